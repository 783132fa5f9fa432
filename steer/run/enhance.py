"""Rewrites of a prompt for a person without a picture: what a run would draw first."""

from __future__ import annotations

from dataclasses import dataclass

from steer.config import override
from steer.parts import Parts
from steer.types import History, SteerRequest
from steer.words import check_prompt

SCREENED = 8  # texts to choose among for each one that is asked for, where the config renders every text


@dataclass(frozen=True)
class Enhanced:
    """A rewrite for a person. ``expected``: how much they should like its pictures, in [0, 1]; None where the reward
    cannot say before there is one.
    """

    text: str
    expected: float | None


def enhance(parts: Parts, prompt: str, user: str, n: int = 1, seed: int = 0) -> list[Enhanced]:
    """Up to n rewrites, the most promising first; none where nothing usable was written. Raises UsageError."""
    text, config = check_prompt(prompt), parts.config
    imagines = parts.reward.imagination is not None and parts.space is not None
    if imagines and config.search.screen == 1:
        parts = parts.with_config(override(config, {"search.screen": SCREENED}))
    people = parts.roster.people(user)
    judge = parts.judge(people)
    request = SteerRequest(text, user, config.search.budget, seed, parts.taste(people))
    texts = [r.text for r in parts.funnel(request, judge, parts.proposer.fork()).texts(0, History(), n)[0]]
    expected = judge.imagine(texts) if imagines and texts else None
    if expected is None:
        return [Enhanced(text, None) for text in texts]
    found = [Enhanced(text, round(float(mean), 4)) for text, mean in zip(texts, expected[0], strict=True)]
    return sorted(found, key=lambda e: -(e.expected or 0))
