"""Files of others, read with care: regular files alone, so many bytes, and faults that are OSError or ValueError."""

from __future__ import annotations

import json
import os
import reprlib
import stat
from pathlib import Path
from typing import Any

MOST_BYTES = 256 * 2**20  # of a file that is read whole


class Unreadable(ValueError):
    """A file that is not what it should be; the message says why, in one line, without the path."""


def check_regular(path: Path) -> None:
    """Raise Unreadable for a pipe, a device, a socket or a folder, whose reading may never end, and OSError where there
    is nothing.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise Unreadable(f"it is {_kind(mode)}, not a file")


def may_be_replaced(path: Path) -> bool:
    """Whether a file may be written in this place: there is nothing yet, or a regular file."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode) or path.is_file()
    except FileNotFoundError:
        return True


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file. Raises OSError; Unreadable for another thing or for more than ``most`` bytes."""
    check_regular(path)
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Unreadable(f"it has more than {most:,} bytes")
    return data


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """A UTF-8 text, with or without a mark in front, with ``\\n`` at the end of lines. Raises OSError or ValueError."""
    try:
        text = read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8 text (byte {error.start})") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, most: int = MOST_BYTES, nan: bool = False) -> Any:
    """The value in a JSON file. Raises OSError or ValueError. ``nan``: as :func:`parse_json` has it."""
    return parse_json(read_text(path, most), nan)


def read_object(path: Path, most: int = MOST_BYTES, nan: bool = False) -> dict[str, Any]:
    """The object in a JSON file. Raises OSError or ValueError. ``nan``: as :func:`parse_json` has it."""
    found = read_json(path, most, nan)
    if not isinstance(found, dict):
        raise Unreadable("it is not a JSON object")
    return found


def parse_json(text: str | bytes, nan: bool = False) -> Any:
    """A JSON value. NaN and infinity, which JSON has not, and nesting without end are ValueErrors too. ``nan``: these
    are numbers, as Python and pandas write them.

    >>> parse_json('{"a": NaN}')
    Traceback (most recent call last):
    reward_models.doors.Unreadable: NaN is no JSON number
    """
    try:
        return json.loads(text, parse_constant=float if nan else _no_number)
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error


def inside(folder: Path, name: object) -> Path:
    """The path of ``name`` below ``folder``. Raises Unreadable for a name that leads anywhere else.

    >>> inside(Path("run"), "pictures/0001.png")
    PosixPath('run/pictures/0001.png')
    >>> inside(Path("run"), "../other.png")
    Traceback (most recent call last):
    reward_models.doors.Unreadable: '../other.png' leads out of its folder
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise Unreadable(f"{shown(name)} is not the name of a file")
    path = folder / name
    if os.path.isabs(name) or ".." in Path(name).parts or not path.resolve().is_relative_to(folder.resolve()):
        raise Unreadable(f"{shown(name)} leads out of its folder")
    return path


def shown(value: object, longest: int = 80) -> str:
    """A value as an error shows it: short whatever it is, as it is never written out in full.

    >>> shown("a fox"), shown([[[[[1]]]]]), shown("x" * 10**6, 12)
    ("'a fox'", '[[[[...]]]]', "'xxx...xxx'")
    """
    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxother = 4, longest, longest
    try:
        text = short.repr(value)
    except ValueError:  # Python writes out no number of thousands of digits
        text = "a number of very many digits"
    return text if len(text) <= 2 * longest else f"{text[: 2 * longest]}..."


def _no_number(name: str) -> float:
    raise Unreadable(f"{name} is no JSON number")


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((words for is_one, words in kinds if is_one(mode)), "a device")
