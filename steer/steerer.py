"""The library's front door.

from steer import Steerer
result = Steerer("miniature").run("a lighthouse by the sea", user="u17")
print(result.best.rewrite.text, result.folder)

In a notebook a result shows the original's picture beside the best one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from reward_models import RewardModel, Scores
from steer.config import DEFAULT, SteerConfig, load_config, override, parse_config
from steer.errors import UsageError
from steer.events import Event, Listener, PromptDoubted, QuestionAsked
from steer.parts import Parts
from steer.protocols import Proposer, Renderer
from steer.question import RunQuestion
from steer.result import Result
from steer.run.after import check_asked
from steer.run.drive import drive, new_folder
from steer.run.earlier import earlier_of
from steer.run.enhance import Enhanced, enhance
from steer.run.requests import check_request, run_folder
from steer.search.search import Search
from steer.store.manifest import request_of
from steer.store.names import new_run_folder
from steer.store.run_folder import RunFolder
from steer.types import Candidate, RenderFailure, Start, State, SteerRequest
from steer.users.rating import RatedPicture, rate_candidate
from steer.users.store import UserStore
from steer.words import check_prompt

log = logging.getLogger(__name__)
AnswerTo = Callable[[RunQuestion], float | None]
QUESTIONS = 3  # of a run, where somebody answers and the config does not say how many


class Steerer:
    """Steers prompts for users. Models are loaded on first use and stay loaded.

    ``config``: a preset name, a YAML path or a :class:`SteerConfig`; without it the miniature. ``pipeline``: a
    text-to-image pipeline of diffusers that is loaded already; ``config`` then says who judges, and size and steps, and
    without it the preset of the pipeline's model does. Any other part may be given instead of being built too;
    listeners receive every :mod:`steer.events` event. Raises UsageError for a pipeline that no preset is made for.
    """

    def __init__(
        self,
        config: str | Path | SteerConfig | None = None,
        *,
        pipeline: Any = None,
        proposer: Proposer | None = None,
        renderer: Renderer | None = None,
        reward: RewardModel | None = None,
        listeners: Sequence[Listener] = (),
        store: UserStore | None = None,
        held_out: RewardModel | None = None,
    ):
        if pipeline is not None:
            if renderer is not None:
                raise UsageError("a pipeline and a renderer both draw; give one of them")
            from steer.renderers.given import renderer_for

            config, renderer = renderer_for(pipeline, config)
        self.config = config if isinstance(config, SteerConfig) else load_config(config or DEFAULT)
        self.parts = Parts(
            self.config, proposer=proposer, renderer=renderer, reward=reward, store=store, held_out=held_out
        )
        self.listeners = list(listeners)

    def users(self) -> list[str]:
        """Ids that can be steered for, of the store and of the reward's data set; besides these, "average" is
        nobody.
        """
        return self.parts.roster.ids()

    def request(
        self, prompt: str, user: str, budget: int | None = None, seed: int = 0, start: Start | None = None
    ) -> SteerRequest:
        """A checked request. Raises UsageError for an unusable prompt, user, budget or start."""
        return check_request(self.parts, prompt, user, budget, seed, start)

    def search(self, prompt: str, user: str, budget: int | None = None, seed: int = 0) -> Search:
        """Ask and tell, for scripts that render elsewhere.

        >>> search = steerer.search("a fox", "u17", budget=24)          # doctest: +SKIP
        >>> while candidates := search.ask():                           # doctest: +SKIP
        ...     images = my_renderer([c.rewrite.text for c in candidates], [c.seed for c in candidates])
        ...     search.tell(steerer.score(candidates, images, search.request))
        >>> search.winner().rewrite.text                                # doctest: +SKIP
        'a fox in fog, sepia'
        >>> search.best().image.save("best.png")                        # doctest: +SKIP
        """
        request = self.request(prompt, user, budget, seed)
        if doubts := self.parts.warnings(request.prompt):
            self.emit(PromptDoubted(request, doubts))
        people = self.parts.roster.people(user)
        judge = self.parts.judge(people)
        request = replace(request, taste=self.parts.taste(people), earlier=earlier_of(self.parts, request))
        return Search(request, self.parts.funnel(request, judge), self.config.search, self.config.objective)

    def score(
        self, candidates: list[Candidate], images: Sequence[Image.Image | RenderFailure], request: SteerRequest
    ) -> list[Candidate]:
        """Fill in the scores of candidates rendered elsewhere, and their ``images``. Raises UsageError unless there is
        an image, or a RenderFailure, for each candidate.
        """
        if len(images) != len(candidates):
            raise UsageError(f"{len(candidates)} candidates need as many images; got {len(images)}")
        drawn: list[Candidate] = []
        for candidate, image in zip(candidates, images, strict=True):
            if isinstance(image, RenderFailure):
                candidate.state, candidate.reason = State.FAILED, image.reason
            else:
                candidate.image = image
                drawn.append(candidate)
        if drawn:
            judge = self.parts.judge(self.parts.roster.people(request.user))
            scores = judge.score([c.image for c in drawn if c.image], request.prompt)
            for i, candidate in enumerate(drawn):
                candidate.take(scores, i)
        return candidates

    def enhance(self, prompt: str, user: str, n: int = 1, seed: int = 0) -> list[Enhanced]:
        """Up to n rewrites of a prompt for a user, the most promising first; nothing is drawn. Raises UsageError."""
        return enhance(self.parts, prompt, user, n, seed)

    def judge(self, images: Sequence[Image.Image], prompt: str, user: str) -> Scores:
        """How much a user should like n pictures of a prompt, whoever drew them. Raises UsageError."""
        return self.parts.judge(self.parts.roster.people(user)).score(images, prompt)

    def rate(self, image: Image.Image, prompt: str, user: str, score: float) -> RatedPicture:
        """Keep a user's rating (1 to 5) of a picture, whoever drew it. What is learned of it counts from the next run
        on. Raises UsageError for people of a data set, who are read-only.
        """
        parts, text = self.parts, check_prompt(prompt)
        rated = rate_candidate(parts.store, parts.reward, user, image.convert("RGB"), text, score, "python")
        parts.roster.refresh([user])
        return rated

    def run(
        self,
        prompt: str,
        user: str,
        budget: int | None = None,
        seed: int = 0,
        out: str | Path | None = None,
        start: Start | None = None,
        ask: AnswerTo | None = None,
    ) -> Result:
        """Steer one prompt; everything is kept in a new folder (``out`` or under outputs/). ``start``: a text and a
        seed to begin with, such as a picture's (:func:`steer.store.origin.origin_of`).

        ``ask``: called with each :class:`steer.RunQuestion` of the run, at most ``search.ask`` or else three; it
        returns the index of the picture liked best or a rating from 1 to 5, or None to skip. A listener can answer too,
        at any time: see :class:`steer.events.QuestionAsked`.

        Raises UsageError where questions are wanted and nobody is there to answer them.
        """
        parts = self._asking(ask)
        request = check_request(parts, prompt, user, budget, seed, start)
        path = Path(out) if out else new_run_folder(Path("outputs"), request.prompt, request.user)
        if parts.config.search.ask:
            check_asked(parts, request.user)  # before there is a folder
        return drive(parts, request, new_folder(parts, request, path), self._answered(ask))

    def resume(self, run: str | Path, ask: AnswerTo | None = None) -> Result:
        """Go on with an interrupted run at its next missing candidate. ``ask``: answers the questions that it has
        left.
        """
        request = request_of(RunFolder.open(Path(run)).manifest)
        return drive(self.parts, request, run_folder(self.parts, request, Path(run)), self._answered(ask))

    def _asking(self, ask: AnswerTo | None) -> Parts:
        """The parts of a run that asks where somebody answers. Raises UsageError where nobody does."""
        wanted = self.config.search.ask
        if ask is not None and not wanted:
            return self.parts.with_config(override(self.config, {"search.ask": QUESTIONS}))
        if wanted and ask is None and not self.listeners:
            raise UsageError("search.ask: nobody answers; give ask=, a function of a question, or a listener")
        return self.parts

    def _answered(self, ask: AnswerTo | None) -> Listener:
        def emit(event: Event) -> None:
            self.emit(event)
            if ask is not None and isinstance(event, QuestionAsked):
                event.question.answer(ask(event.question))

        return emit

    def batch(
        self, rows: Iterable[Mapping[str, Any]], out: str | Path | None = None, beside: int = 8
    ) -> Iterator[Result]:
        """Steer many prompts side by side and yield each result when it is there.

        ``rows``: mappings with "prompt", "user" and, if wanted, "seed", "budget", "id", "settings", as in a file for
        ``steer batch``. With the same ``out`` again it goes on where it stopped; rows that are done are not yielded
        again. Raises UsageError for a row that cannot be steered, before anything is rendered, and after the others for
        the first row that failed.
        """
        from steer.batch.run import stream

        if self.config.search.ask and not self.listeners:
            raise UsageError("search.ask: nobody answers; give a listener")
        said: set[str] = set()  # what is logged of one row's prompt is not logged of the next one's
        yield from stream(self.parts, rows, Path(out) if out else None, beside, lambda event: self.emit(event, said))

    @staticmethod
    def config_of(run: str | Path) -> SteerConfig:
        """The configuration a run was made with."""
        return parse_config(RunFolder.open(Path(run)).manifest["config"], str(run))

    def emit(self, event: Event, said: set[str] | None = None) -> None:
        """Tell every listener; what a prompt cannot give is logged where there is none, unless it was ``said``."""
        for listener in self.listeners:
            listener(event)
        if isinstance(event, PromptDoubted) and not self.listeners:
            for warning in event.warnings:
                if said is None or str(warning) not in said:
                    log.warning("%s", warning)
                if said is not None:
                    said.add(str(warning))
