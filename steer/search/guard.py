"""What a proposer writes is input: cleaned, bounded, without duplicates, true to the prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steer.lexicon import Group
from steer.search.texts import SAME, TextSpace
from steer.types import Dropped, Rewrite
from steer.words import MAX_CHARACTERS, clean, content_words, kept_share

# parts of the guard
REPEAT, FORM, FIDELITY, STRENGTH = "repeat", "form", "fidelity", "strength"


@dataclass(frozen=True)
class Guard:
    """What a rewrite must keep of ``prompt``, and that it is new.

    ``space``: how texts are compared, None where the reward's encoder reads none: then words alone count. ``closed``:
    groups of a lexicon that a rewrite must not speak of, see :mod:`steer.config.strength`.
    """

    prompt: str
    min_kept: float = 0.5
    min_likeness: float = 0.0
    space: TextSpace | None = None
    closed: tuple[Group, ...] = ()

    def check(self, rewrites: Iterable[Rewrite], tried: Iterable[str]) -> tuple[list[Rewrite], list[Dropped]]:
        """Usable rewrites in order, and those that are not."""
        rewrites, known = list(rewrites), list(dict.fromkeys(tried))
        texts = [clean(r.text) for r in rewrites]
        likeness = self._likeness(texts, known)
        seen = {t.casefold() for t in known}
        closed = [g for g in self.closed if not g.spoken_of(self.prompt)]
        good: list[Rewrite] = []
        dropped: list[Dropped] = []
        for rewrite, text in zip(rewrites, texts, strict=True):
            if found := self._words(text, seen, closed) or likeness.doubt(text):
                by, reason = found
                dropped.append(Dropped(text[:MAX_CHARACTERS], reason, by))
                continue
            seen.add(text.casefold())
            likeness.add(text)
            good.append(replace(rewrite, text=text))
        return good, dropped

    def _words(self, text: str, seen: set[str], closed: Sequence[Group]) -> tuple[str, str] | None:
        """Which part of the guard forbids it by its words alone, and why; None where they are fine."""
        if not text:
            return FORM, "empty"
        if len(text) > MAX_CHARACTERS:
            return FORM, f"longer than {MAX_CHARACTERS} characters"
        if text.casefold() in seen:
            return REPEAT, "already tried"
        if (kept := kept_share(self.prompt, text)) < self.min_kept:
            return FIDELITY, f"keeps {kept:.0%} of the prompt's words, less than {self.min_kept:.0%}"
        if group := next((g for g in closed if g.spoken_of(text)), None):
            return STRENGTH, f"changes the {group.name}, which this strength leaves alone"
        return None

    def _likeness(self, texts: Sequence[str], known: Sequence[str]) -> _Likeness:
        read = [t for t in dict.fromkeys(texts) if t and len(t) <= MAX_CHARACTERS] if self.space else []
        if self.space is None or not read:
            return _Likeness({}, [], np.zeros((0, 0)), self.min_likeness)
        others = [self.prompt, *known, *read]  # read and compared together: one by one would take many times as long
        rows = {text: i for i, text in enumerate(read)}
        return _Likeness(rows, others, self.space.likeness(read, others), self.min_likeness, 1 + len(known))


@dataclass
class _Likeness:
    """``matrix`` (n, m): of texts, by row, to ``others``: the prompt, the ``known`` - 1 texts, then the texts
    themselves, which count once they are added.
    """

    rows: dict[str, int]
    others: list[str]
    matrix: np.ndarray
    least: float
    known: int = 0

    def __post_init__(self) -> None:
        self._counts = np.arange(len(self.others)) < self.known
        self._counts[:1] = False  # the prompt is among the known where it was tried

    def doubt(self, text: str) -> tuple[str, str] | None:
        """Which part of the guard forbids a text by its likeness to the prompt or to a known text, and why."""
        if text not in self.rows:
            return None
        likeness = self.matrix[self.rows[text]]
        if self.least and likeness[0] < self.least:
            return FIDELITY, f"is {max(0.0, likeness[0]):.2f} like the prompt, less than {self.least:.2f}"
        nearest = int(np.argmax(np.where(self._counts, likeness, -np.inf)))
        if self._counts[nearest] and likeness[nearest] > SAME:
            return REPEAT, f"says the same as '{self.others[nearest][:60]}'"
        return None

    def add(self, text: str) -> None:
        """It is known from now on."""
        if text in self.rows:
            self._counts[self.known + self.rows[text]] = True


def explain(prompt: str, dropped: Sequence[Dropped]) -> str:
    """Why nothing is left of texts that were all dropped, in a sentence; "" where they only repeat earlier ones.

    >>> explain("portrait of a fox", [Dropped(t, "keeps 50%", FIDELITY) for t in ("a fox", "a fox at dawn")])
    "the fidelity guard dropped all 2 rewrites: they no longer say 'portrait'"
    """
    parts = Counter(d.by for d in dropped if d.by != REPEAT)
    if not parts:
        return ""
    part, count = parts.most_common(1)[0]
    own = [d for d in dropped if d.by == part]
    who = {FIDELITY: "the fidelity guard", STRENGTH: "search.strength"}.get(part, "the guard")
    many = f"all {count} rewrites" if count == len(dropped) else f"{count} of {len(dropped)} rewrites"
    lost = set.intersection(*(content_words(prompt) - content_words(d.text) for d in own))
    if part == FIDELITY and lost:
        words = [w.strip(".,;:!?") for w in dict.fromkeys(prompt.split()) if content_words(w) & lost]
        return f"{who} dropped {many}: they no longer say {' and '.join(map(repr, words))}"
    return f"{who} dropped {many}: the first one {own[0].reason}"
