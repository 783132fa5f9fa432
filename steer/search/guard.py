"""What a proposer writes is input: cleaned, bounded, without duplicates, true to the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from steer.lexicon import Group
from steer.search.texts import SAME, TextSpace
from steer.types import Rewrite
from steer.words import MAX_CHARACTERS, clean, kept_share


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

    def check(self, rewrites: Iterable[Rewrite], tried: Iterable[str]) -> tuple[list[Rewrite], list[tuple[str, str]]]:
        """Usable rewrites in order, and (text, reason) for each one dropped."""
        rewrites, known = list(rewrites), list(dict.fromkeys(tried))
        if self.space and rewrites:  # read together: one by one would take many times as long
            self.space.vectors([t for r in rewrites if len(t := clean(r.text)) <= MAX_CHARACTERS])
        seen = {t.casefold() for t in known}
        closed = [g for g in self.closed if not g.spoken_of(self.prompt)]
        good: list[Rewrite] = []
        dropped: list[tuple[str, str]] = []
        for rewrite in rewrites:
            text = clean(rewrite.text)
            reason = self._words(text, seen, closed) or self._meaning(text, known)
            if reason:
                dropped.append((text[:MAX_CHARACTERS], reason))
                continue
            seen.add(text.casefold())
            known.append(text)
            good.append(replace(rewrite, text=text))
        return good, dropped

    def _words(self, text: str, seen: set[str], closed: Sequence[Group]) -> str:
        """Why the words alone forbid it; "" where they do not."""
        if not text:
            return "empty"
        if len(text) > MAX_CHARACTERS:
            return f"longer than {MAX_CHARACTERS} characters"
        if text.casefold() in seen:
            return "already tried"
        if (kept := kept_share(self.prompt, text)) < self.min_kept:
            return f"keeps {kept:.0%} of the prompt's words, less than {self.min_kept:.0%}"
        if group := next((g for g in closed if g.spoken_of(text)), None):
            return f"changes the {group.name}, which this strength leaves alone"
        return ""

    def _meaning(self, text: str, known: Sequence[str]) -> str:
        """Why its likeness to the prompt or to a known text forbids it."""
        if self.space is None:
            return ""
        to_prompt, *to_known = self.space.likeness([text], [self.prompt, *known])[0]
        if self.min_likeness and to_prompt < self.min_likeness:
            return f"is {max(0.0, to_prompt):.2f} like the prompt, less than {self.min_likeness:.2f}"
        nearest = max(range(len(known)), key=lambda i: to_known[i], default=None)
        if nearest is not None and to_known[nearest] > SAME:
            return f"says the same as '{known[nearest][:60]}'"
        return ""
