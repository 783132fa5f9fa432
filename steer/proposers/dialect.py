"""What a chat server takes, found out by asking: servers that speak OpenAI's wire differ in fields and forms."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai

from reward_models.remote import said
from steer.proposers.backend import Message

log = logging.getLogger(__name__)

OPTIONAL = ("temperature", "seed")  # left out where a model takes no choice of them
MODES = ("json_schema", "tool", "json_object", "text")  # how an answer's form is asked for, the strictest first
LENGTHS = ("max_tokens", "max_completion_tokens")  # OpenAI's newer models want the second, older servers know the first
MORE, MOST_ROOM = 4, 16  # times the usual length, for a model that reasons before it writes


@dataclass(frozen=True)
class Request:
    """One request as it is sent, and how it asked: in which form, for how many tokens, with how much room."""

    body: dict[str, Any] = field(repr=False)
    mode: str
    length: int
    room: int


@dataclass
class Dialect:
    """The form, the fields and the room that a server takes. Runs beside each other share it, so that each thing is
    found out once. ``extra``: fields of every request, as they are. ``asked_for``: the name of what an answer holds.
    """

    extra: Mapping[str, Any] = field(default_factory=dict)
    asked_for: str = "rewrites"
    mode: str = MODES[0]
    length_field: str = LENGTHS[0]
    left_out: frozenset[str] = frozenset()
    room: int = 1
    most_room: int = MOST_ROOM

    def request(
        self,
        model: str,
        messages: Sequence[Message],
        schema: dict[str, Any],
        temperature: float,
        seed: int,
        max_tokens: int,
    ) -> Request:
        """As the server is known to take it."""
        length = max_tokens * self.room
        fields: dict[str, Any] = {"temperature": temperature, "seed": seed}
        if not any(name in self.extra for name in LENGTHS):  # one set by hand; servers refuse both at once
            fields[self.length_field] = length
        fields = {name: value for name, value in fields.items() if name not in self.left_out}
        body = {
            "model": model,
            "messages": list(messages),
            **_form(self.mode, schema, self.asked_for),
            **fields,
            **self.extra,
        }
        return Request(body, self.mode, length, self.room)

    def learned(self, error: openai.APIStatusError, sent: Request) -> bool:
        """Whether a 400 tells how to ask otherwise; the next request does."""
        name = self._refused(error, sent)
        if name in LENGTHS and name not in self.extra:
            unknown = error.code == "unsupported_parameter" or LENGTHS[1] in said(error)
            if name == LENGTHS[1] or not unknown:
                return False  # it is not the field but its number
            self.length_field = LENGTHS[1]
        elif name in OPTIONAL and name not in self.extra:
            self.left_out |= {name}
        elif name is not None or sent.mode == MODES[-1]:
            return False
        elif self.mode == sent.mode:  # no other question has moved on meanwhile
            self.mode = MODES[MODES.index(sent.mode) + 1]
            log.info("the server does not take '%s' (%s); asking for '%s'", sent.mode, said(error), self.mode)
        if name is not None:
            log.info("the chat model does not take the field %s", name)
        return True

    def more_room(self, sent: Request) -> bool:
        """Let the next answer be longer than ``sent`` asked for; False where that cannot be."""
        if any(name in self.extra for name in LENGTHS) or sent.room >= self.most_room:
            return False
        if self.room == sent.room:
            self.room = min(MORE * sent.room, self.most_room)
        return True

    def less_room(self, error: openai.APIStatusError, sent: Request) -> bool:
        """Whether a 400 is about the length of a request with more room than usual; then there is no such room."""
        if sent.room == 1 or self._refused(error, sent) not in LENGTHS:
            return False
        self.room = self.most_room = max(1, sent.room // MORE)
        return True

    def _refused(self, error: openai.APIStatusError, sent: Request) -> str | None:
        """Which field that may be left out a 400 is about, as OpenAI and servers like it say so; None for others."""
        words = said(error)
        named = error.param.partition(".")[0] if isinstance(error.param, str) else ""
        names = [name for name in (*LENGTHS, *OPTIONAL, *self.extra) if name in sent.body]
        return next((name for name in names if name == named or f"'{name}'" in words), None)


def _form(mode: str, schema: dict[str, Any], name: str) -> dict[str, Any]:
    """How each mode asks for the schema."""
    if mode == "json_schema":
        return {"response_format": {"type": mode, "json_schema": {"name": name, "schema": schema, "strict": True}}}
    if mode == "tool":
        function = {"name": name, "description": f"Give the {name}.", "parameters": schema}
        choice = {"type": "function", "function": {"name": name}}
        return {"tools": [{"type": "function", "function": function}], "tool_choice": choice}
    return {"response_format": {"type": "json_object"}} if mode == "json_object" else {}


def as_schema(items: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with a list ``rewrites`` of ``items``, closed as strict servers want it."""
    schema: dict[str, Any] = json.loads(
        json.dumps(
            {
                "type": "object",
                "properties": {"rewrites": {"type": "array", "items": items}},
                "required": ["rewrites"],
                "additionalProperties": False,
            }
        )
    )
    return schema
