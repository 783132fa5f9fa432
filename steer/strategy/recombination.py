"""New texts out of good ones: what one of them adds to the prompt, joined with what another adds."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

from steer.guard import kept_share
from steer.types import Rewrite

Compose = Callable[[str, Mapping[str, str]], str]  # prompt and phrases by kind to a text


def recombine(
    prompt: str, good: Sequence[Rewrite], n: int, rng: random.Random, compose: Compose | None = None
) -> list[Rewrite]:
    """Up to ``n`` children of pairs of ``good``, the best first in it: each kind of phrase from one parent or the other
    (uniform crossover, Syswerda 1989).

    Parents without named phrases give their clauses: what stands between commas besides the clause nearest the prompt.
    """
    parents = [r for r in good if r.changes] if compose else []
    found: dict[str, Rewrite] = {}
    for _ in range(4 * n):
        if len(found) == n:
            break
        if len(parents) > 1:
            child = _phrases(prompt, *_pair(parents, rng), rng, compose)
        elif len(good) > 1 and not any(r.changes for r in good):
            child = _clauses(prompt, *_pair(good, rng), rng)
        else:
            break
        if child and child.text not in found and all(child.text != r.text for r in good):
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
    return Rewrite(compose(prompt, changes), changes) if changes and compose else None


def _clauses(prompt: str, one: Rewrite, other: Rewrite, rng: random.Random) -> Rewrite | None:
    body, *own = _split(prompt, one.text)
    _, *foreign = _split(prompt, other.text)
    pool = list(dict.fromkeys([*own, *foreign]))
    taken = [c for c in pool if rng.random() < 0.5] or pool[:1]
    return Rewrite(", ".join([body, *taken])) if taken else None


def _split(prompt: str, text: str) -> list[str]:
    """The clause that keeps most of the prompt, then the others in their order."""
    clauses = [c.strip(" .") for c in re.split(r"[,;]", text) if c.strip(" .")] or [text]
    at = max(range(len(clauses)), key=lambda i: kept_share(prompt, clauses[i]))
    return [clauses[at], *clauses[:at], *clauses[at + 1 :]]
