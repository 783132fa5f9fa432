"""User ids: an id is never a path, and no two ids look alike."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from steer.errors import UsageError

AVERAGE = "average"  # nobody in particular
SHORT = 40  # characters of a wrong id that are shown
NEAR = 3  # similar ids that are shown
SHOWN = 6  # ids listed where none is similar
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


def is_id(text: str) -> bool:
    """Whether a text can be an id."""
    return bool(_ID.match(text))


def check_id(text: str) -> str:
    """Return the id. Raises UsageError unless it is 1 to 64 ASCII letters, digits, _ and -."""
    if not is_id(text):
        raise UsageError(
            f"'{_visible(text)}' is not a valid user id: use 1-64 letters (a-z, A-Z), digits, - or _, "
            "beginning with a letter or digit"
        )
    if text.lower() == AVERAGE:
        raise UsageError(f"'{text}' stands for nobody in particular; choose another id")
    return text


def unknown_user(user: str, known: Iterable[str], create: bool = False) -> UsageError:
    """The error for an id that does not exist, with similar ids, else the first few.

    ``create``: also say how to create the user.

    >>> str(unknown_user("u71", ["u17", "u2", "me"]))
    "user 'u71' not found (3 known). Did you mean 'u17'?"
    >>> str(unknown_user("nobody", ["u17", "me"], create=True))
    "user 'nobody' not found (2 known). Known: u17, me. Create it: steer user rate nobody"
    """
    options = list(known)
    lower = {o.lower(): o for o in reversed(options)}
    swapped = [o for o in lower if sorted(o) == sorted(user.lower())][:1]
    close = difflib.get_close_matches(user.lower(), lower, n=NEAR, cutoff=0.5)
    near = [lower[o] for o in dict.fromkeys([*swapped, *close])][:NEAR]
    hints = []
    if near:
        *some, last = (f"'{n}'" for n in near)
        hints.append(f"Did you mean {', '.join(some)}{' or ' if some else ''}{last}?")
    elif options:
        more = len(options) - SHOWN
        hints.append(f"Known: {', '.join(options[:SHOWN])}{f' and {more} more' if more > 0 else ''}.")
    if create and is_id(user):
        hints.append(f"Create it: steer user rate {user}")
    return UsageError(" ".join([f"user '{_visible(user)}' not found ({len(options)} known).", *hints]))


def _visible(text: str) -> str:
    """Short and in ASCII: letters of other alphabets, which may look like ASCII, and control characters as escapes."""
    shown = text if len(text) <= SHORT else f"{text[:SHORT]}..."
    return shown.encode("unicode_escape").decode()
