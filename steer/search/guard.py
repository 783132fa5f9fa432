"""What a proposer writes is input: cleaned, bounded, without duplicates, true to the prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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
        if self.space and rewrites:  # read together: one by one would take many times as long
            self.space.vectors([t for r in rewrites if len(t := clean(r.text)) <= MAX_CHARACTERS])
        seen = {t.casefold() for t in known}
        closed = [g for g in self.closed if not g.spoken_of(self.prompt)]
        good: list[Rewrite] = []
        dropped: list[Dropped] = []
        for rewrite in rewrites:
            text = clean(rewrite.text)
            if found := self._words(text, seen, closed) or self._meaning(text, known):
                by, reason = found
                dropped.append(Dropped(text[:MAX_CHARACTERS], reason, by))
                continue
            seen.add(text.casefold())
            known.append(text)
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

    def _meaning(self, text: str, known: Sequence[str]) -> tuple[str, str] | None:
        """The same by its likeness to the prompt or to a known text."""
        if self.space is None:
            return None
        to_prompt, *to_known = self.space.likeness([text], [self.prompt, *known])[0]
        if self.min_likeness and to_prompt < self.min_likeness:
            return FIDELITY, f"is {max(0.0, to_prompt):.2f} like the prompt, less than {self.min_likeness:.2f}"
        nearest = max(range(len(known)), key=lambda i: to_known[i], default=None)
        if nearest is not None and to_known[nearest] > SAME:
            return REPEAT, f"says the same as '{known[nearest][:60]}'"
        return None


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
