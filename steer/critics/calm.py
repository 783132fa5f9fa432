"""A trained CALM model as critic: it writes what to keep and what there should be more and less of."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence

from reward_models import RewardError, RewardModel
from reward_models.calm.people import LEAST
from reward_models.calm.reward import CalmReward
from reward_models.calm.turns import SUGGEST, Example, Turn, comment_turn, remarks_of, suggest_turn
from steer.config import CalmCriticConfig, SteerConfig
from steer.critics.base import Critic, CriticFailed, Rated, View
from steer.critics.remarks import filtered, shipped_filter
from steer.errors import ProposerBudgetSpent, UsageError
from steer.lexicon import Lexicon
from steer.proposers.usage import Limits, Usage
from steer.protocols import Meter
from steer.types import Comment
from steer.words import clean

LIKED, DISLIKED = 3, 2  # pictures in context, of those that were kept
VERSION = 1


class CalmCritic(Critic):
    """``reward``: whose model speaks. ``phrases``: of the lexicon, which pass the filter of remarks.

    Of a person it is shown pictures they rated, and nothing else.
    """

    def __init__(self, config: CalmCriticConfig, reward: CalmReward, phrases: Sequence[str] = ()):
        self.config, self.reward, self.phrases, self.usage = config, reward, list(phrases), Usage()
        self.weight, self.personal = config.weight, config.personal
        self.examples = LIKED if config.personal else 0
        self.limits = Limits(max_calls=config.max_calls, section="critic")
        self.name = f"critic '{reward.name}'" + ("" if config.personal else ", the same for everybody")
        self.meter: Meter = self.usage

    def comment(self, view: View) -> Comment:
        """What the model suggests for the picture, without what a prompt cannot change. Raises CriticFailed."""
        said = self._written(suggest_turn(view.picture, self._examples(view.rated)))
        remarks = remarks_of(said)
        if not any(remarks.values()):
            raise CriticFailed(f"the critic names nothing to keep, more or less: {clean(said)[:80]!r}")
        return filtered(remarks, view.prompt, self.phrases)

    def words(self, view: View) -> str:
        """What the model thinks of the picture, the same for everybody. Raises CriticFailed."""
        return clean(self._written(comment_turn(view.picture)))

    def fork(self) -> CalmCritic:
        """The same critic with a meter of its own; the model is shared."""
        return CalmCritic(self.config, self.reward, self.phrases)

    def fingerprint(self) -> str:
        """Of the model, the question and the filter."""
        words = [sorted(each) for each in vars(shipped_filter()).values()]
        told = [self.reward.fingerprint(), VERSION, SUGGEST, self.config.model_dump(mode="json"), words, self.phrases]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]

    def _examples(self, rated: Sequence[Rated]) -> list[Example]:
        """Pictures in context; none where fewer are kept than the model was trained to be shown."""
        if not self.personal or len(rated) < LEAST:
            return []
        disliked = [each for each in rated if each.score <= 3]
        liked = [each for each in rated if each.score > 3]
        written = self.reward.model.scale.written
        return [Example(r.image, written((r.score - 1) / 4)) for r in [*liked[:LIKED], *disliked[:DISLIKED]]]

    def _written(self, turn: Turn) -> str:
        try:
            self.limits.check(self.usage)
        except ProposerBudgetSpent as error:
            raise CriticFailed(str(error)) from error
        begun = time.monotonic()
        self.usage.calls += 1
        try:
            return self.reward.write(turn, self.config.max_answer_tokens)
        except (RewardError, RuntimeError, ValueError, IndexError, MemoryError) as error:
            self.usage.failed_calls += 1
            first = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise CriticFailed(f"{self.name} cannot be asked: {first}") from error
        finally:
            self.usage.seconds += time.monotonic() - begun


def build(config: CalmCriticConfig, whole: SteerConfig, reward: RewardModel) -> Critic:
    """The critic of a config, by the reward that it names or the run's own. Raises UsageError where that is no CALM
    model.
    """
    if not isinstance(reward, CalmReward):
        raise UsageError(
            f"critic=calm speaks by a CALM model, and the reward '{reward.name}' is none; add --set critic.model=NAME"
        )
    phrases = [p for group in Lexicon.load(whole.proposer.lexicon).groups for p in group.phrases]
    return CalmCritic(config, reward, phrases)
