"""What a rendering server speaks: how a picture is asked for, and how it comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol
from urllib.parse import urlencode, urlsplit

import openai

from reward_models.remote import fetched, json_of, server_address

LARGEST = 32 * 2**20  # bytes of a picture's file


class Server:
    """One server by its address (None: OpenAI's own); nothing else is asked, whatever it answers."""

    def __init__(self, base_url: str | None, client: openai.AsyncOpenAI, timeout_s: float):
        self.base_url, self.client, self.timeout_s = base_url, client, timeout_s
        parts = urlsplit(server_address(base_url) or "https://api.openai.com/v1")
        self.name = parts.netloc.rpartition("@")[2]
        path = parts.path.rstrip("/").removesuffix("/v1")
        self.root = f"{parts.scheme}://{self.name}{path}"  # of an engine with other paths than /v1

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that it answers. ``path``: below the address, or below the root where it begins with /."""
        return json_of(await self.client.post(self._at(path), body=body, cast_to=object))

    async def get(self, path: str) -> Any:
        """The JSON that it answers."""
        return json_of(await self.client.get(self._at(path), cast_to=object))

    async def file(self, address: str, **query: str) -> bytes:
        """A picture's file at an address on this server. Raises Refused for one that is elsewhere."""
        if query:
            address = f"{self.root}{address}?{urlencode(query)}"
            return await fetched(address, LARGEST, self.timeout_s, self.base_url, same_server=True)
        return await fetched(address, LARGEST, self.timeout_s, self.base_url, same_server=True)

    def _at(self, path: str) -> str:
        return f"{self.root}{path}" if path.startswith("/") else path


class Dialect(Protocol):
    """Raises ValueError when it is made of settings that it cannot keep."""

    seed_field: str | None  # None: the same seed is another drawing each time
    health: ClassVar[str] = "health"  # a path below the root that answers when the server can draw

    def body(self, prompt: str, seed: int) -> dict[str, Any]:
        """A request for one picture. Raises ValueError for a text that the server would not take as one."""
        ...

    async def drawn(self, server: Server, sent: Mapping[str, Any]) -> bytes:
        """The file of one picture. Raises Malformed where there is none in the answer, and what the client raises."""
        ...

    def learned(self, error: openai.APIStatusError, sent: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether a 400 taught it to ask otherwise."""
        return False

    def describe(self) -> dict[str, object]:
        """What changes pictures and is not in the settings."""
        return {}
