"""A real HTTP server on loopback that answers as a critic, well or badly."""

from __future__ import annotations

import json

from tests.steer.chat_server import ChatServer

GOOD = json.dumps({"keep": ["calm mood"], "more": ["fog", "warm evening light"], "less": ["neon light"]})


class CriticServer(ChatServer):
    """Gives ``turn`` to every question about a picture: a text is the content of a completion."""

    def __init__(self, turn=GOOD):
        self.turn = turn
        super().__init__()

    def turn_of(self, request, number, given):
        turn = self.turn(number) if callable(self.turn) else self.turn
        return super().turn_of(request, number, given or (turn if isinstance(turn, tuple) else (200, turn)))

    def said(self):
        """The texts of each question."""
        contents = [request["body"]["messages"][0]["content"] for request in self.requests]
        return ["\n".join(part["text"] for part in parts if part["type"] == "text") for parts in contents]

    def pictures(self):
        """How many pictures each question shows."""
        contents = [request["body"]["messages"][0]["content"] for request in self.requests]
        return [sum(part["type"] == "image_url" for part in parts) for parts in contents]


def settings(server, *more):
    """A run with this critic."""
    return [
        "critic=vlm",
        "critic.backend=chat",
        "critic.model=m",
        f"critic.base_url={server.url}",
        "critic.retries=0",
        "critic.timeout_s=5",
        "search.budget=14",
        "search.patience=99",
        "search.worth=0",
        *more,
    ]
