"""The colours of every page, plot and sheet that steer writes, on light and on dark screens.

Text colours have a contrast of at least 4.5:1 on ``paper``, ``surface``, ``added`` and ``removed``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Theme:
    """Colours as "#rrggbb"."""

    paper: str  # the page
    surface: str  # a box on it
    line: str
    ink: str
    pale: str  # text that matters less
    accent: str  # links, and the number to look at
    frame: str  # around the best picture; carries no text
    added: str  # behind words that a rewrite adds
    removed: str  # behind words that it cuts
    fault: str  # text about failures

    def rgb(self, name: str) -> tuple[int, int, int]:
        """A colour for Pillow.

        >>> LIGHT.rgb("surface")
        (255, 255, 255)
        """
        red, green, blue = bytes.fromhex(asdict(self)[name][1:])
        return red, green, blue


LIGHT = Theme(
    paper="#faf9f6",
    surface="#ffffff",
    line="#e4e2dc",
    ink="#202024",
    pale="#5f5f68",
    accent="#875a00",
    frame="#c98a12",
    added="#e1efd9",
    removed="#f7dfdb",
    fault="#a3352b",
)
DARK = Theme(
    paper="#161618",
    surface="#1f1f23",
    line="#36363c",
    ink="#ececea",
    pale="#a6a6af",
    accent="#e6b045",
    frame="#d99a1e",
    added="#24402a",
    removed="#4d2824",
    fault="#f0958a",
)
