"""The library's front door.

from steer import Steerer
result = Steerer("miniature").run("a lighthouse by the sea", user="u17")
print(result.best.rewrite.text, result.folder)
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from reward_models import Person, RewardModel
from steer.config import SteerConfig, load_config, parse_config
from steer.errors import SteerError, UsageError, unknown
from steer.events import Event, Listener, RunStarted
from steer.judging.audience import Audience, AudienceReward
from steer.judging.load import build_reward, load_reward
from steer.lexicon import Group, Lexicon
from steer.proposers import build_proposer
from steer.protocols import Proposer, Renderer
from steer.renderers import build_renderer
from steer.run.critic import Critic
from steer.run.held_out import HeldOut
from steer.run.learning import Learning
from steer.run.loop import run_loop
from steer.run.session import Session
from steer.search.funnel import Funnel
from steer.search.guard import Guard
from steer.search.screen import Screen
from steer.search.search import Search
from steer.search.texts import TextSpace
from steer.store.run_folder import RunFolder
from steer.types import Candidate, Result, SteerRequest
from steer.users.enrolment import Enrolled, enrol, trained_people
from steer.users.ids import AVERAGE
from steer.users.store import UserStore
from steer.words import check_prompt

log = logging.getLogger(__name__)


class Steerer:
    """Steers prompts for users. Models are loaded on first use and stay loaded.

    ``config``: a preset name, a YAML path or a :class:`SteerConfig`. Any part may be given
    instead of being built from it; listeners receive every :mod:`steer.events` event.
    """

    def __init__(
        self,
        config: str | Path | SteerConfig = "miniature",
        *,
        proposer: Proposer | None = None,
        renderer: Renderer | None = None,
        reward: RewardModel | None = None,
        listeners: Sequence[Listener] = (),
        store: UserStore | None = None,
    ):
        self.config = config if isinstance(config, SteerConfig) else load_config(config)
        self.listeners = list(listeners)
        # a part that is given replaces the cached property of its name
        given = {"proposer": proposer, "renderer": renderer, "reward": reward, "store": store}
        self.__dict__.update({k: v for k, v in given.items() if v is not None})
        self._bases: dict[str, str] = {}  # of people of the store, what their vectors were found from

    @cached_property
    def proposer(self) -> Proposer:
        return build_proposer(self.config.proposer, self.config.search.strength)

    @cached_property
    def renderer(self) -> Renderer:
        return build_renderer(self.config.renderer)

    @cached_property
    def store(self) -> UserStore:
        """The local users."""
        return UserStore()

    @cached_property
    def reward(self) -> RewardModel:
        return build_reward(self.config)

    @cached_property
    def held_out(self) -> RewardModel | None:
        """The reward of ``search.held_out``, which does not steer."""
        name = self.config.search.held_out
        return None if name is None else load_reward(name, self.config.reward.device)

    def users(self) -> list[str]:
        """Ids that can be steered for, of the store and of the reward's data set; besides these, "average" is nobody."""
        return list(dict.fromkeys([*self.store.ids(), *self.reward.people()]))

    def person(self, user: str) -> Person:
        """The reward model's person for a user id: someone it was trained on, or of the store. Raises UsageError when unknown."""
        if user == AVERAGE:
            return Person()
        if user in trained_people(self.personal) or user in self._bases:
            return Person(id=user)
        if self.store.get(user) is None:
            raise unknown("user", user[:80], self.users())
        self.enrol(user)
        return Person(id=user)

    def enrol(self, user: str) -> Enrolled:
        """Make a person of the store known to the reward, from all that they rated and said until now."""
        found = enrol(self.store, self.personal, user)
        self._bases[user] = found.basis
        return found

    def audience(self, user: str) -> Audience:
        """Who ``user`` is: one id, or several as "me,you,!him". Raises UsageError for someone unknown."""
        found = Audience.parse(user)
        for each in found.everyone:
            self.person(each)
        return found

    def reward_for(self, user: str) -> RewardModel:
        """The reward model of one person, or of several together."""
        audience = self.audience(user)
        if audience.single:
            return self.reward
        return AudienceReward(self.reward, audience, self.config.objective.together, self.person)

    def request(self, prompt: str, user: str, budget: int | None = None, seed: int = 0) -> SteerRequest:
        """A checked request. Raises UsageError for an unusable prompt, user or budget."""
        budget = self.config.search.budget if budget is None else budget
        if budget < 1:
            raise UsageError(f"the budget is {budget} pictures; it must be at least 1")
        if seed < 0:
            raise UsageError(f"the seed is {seed}; it must be 0 or more")
        text = check_prompt(prompt)
        self.audience(user)
        return SteerRequest(text, user, budget, seed)

    def search(self, prompt: str, user: str, budget: int | None = None, seed: int = 0) -> Search:
        """Ask and tell, for scripts that render elsewhere.

        >>> search = steerer.search("a fox", "u17")                     # doctest: +SKIP
        >>> while candidates := search.ask():                           # doctest: +SKIP
        ...     images = my_renderer([c.rewrite.text for c in candidates])
        ...     search.tell(steerer.score(candidates, images, search.request))
        """
        request = self.request(prompt, user, budget, seed)
        return Search(request, self.funnel(request), self.config.search, self.config.objective)

    def funnel(self, request: SteerRequest, proposer: Proposer | None = None, **journal: Any) -> Funnel:
        """Where the texts of a run come from: proposer, guard and, where it is asked for, the screen.

        ``journal``: ``written`` and ``on_written`` of :class:`Funnel`. Raises UsageError for a screen whose reward cannot
        imagine pictures.
        """
        c = self.config.search
        space, ranks = self._text_space, None
        if c.screen > 1:
            reward, person = self._personal_for(request.user)
            if space is None or getattr(reward, "imagination", None) is None:
                raise UsageError(
                    f"the reward '{reward.name}' cannot rank texts before they are rendered; set search.screen=1"
                )
            ranks = Screen(
                lambda texts: reward.score_text_features(torch.tensor(space.vectors(texts)).float(), person), space
            )
        writer = proposer or self.proposer
        ahead = writer.slow if c.ahead is None else c.ahead
        return Funnel(request, writer, self._guard(request, space), ranks, c.screen, ahead, **journal)

    def _guard(self, request: SteerRequest, space: TextSpace | None) -> Guard:
        limits = self.config.search.limits
        closed: tuple[Group, ...] = ()
        if limits.kinds is not None:
            lexicon = Lexicon.load(self.config.proposer.lexicon)
            closed = tuple(g for g in lexicon.groups if g.name not in limits.kinds)
        return Guard(request.prompt, limits.min_kept, limits.min_likeness, space, closed)

    def _personal_for(self, user: str) -> tuple[Any, Person]:
        """What ranks texts for ``user``, and whom it is to be asked about."""
        audience = self.audience(user)
        if audience.single:
            return self.personal, self.person(user)
        return AudienceReward(self.personal, audience, self.config.objective.together, self.person), Person()

    @property
    def personal(self) -> Any:
        """The reward that knows people: of a mixed one its personal part."""
        return getattr(self.reward, "reward", self.reward)

    @cached_property
    def _text_space(self) -> TextSpace | None:
        """How the reward's encoder reads texts; None, and said, where it reads none: the guard then counts words alone."""
        encoder: Any = getattr(self.personal, "encoder", None)
        if not getattr(encoder, "has_text", False):
            log.warning("the reward '%s' reads no texts: rewrites are compared by their words alone", self.reward.name)
            return None
        return TextSpace(lambda texts: encoder.texts(texts).cpu().numpy())

    def score(self, candidates: list[Candidate], images: Sequence[Any], request: SteerRequest) -> list[Candidate]:
        """Fill in the scores of candidates rendered elsewhere as PIL ``images``."""
        scores = self.reward_for(request.user).score(
            images, [request.prompt] * len(images), self.asked_about(request.user)
        )
        for i, candidate in enumerate(candidates):
            candidate.take(scores, i)
        return candidates

    def run(
        self, prompt: str, user: str, budget: int | None = None, seed: int = 0, out: str | Path | None = None
    ) -> Result:
        """Steer one prompt; everything is kept in a new folder (``out`` or under outputs/)."""
        request = self.request(prompt, user, budget, seed)
        path = Path(out) if out else _new_folder(request)
        folder = RunFolder.create(path, _plain(request), self.config.model_dump(), self._parts(request))
        return self._go(request, folder)

    def batch(
        self, rows: Iterable[Mapping[str, Any]], out: str | Path | None = None, beside: int = 8
    ) -> Iterator[Result]:
        """Steer many prompts side by side and yield each result when it is there.

        ``rows``: mappings with "prompt", "user" and, if wanted, "seed", "budget", "id", "settings", as in a file for ``steer batch``. With the
        same ``out`` again it goes on where it stopped; rows that are done are not yielded again. Raises UsageError for a row that
        cannot be steered, before anything is rendered, and after the others for the first row that failed.
        """
        from steer.batch.run import stream

        yield from stream(self, rows, Path(out) if out else None, beside)

    def run_folder(self, request: SteerRequest, path: Path) -> RunFolder:
        """The request's folder: a new one, or the one of an earlier start of the same. Raises UsageError for another's."""
        told = _plain(request), self.config.model_dump(), self._parts(request)
        if not (path / "manifest.json").exists():
            return RunFolder.create(path, *told)
        folder = RunFolder.open(path)
        folder.check_same(*told)
        return folder

    def resume(self, run: str | Path) -> Result:
        """Go on with an interrupted run at its next missing candidate."""
        folder = RunFolder.open(Path(run))
        request = SteerRequest(**folder.manifest["request"])
        folder.check_same(_plain(request), self.config.model_dump(), self._parts(request))
        return self._go(request, folder)

    @staticmethod
    def config_of(run: str | Path) -> SteerConfig:
        """The configuration a run was made with."""
        return parse_config(RunFolder.open(Path(run)).manifest["config"], str(run))

    def _go(self, request: SteerRequest, folder: RunFolder) -> Result:
        parts = {"proposer": self.proposer.name, "renderer": self.renderer.name, "reward": self.reward.name}
        self.emit(RunStarted(request, str(folder.path), parts, len(folder.candidates)))
        session = self.session(request, folder)
        chunk = self.renderer.batch_size
        try:
            run_loop(
                session.search, self.renderer, session.reward, session.person, folder, self.emit, chunk, session.learn
            )
            return session.finish()
        except SteerError as error:  # server gone, disk full: what was made is kept
            raise session.give_up(error) from error
        finally:
            session.release()

    def session(
        self, request: SteerRequest, folder: RunFolder, proposer: Proposer | None = None, alone: bool = True
    ) -> Session:
        """A run to be driven: by itself, or (not ``alone``) with others whose pictures the same renderer draws."""
        after = self._learning(request, folder), self._second_opinion(request, folder), self._critic(request, folder)

        def told(search: Search) -> None:
            for each in after:
                each(search)

        return Session(self, request, folder, proposer or self.proposer, told, alone)

    def _learning(self, request: SteerRequest, folder: RunFolder) -> Callable[[Search], None]:
        """What happens after a round: with ``search.learn`` new ratings of its people are taken in."""
        if not self.config.search.learn:
            return lambda _: None
        reward, person = self.reward_for(request.user), self.asked_about(request.user)

        def score(candidates: list[Candidate]) -> None:
            folder.flush()
            scores = reward.score(
                [folder.load_picture(c) for c in candidates], [request.prompt] * len(candidates), person
            )
            for i, candidate in enumerate(candidates):
                candidate.take(scores, i)

        return Learning(self.store, self.enrol, score, folder, self.audience(request.user))

    def _second_opinion(self, request: SteerRequest, folder: RunFolder) -> Callable[[Search], None]:
        """What ``search.held_out`` says after a round. Raises UsageError where it does not know the user."""
        if self.held_out is None:
            return lambda _: None
        judge, user = self.held_out, request.user
        if user not in judge.people():
            raise UsageError(f"the held-out judge '{self.config.search.held_out}' does not know '{user}'")
        return HeldOut(
            lambda images: judge.score(images, [request.prompt] * len(images), Person(user)).personal, folder
        )

    def _critic(self, request: SteerRequest, folder: RunFolder) -> Callable[[Search], None]:
        """What a reward that can say so wishes of the leading picture, for one person and a proposer that reads it."""
        wishes = getattr(self.personal, "wishes", None)
        if wishes is None or not self.audience(request.user).single or not self.proposer.reads_critique:
            return lambda _: None
        return Critic(lambda image: wishes(image, request.user), folder)

    def asked_about(self, user: str) -> Person:
        """The person to ask the reward of :meth:`reward_for` about."""
        return self.person(user) if self.audience(user).single else Person()

    def _parts(self, request: SteerRequest) -> dict[str, Any]:
        everyone = self.audience(request.user).everyone if not self.config.search.learn else []  # who learns, changes
        people = {u: self._bases[u] for u in everyone if u in self._bases}
        return {
            **({"people": people} if people else {}),
            "renderer": self.renderer.describe(),
            "reward": {"name": self.reward.name, "fingerprint": self.reward.fingerprint()},
            "proposer": {"name": self.proposer.name, "fingerprint": self.proposer.fingerprint()},
            **({"held out": self.held_out.fingerprint()} if self.held_out else {}),
        }

    def emit(self, event: Event) -> None:
        """Tell every listener."""
        for listener in self.listeners:
            listener(event)


def _plain(request: SteerRequest) -> dict[str, Any]:
    return {"prompt": request.prompt, "user": request.user, "budget": request.budget, "seed": request.seed}


def _new_folder(request: SteerRequest) -> Path:
    """outputs/<date>-<time>-<random>: nothing a user typed becomes a path."""
    return Path("outputs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
