"""Asks a decider about pictures and texts, each thing once, and reads the pictures' features. Shapes: n subjects, D
features.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from PIL import Image

from reward_models.encoders.base import Encoder, opens
from reward_models.prompted.decider import Answer, Decider
from reward_models.prompted.local import shrunk
from reward_models.prompted.question import ScoreQuestion, liking_question, match_question
from reward_models.prompted.reading import PromptedReading, Shown
from reward_models.taste.scale import Scale

log = logging.getLogger(__name__)

MOST_OFF = 0.5  # of a model's probability on no level, above which it is said that its answers mean little
NOBODY = liking_question()


class Asker:
    """``decider``: who answers. ``encoder``: for fidelity and, where the decider shows no hidden states, for features;
    without one the decider is asked for the fidelity too. ``orders``, ``background``, ``size``: see
    :class:`~reward_models.prompted.reward.PromptedReward`. ``width``: D, 0 where there are no features.
    """

    def __init__(
        self,
        decider: Decider,
        encoder: Encoder | None = None,
        orders: int = 1,
        background: Callable[[], Sequence[Image.Image]] | None = None,
        size: int = 448,
    ):
        self.decider, self.encoder, self.orders, self.size = decider, encoder, orders, size
        self.width = decider.width or (encoder.width if encoder else 0)
        self._background = background
        self._scale: Scale | None = None
        self._said_off = False

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> PromptedReading:
        """Features and fidelity of n pictures. A picture that does not open is NaN."""
        shown = [Shown(shrunk(i, self.size) if opens(i) else None, p) for i, p in zip(images, prompts, strict=True)]
        at = [k for k, s in enumerate(shown) if s.is_picture]
        whole = [images[k] for k in at]
        if self.decider.width:
            self._look([shown[k] for k in at], whole)
        if self.encoder and at:
            vectors = self.encoder.images(whole)
            texts = self.encoder.texts([prompts[k] for k in at])
            fits = self.encoder.agreement(vectors, texts.to(vectors.device))
            for k, vector, fit, prompt in zip(at, vectors, fits, [prompts[k] for k in at], strict=True):
                shown[k].fidelity = float(fit) if prompt else math.nan
                if not self.decider.width:
                    shown[k].x = vector.cpu().double().numpy()  # in this order: Apple's GPUs have no double precision
        for each in shown:
            if each.x.shape != (self.width,):
                each.x = np.full(self.width, np.nan)
        return PromptedReading(shown)

    @property
    def scale(self) -> Scale | None:
        """What typical pictures look like, from the background; None without one."""
        if self._scale is None and self._background is not None and self.width:
            pictures = list(self._background())
            self._scale = Scale.of(self.read(pictures, [""] * len(pictures)).features())
        return self._scale

    def _look(self, shown: Sequence[Shown], images: Sequence[Image.Image]) -> None:
        """Answers for nobody in particular, and the features of the same passes."""
        answers, x = self.decider.look(images, NOBODY)
        turned = self.decider.answers(images, [NOBODY.reversed()]) if self.orders == 2 else [[] for _ in images]
        for each, answer, other, row in zip(shown, answers, turned, x, strict=True):
            each.answers[NOBODY], each.x = _joined([answer, *other]), row
            self._notice(answer)

    def ask(self, shown: Sequence[Shown], questions: Sequence[ScoreQuestion]) -> None:
        """Everything that is open about these subjects, together by what they are asked."""
        open_: dict[tuple[ScoreQuestion, ...], list[Shown]] = {}
        for each in shown:
            if each.subject is None and each.kept is None:
                continue
            wanted = list(questions) if each.is_text else list(dict.fromkeys([NOBODY, *questions]))
            if self.encoder is None and each.prompt and each.is_picture:
                wanted.append(match_question(each.prompt))
            if missing := tuple(q for q in wanted if q not in each.answers):
                open_.setdefault(missing, []).append(each)
        for missing, some in open_.items():
            asked = [q for question in missing for q in self._orders(question)]
            for each, row in self._answered(some, asked):
                for i, question in enumerate(missing):
                    each.answers[question] = _joined(row[i * self.orders : (i + 1) * self.orders])
                    self._notice(each.answers[question])

    def _answered(self, shown: Sequence[Shown], asked: Sequence[ScoreQuestion]) -> Iterator[tuple[Shown, list[Answer]]]:
        """Of what is here the decider is asked, of what is gone its memory."""
        here = [s for s in shown if s.subject is not None]
        yield from zip(
            here, self.decider.answers([s.subject for s in here if s.subject is not None], asked), strict=True
        )
        gone = [s for s in shown if s.subject is None]
        if gone and self.decider.memory is not None:
            kept = np.stack([s.kept for s in gone if s.kept is not None])
            yield from zip(gone, self.decider.memory.answers(kept, asked), strict=True)

    def _orders(self, question: ScoreQuestion) -> list[ScoreQuestion]:
        return [question, question.reversed()][: self.orders]

    def _notice(self, answer: Answer) -> None:
        if answer.off > MOST_OFF and not self._said_off:
            self._said_off = True
            log.warning(
                "the model '%s' gives %.0f %% of its probability to words that are no level; its answers mean little",
                self.decider.name,
                100 * answer.off,
            )

    def fingerprint(self) -> str:
        """Of everything that changes answers, features and fidelity."""
        told = [self.decider.fingerprint(), self.encoder.fingerprint() if self.encoder else "", self.orders, self.size]
        return hashlib.sha256(repr([*told, NOBODY, match_question("")]).encode()).hexdigest()[:16]


def _joined(answers: Sequence[Answer]) -> Answer:
    """The mean of an answer and of the one with the levels in reverse. One that failed fails both."""
    if len(answers) == 1 or any(a.reason for a in answers):
        return next((a for a in answers if a.reason), answers[0])
    forward, backward = answers
    mean = (np.array(forward.probabilities) + np.array(backward.probabilities[::-1])) / 2
    return Answer.of(mean.tolist(), (forward.off + backward.off) / 2)
