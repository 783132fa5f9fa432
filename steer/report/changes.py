"""What a rewrite changed, word by word."""

from __future__ import annotations

import difflib
import re


def word_changes(prompt: str, text: str) -> list[tuple[str, str]]:
    """Pieces of ``text`` and what was cut, in order: ("same" | "added" | "removed", words).

    >>> word_changes("a fox", "a fox at dawn")
    [('same', 'a fox'), ('added', 'at dawn')]
    """
    old, new = re.findall(r"\S+", prompt), re.findall(r"\S+", text)
    key_old = [w.strip(",.;").lower() for w in old]
    key_new = [w.strip(",.;").lower() for w in new]
    pieces: list[tuple[str, str]] = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, key_old, key_new, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(("same", " ".join(new[c:d])))
            continue
        if b > a:
            pieces.append(("removed", " ".join(old[a:b])))
        if d > c:
            pieces.append(("added", " ".join(new[c:d])))
    return pieces
