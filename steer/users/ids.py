"""What a person may be called: a name is never a path and never looks like another."""

from __future__ import annotations

import re

from steer.errors import UsageError

AVERAGE = "average"  # nobody in particular
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


def check_id(text: str) -> str:
    """The id itself. Raises UsageError for anything but 1 to 64 ASCII letters, digits, _ and -."""
    if not _ID.match(text):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise UsageError(
            f"'{_visible(shown)}' is not a valid user id: use 1-64 letters (a-z, A-Z), digits, - or _, "
            "beginning with a letter or digit"
        )
    if text.lower() == AVERAGE:
        raise UsageError(f"'{text}' is nobody in particular and cannot be changed")
    return text


def _visible(text: str) -> str:
    """Letters of other alphabets, which may look like ASCII, and control characters by their numbers."""
    return text.encode("unicode_escape").decode()
