"""Bodies of answers within a bound, as they come and unpacked; the one way in which steer reads from the network."""

from __future__ import annotations

import zlib
from typing import Any

LARGEST = 8 * 2**20  # bytes of an answer without pictures


class Malformed(ValueError):
    """An answer that is none; asked for again. Its text is one line for people."""


class TooLarge(Malformed):
    """An answer of more bytes than are read."""


async def read_bounded(response: Any, most: int) -> bytes:
    """The body of an open response of httpx, unpacked, at most ``most`` bytes. Memory is bounded too: no more is
    unpacked. Raises TooLarge, and Malformed for what is packed otherwise than asked for.
    """
    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise Malformed("the answer is packed in a way that was not asked for")
    unzip = zlib.decompressobj(wbits=47) if packing not in ("", "identity") else None  # 47: gzip or zlib
    chunks, size, read = [], 0, 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        try:
            plain = unzip.decompress(chunk, most + 1 - size) if unzip else chunk
        except zlib.error as error:
            raise Malformed("the answer does not unpack") from error
        chunks.append(plain)
        size += len(plain)
        if max(size, read) > most:
            raise TooLarge(f"the answer is larger than {most // 2**20} MB")
    return b"".join(chunks)


def body_hook(most: int) -> Any:
    """For a client's ``event_hooks={"response": [...]}``: every answer is read by :func:`read_bounded`."""

    async def read(response: Any) -> None:
        response._content = await read_bounded(response, most)  # as its aread() leaves it, which has no bound
        response.encoding = "utf-8"  # JSON is; a server's own charset may be none that decodes

    return read
