"""New texts out of good ones: what one of them adds to the prompt, joined with what another adds."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from steer.types import Rewrite
from steer.words import kept_share

_PREPOSITIONS = "at|in|on|by|under|with|near|over|through|behind|beside|among|against|from|during|amid"
Compose = Callable[[str, Mapping[str, str]], str | None]  # prompt and phrases by kind to a text, where it can


def recombine(
    prompt: str, good: Sequence[Rewrite], n: int, rng: random.Random, compose: Compose | None = None
) -> list[Rewrite]:
    """Up to ``n`` children of pairs of ``good``, the best first in it: each kind of phrase from one parent or the other
    (uniform crossover, Syswerda 1989).

    Parents without named phrases give pieces: what stands before the prompt's own words, the phrases behind them, the
    clauses between commas.
    """
    parents = [r for r in good if r.changes] if compose else []
    found: dict[str, Rewrite] = {}
    for _ in range(4 * n):
        if len(found) == n:
            break
        if len(parents) > 1:
            child = _phrases(prompt, *_pair(parents, rng), rng, compose)
        elif len(good) > 1 and not any(r.changes for r in good):
            child = _pieces(prompt, *_pair(good, rng), rng)
        else:
            break
        if child and child.text not in (prompt, *found, *(r.text for r in good)):
            found[child.text] = child
    return list(found.values())


def _pair(good: Sequence[Rewrite], rng: random.Random) -> tuple[Rewrite, Rewrite]:
    """Two different ones, the earlier the likelier."""
    first = min(rng.randrange(len(good)), rng.randrange(len(good)))
    second = rng.randrange(len(good) - 1)
    return good[first], good[second + (second >= first)]


def _phrases(prompt: str, one: Rewrite, other: Rewrite, rng: random.Random, compose: Compose | None) -> Rewrite | None:
    kinds = sorted({*one.changes, *other.changes})
    drawn = {kind: rng.choice((one, other)).changes.get(kind, "") for kind in kinds}
    changes = {kind: phrase for kind, phrase in drawn.items() if phrase}
    text = compose(prompt, changes) if changes and compose else None
    return Rewrite(text, changes) if text else None


def _pieces(prompt: str, one: Rewrite, other: Rewrite, rng: random.Random) -> Rewrite | None:
    (front, *own), (other_front, *foreign) = _split(prompt, one.text), _split(prompt, other.text)
    pool = [p for p in dict.fromkeys([*own, *foreign]) if rng.random() < 0.5]
    body = [rng.choice((front, other_front)), *(p for p in pool if not p.startswith(","))]
    text = " ".join(body) + "".join(p for p in pool if p.startswith(","))
    return Rewrite(text[:1].lower() + text[1:] if prompt[:1].islower() else text)


def _split(prompt: str, text: str) -> list[str]:
    """The prompt with what stands before it, the phrases that follow, and the clauses, each of which begins with a
    comma; where the prompt's words are not in a row, the clause that keeps most of them stands for it.

    >>> _split("a fox", "Close-up of a fox at dawn in the snow, sepia")
    ['Close-up of a fox', 'at dawn', 'in the snow', ', sepia']
    """
    clauses = [c.strip(" .") for c in re.split(r"[,;]", text) if c.strip(" .")] or [text]
    at = max(range(len(clauses)), key=lambda i: kept_share(prompt, clauses[i]))
    rest = [f", {c}" for i, c in enumerate(clauses) if i != at]
    found = clauses[at].lower().find(prompt.lower())
    if found < 0:
        return [clauses[at], *rest]
    end = found + len(prompt)
    phrases = re.split(rf"\s+(?=(?:{_PREPOSITIONS})\s)", clauses[at][end:])
    return [clauses[at][:end], *(p.strip() for p in phrases if p.strip()), *rest]
