"""What a config means: proposer, renderer, reward and the rest, each built when it is first used, and only once.

Configs that agree on a part share it: the rows of a batch and the conditions of a study load every model once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from reward_models import RewardModel
from reward_models.scorers.panel import Panel
from steer.config import CalmCriticConfig, RewardCriticConfig, SteerConfig
from steer.critics.base import Critic
from steer.critics.load import build_critic
from steer.errors import UsageError
from steer.judging.audience import People
from steer.judging.judge import Judge
from steer.judging.load import build_panel, build_reward, load_reward
from steer.lexicon import Group, Lexicon
from steer.proposers import build_proposer
from steer.protocols import Proposer, Renderer
from steer.renderers import build_renderer
from steer.renderers.vocabulary import vocabulary_of
from steer.search.belief import Prior, said_of
from steer.search.funnel import Funnel
from steer.search.guard import Guard
from steer.search.screen import Screen
from steer.search.texts import TextSpace
from steer.types import SteerRequest
from steer.users.roster import Roster
from steer.users.store import UserStore
from steer.vocabulary import PromptWarning, Vocabulary

log = logging.getLogger(__name__)
T = TypeVar("T")


class Parts:
    """The parts of one ``config``. A part that is given stands in for the one that the config names.

    ``keep``: wraps a renderer that is built, as a study does to draw nothing twice.
    """

    def __init__(
        self,
        config: SteerConfig,
        *,
        proposer: Proposer | None = None,
        renderer: Renderer | None = None,
        reward: RewardModel | None = None,
        store: UserStore | None = None,
        held_out: RewardModel | None = None,
        keep: Callable[[Renderer], Renderer] = lambda renderer: renderer,
    ):
        self.config, self.keep = config, keep
        self._built: dict[tuple[str, str], Any] = {}
        given = {"proposer": proposer, "renderer": renderer, "reward": reward, "store": store, "held_out": held_out}
        self._built |= {(name, self._key(name)): part for name, part in given.items() if part is not None}

    def with_config(self, config: SteerConfig) -> Parts:
        """The parts of another config; whatever the two agree on is shared."""
        other = Parts(config, keep=self.keep)
        other._built = self._built
        return other

    def variant(self, size: tuple[int, int] | None = None, negative: str | None = None) -> Parts:
        """The parts for pictures of another size (width, height in pixels) or with another negative prompt, with the
        same models. Raises UsageError where the renderer cannot.
        """
        renderer = self.renderer.variant(size, negative)
        changes: dict[str, Any] = {"width": size[0], "height": size[1], "aspect": None} if size else {}
        changes |= {} if negative is None else {"negative_prompt": negative}
        known = type(self.config.renderer).model_fields
        section = self.config.renderer.model_copy(update={k: v for k, v in changes.items() if k in known})
        other = Parts(self.config.model_copy(update={"renderer": section}), keep=self.keep)
        other._built = {**self._built, ("renderer", other._key("renderer")): renderer}
        return other

    @property
    def proposer(self) -> Proposer:
        """Who writes rewrites."""
        return self._part("proposer", lambda: build_proposer(self.config.proposer, self.config.search.strength))

    @property
    def renderer(self) -> Renderer:
        """Who draws."""
        return self._part("renderer", lambda: self.keep(build_renderer(self.config.renderer)))

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What the renderer can draw; asked of the config while none is built, as that can take minutes."""
        built: Renderer | None = self._built.get(("renderer", self._key("renderer")))
        return built.vocabulary if built else vocabulary_of(self.config.renderer)

    def warnings(self, prompt: str) -> list[PromptWarning]:
        """What the pictures will lack of a prompt."""
        if (known := self.vocabulary) is None:
            return []
        found = known.warnings(prompt)
        if found and self.config.search.rewrite and not known.knows(prompt):
            kept = self.config.search.limits.min_kept
            found.append(
                PromptWarning(
                    "As no word of the prompt is known, rewrites are not checked for their meaning; "
                    f"each must keep {kept:.0%} of the prompt's words."
                )
            )
        return found

    @property
    def reward(self) -> RewardModel:
        """Who knows people's taste."""
        return self._part("reward", lambda: build_reward(self.config.reward))

    @property
    def panel(self) -> Panel:
        """The reward with the objective's further scorers."""
        c = self.config
        return self._part("panel", lambda: build_panel(self.reward, c.objective, c.reward.device))

    @property
    def held_out(self) -> RewardModel | None:
        """The reward of ``search.held_out``, which does not steer."""
        name, device = self.config.search.held_out, self.config.reward.device
        return self._part("held_out", lambda: None if name is None else load_reward(name, device))

    @property
    def critic(self) -> Critic | None:
        """Who says what to change in the leading picture; None for nobody."""
        return self._part("critic", lambda: build_critic(self.config, self._speaking))

    @property
    def _speaking(self) -> RewardModel:
        """The reward that the critic speaks by: the one that steers, or ``critic.model``."""
        name, device = self._named
        return self.reward if name is None else self._part("speaking", lambda: load_reward(name, device))

    @property
    def _named(self) -> tuple[str | None, str]:
        """Name and device of the reward that the critic speaks by; no name for the one that steers."""
        critic, device = self.config.critic, self.config.reward.device
        if isinstance(critic, CalmCriticConfig):
            return critic.model, critic.device if critic.model else device
        return critic.model if isinstance(critic, RewardCriticConfig) else None, device

    @property
    def store(self) -> UserStore:
        """The local users."""
        return self._part("store", UserStore)

    @property
    def roster(self) -> Roster:
        """Everybody who can be steered for."""
        return self._part("roster", lambda: Roster(self.store, self.reward))

    @property
    def space(self) -> TextSpace | None:
        """How the reward reads texts; None, and said, where it reads none: the guard then counts words alone."""
        return self._part("space", self._text_space)

    def judge(self, people: People) -> Judge:
        """What pictures are worth to these people."""
        return Judge(self.panel, people, self.config.objective.together)

    def funnel(self, request: SteerRequest, judge: Judge, proposer: Proposer | None = None, **journal: Any) -> Funnel:
        """Where the texts of a run come from: proposer, guard and, where it is asked for, the screen.

        ``journal``: ``written`` and ``on_written`` of :class:`Funnel`. Raises UsageError for a screen whose reward
        cannot imagine pictures.
        """
        c, space, writer = self.config.search, self.space, proposer or self.proposer
        earlier = said_of(request, writer.compose)
        prior = Prior(request.prompt, space, earlier=earlier)
        if c.screen > 1:
            if space is None or self.reward.imagination is None:
                raise UsageError(
                    f"the reward '{self.reward.name}' cannot rank texts before they are rendered; set search.screen=1"
                )
            prior = Prior(request.prompt, space, lambda texts: _imagined(judge, texts), earlier)
        ahead = writer.slow if c.ahead is None else c.ahead
        if self.config.proposer.seed is not None:
            request = replace(request, seed=self.config.proposer.seed)  # of the texts; pictures have the run's
        screen = Screen(prior) if c.screen > 1 else None
        return Funnel(request, writer, self._guard(request, space), screen, c.screen, ahead, prior=prior, **journal)

    def describe(self, people: People) -> dict[str, Any]:
        """What the results of a run depend on besides its request and config; part of its fingerprint."""
        # a run that learns while it goes on may know its people better when it is resumed
        bases = {} if self.config.search.learns else self.roster.bases(people)
        if self.critic and self.critic.about is not None:
            bases |= self.roster.bases(self.roster.people(self.critic.about))
        return {
            **({"people": bases} if bases else {}),
            "renderer": self.renderer.describe(),
            "reward": {"name": self.panel.name, "fingerprint": self.panel.fingerprint()},
            "proposer": {"name": self.proposer.name, "fingerprint": self.proposer.fingerprint()},
            **({"held out": self.held_out.fingerprint()} if self.held_out else {}),
            **({"critic": critic} if self.critic and (critic := self.critic.fingerprint()) else {}),
        }

    def taste(self, people: People) -> str:
        """What the proposer is told of these people's taste; "" for one that does not ask."""
        writer = self.proposer
        return self.roster.taste(people, writer.shares_about) if writer.reads_taste else ""

    def _guard(self, request: SteerRequest, space: TextSpace | None) -> Guard:
        limits = self.config.search.limits
        closed: tuple[Group, ...] = ()
        if limits.kinds is not None:
            lexicon = Lexicon.load(self.config.proposer.lexicon)
            closed = tuple(g for g in lexicon.groups if g.name not in limits.kinds)
        # a model of a small world reads every unknown word alike, so its likeness says nothing where it knows none
        reads = self.vocabulary is None or self.vocabulary.knows(request.prompt)
        return Guard(request.prompt, limits.min_kept, limits.min_likeness, space if reads else None, closed)

    def _text_space(self) -> TextSpace | None:
        reward = self.reward
        if reward.text_features(["a picture"]) is None:
            log.warning("the reward '%s' reads no texts: rewrites are compared by their words alone", reward.name)
            return None
        return TextSpace(lambda texts: np.asarray(reward.text_features(texts)))

    def _part(self, name: str, build: Callable[[], T]) -> T:
        key = name, self._key(name)
        if key not in self._built:
            self._built[key] = build()
        found: T = self._built[key]
        return found

    def _key(self, name: str) -> str:
        """What of the config decides a part."""
        c = self.config
        deciding: dict[str, Any] = {
            "proposer": (c.proposer, c.search.strength),
            "renderer": c.renderer,
            "panel": (c.reward, c.objective.scorers),
            "held_out": (c.search.held_out, c.reward.device),
            "critic": (c.critic, c.reward, c.proposer),
            "speaking": self._named,
            "store": "",
        }
        return repr(deciding.get(name, c.reward))


def _imagined(judge: Judge, texts: Any) -> tuple[np.ndarray, np.ndarray]:
    found = judge.imagine(texts)
    assert found is not None  # the caller has asked whether the reward can
    return found
