"""A real HTTP server on loopback that speaks the chat API, and misbehaves when told to."""

from __future__ import annotations

import json
import re
import threading

from tests.loopback import Loopback


class ChatServer(Loopback):
    """Answers POST /v1/chat/completions; a queued text is the content of a completion.

    ``refuse``: forms of question it answers with 400. ``refused``: gives the error of a 400 for a request's body, or
    None. Each of ``requests`` also holds the form of the question, ``mode``.
    """

    def __init__(self):
        self.refuse = set()
        self.refused = lambda body, number: None
        self.together: threading.Barrier | None = None  # requests that must be under way at once
        super().__init__()

    def turn_of(self, request, number, given):
        body = request["body"]
        request["mode"] = mode_of(body)
        if self.together:
            self.together.wait(60)
        if mode_of(body) in self.refuse:
            given = 400, {"error": {"message": "response_format is not supported"}}
        if error := self.refused(body, number):
            given = 400, {"error": error}
        status, content, headers = (*(given or (200, self.plain(body, number))), {})[:3]
        return status, self.reply(content, body) if isinstance(content, str) else content, headers

    @staticmethod
    def plain(body, number):
        """As many rewrites as are asked for, other ones in every answer."""
        n = int(re.findall(r"Write (\d+) ", body["messages"][1]["content"])[-1])
        return json.dumps({"rewrites": [f"a fox in a forest at dawn {number}.{i}" for i in range(n)]})

    @staticmethod
    def reply(content, body):
        message = {"role": "assistant", "content": content}
        if "tools" in body:
            call = {"id": "1", "type": "function", "function": {"name": "rewrites", "arguments": content}}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return completion(message)


def completion(message, finish_reason="stop", **usage):
    """A whole answer with this message."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish_reason, "message": message}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, **usage},
    }


def mode_of(body):
    if "tools" in body:
        return "tool"
    return body.get("response_format", {}).get("type", "text")
