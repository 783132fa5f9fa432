"""A picture in the terminal, for those terminals that can show one."""

from __future__ import annotations

import base64
import io
import os
import sys
from collections.abc import Mapping
from typing import Literal, TextIO

from PIL import Image

SHOWN = 320  # longer side, in pixels
CHUNK = 4096  # characters of a command to kitty
VARIABLE = "STEER_PICTURES"  # kitty, iterm, sixel or none: what a terminal can do, where it is not found out
Protocol = Literal["kitty", "iterm", "sixel", ""]


def protocol_of(environment: Mapping[str, str] = os.environ, out: TextIO | None = None) -> Protocol:
    """How the terminal behind ``out`` (standard output) shows pictures; "" for one that cannot, and for a pipe or file.

    >>> protocol_of({"TERM": "xterm-kitty"})  # a doctest's output is no terminal
    ''
    """
    if not (out or sys.stdout).isatty():
        return ""
    named = environment.get(VARIABLE, "").lower()
    if named:
        return named if named in ("kitty", "iterm", "sixel") else ""  # type: ignore[return-value]
    if environment.get("TMUX") or environment.get("STY"):  # between steer and the terminal, and passes nothing on
        return ""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if term in ("xterm-kitty", "xterm-ghostty") or "KITTY_WINDOW_ID" in environment or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm"):
        return "iterm"
    return "sixel" if "sixel" in term or term.startswith("foot") or program == "mintty" else ""


def picture_text(image: Image.Image, protocol: Protocol) -> str:
    """What to print to show ``image``, at most :data:`SHOWN` pixels wide and high; "" without a protocol."""
    if not protocol:
        return ""
    small = image.convert("RGB")
    small.thumbnail((SHOWN, SHOWN))
    if protocol == "sixel":
        return sixel(small)
    file = io.BytesIO()
    small.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    if protocol == "iterm":
        size = f"size={len(file.getvalue())};width={small.width}px;height={small.height}px"
        return f"\x1b]1337;File=inline=1;{size}:{data}\x07"
    chunks = [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]
    more = [f"m={int(i < len(chunks) - 1)}" for i in range(len(chunks))]
    heads = [f"a=T,f=100,q=2,{more[0]}", *more[1:]]  # q=2: the terminal answers nothing, or it would look typed
    return "".join(f"\x1b_G{head};{chunk}\x1b\\" for head, chunk in zip(heads, chunks, strict=True))


def show_picture(image: Image.Image) -> bool:
    """Print a picture where the terminal can show one; whether it did."""
    text = picture_text(image, protocol_of())
    if text:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    return bool(text)


def sixel(image: Image.Image) -> str:
    """The picture as DEC sixel graphics with 64 colours: bands of six rows, and one line of characters per colour."""
    flat = image.quantize(64)
    palette = flat.getpalette() or []
    width, height = flat.size
    pixels = flat.load()
    assert pixels
    out = io.StringIO()
    out.write(f'\x1bPq"1;1;{width};{height}')
    for k in range(len(palette) // 3):
        red, green, blue = (round(v * 100 / 255) for v in palette[3 * k : 3 * k + 3])
        out.write(f"#{k};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        rows = range(top, min(top + 6, height))
        for colour in sorted({pixels[x, y] for y in rows for x in range(width)}):
            line = "".join(chr(63 + sum(1 << (y - top) for y in rows if pixels[x, y] == colour)) for x in range(width))
            out.write(f"#{colour}{line}$")
        out.write("-")
    out.write("\x1b\\")
    return out.getvalue()
