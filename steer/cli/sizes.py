"""Sizes of pictures as they are typed."""

from __future__ import annotations

from steer.errors import UsageError

LEAST, MOST = 16, 4096  # pixels of a side


def read_size(text: str) -> tuple[int, int]:
    """Width and height in pixels.

    >>> read_size("1024x768")
    (1024, 768)
    """
    wide, _, high = text.lower().partition("x")
    if not (wide.isdecimal() and high.isdecimal() and all(LEAST <= int(side) <= MOST for side in (wide, high))):
        raise UsageError(f"--size: '{text[:40]}' is not a width and height such as 512x768, from {LEAST} to {MOST}")
    return int(wide), int(high)
