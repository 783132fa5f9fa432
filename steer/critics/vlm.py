"""A vision-language model as critic: in this process, the one that rewards and proposers share, or at a server."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from reward_models import RewardModel
from reward_models.remote import server_address
from steer.config import LocalConfig, PromptedConfig, SteerConfig, VlmCriticConfig
from steer.critics.base import Critic, View
from steer.critics.question import VERSION, Part, question
from steer.critics.remarks import comment_of, shipped_filter
from steer.errors import UsageError
from steer.lexicon import Lexicon
from steer.proposers.usage import Limits, Usage
from steer.protocols import Meter
from steer.types import Comment

EXAMPLES = 3  # pictures that were liked, and as many that were disliked


class Seer(Protocol):
    """A model that answers a turn of texts and pictures."""

    model: str
    usage: Usage
    limits: Limits

    @abstractmethod
    def answer(self, parts: Sequence[Part], most_tokens: int) -> str:
        """What it writes, greedily. Raises CriticFailed."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever the answers may."""
        ...


class VlmCritic(Critic):
    """``phrases``: of the lexicon, which pass the filter of remarks."""

    def __init__(self, config: VlmCriticConfig, seer: Seer, phrases: Sequence[str] = ()):
        self.config, self.seer, self.phrases = config, seer, list(phrases)
        self.weight, self.personal, self.shares_about = config.weight, config.personal, config.share_about
        self.examples, self.about = EXAMPLES if config.personal else 0, config.about
        self.name = f"critic '{seer.model}'" + ("" if config.personal else ", the same for everybody")
        self.meter: Meter = seer.usage

    def comment(self, view: View) -> Comment:
        """What the model says of the picture, without what a prompt cannot change. Raises CriticFailed."""
        answer = self.seer.answer(question(view, self.personal), self.config.max_answer_tokens)
        return comment_of(answer, view.prompt, self.phrases)

    def fork(self) -> VlmCritic:
        """The same critic with a meter of its own; the model or the connection is shared."""
        seer = copy.copy(self.seer)
        seer.usage = Usage(price=self.config.price)
        return VlmCritic(self.config, seer, self.phrases)

    def fingerprint(self) -> str:
        """Of the model, the question and the filter; the model behind an endpoint cannot be known."""
        words = [sorted(each) for each in vars(shipped_filter()).values()]
        told = [self.seer.fingerprint(), VERSION, self.config.model_dump(mode="json"), words, self.phrases]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def build(config: VlmCriticConfig, whole: SteerConfig, reward: RewardModel) -> Critic:  # noqa: ARG001
    """The critic of a config. Raises UsageError where the model or its key is missing, or it does not load."""
    config = _resolved(config, whole)
    lexicon = Lexicon.load(whole.proposer.lexicon)
    limits = Limits(config.timeout_s, config.retries, config.max_calls, config.max_tokens, "critic")
    return VlmCritic(config, _seer(config, limits), [p for group in lexicon.groups for p in group.phrases])


def _seer(config: VlmCriticConfig, limits: Limits) -> Seer:
    assert config.model is not None
    if config.backend == "local":
        from steer.critics.local import LocalSeer

        return LocalSeer(config.model, config.revision, config.device, config.size, limits)
    from steer.critics.endpoint import RemoteSeer

    key = os.environ.get(config.api_key_env, "")
    if not key and config.base_url is None:
        raise UsageError(f"the critic needs a key in the environment variable {config.api_key_env}")
    try:
        server_address(config.base_url)
    except ValueError as error:
        raise UsageError(f"the critic: {error}") from error
    return RemoteSeer(config, key, limits)


def _resolved(config: VlmCriticConfig, whole: SteerConfig) -> VlmCriticConfig:
    """With the model of the reward or the proposer, where none is named."""
    if config.model is not None:
        return config
    reward, proposer = whole.reward, whole.proposer
    if isinstance(reward, PromptedConfig) and reward.backend in ("local", "chat"):
        shared = {"model", "revision", "device", "backend", "base_url", "api_key_env"}
        return config.model_copy(update=reward.model_dump(include=shared))
    if isinstance(proposer, LocalConfig) and proposer.model:
        update = {"model": proposer.model, "revision": proposer.revision, "device": proposer.device}
        return config.model_copy(update=update)
    raise UsageError(
        "the critic needs a vision-language model, as neither reward nor proposer has one to share; "
        "add --set critic.model=NAME"
    )
