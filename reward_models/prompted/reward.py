"""A reward that needs no training: a vision-language model says how much a person would like a picture, and the
person's ratings correct it.

The answer to a score question is its expected level, from one forward pass (as Wu et al. 2023, Q-Align, read levels);
the standard deviation of the levels is the uncertainty. Without a card the same question is the population's taste.
Shapes: n subjects, L levels, D features.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from reward_models.base import Person, Scores, UnknownPerson, as_person
from reward_models.cards import LEVELS, card
from reward_models.encoders.base import Encoder
from reward_models.encoders.texts import TextMemory
from reward_models.folder import shown_name
from reward_models.prompted.asking import NOBODY, Asker
from reward_models.prompted.correction import Prior
from reward_models.prompted.decider import Answer, Decider
from reward_models.prompted.known import Known, likings, spreads
from reward_models.prompted.question import LIKING, liking_question, match_question
from reward_models.prompted.reading import PromptedReading, Shown
from reward_models.prompted.teacher import PromptedTeacher
from reward_models.protocols import Imagination, Reading, RewardModel
from reward_models.registry import not_found

TEXT_ERROR = 0.15  # standard deviation, in [0, 1], of a text's liking around its picture's: assumed, not measured


class PromptedReward(RewardModel):
    """``decider``: who answers. ``encoder``: an image-text encoder for fidelity and for how alike texts are; without
    one the model is asked for the fidelity too. Ratings are learned on the model's hidden states where it shows them,
    else on the encoder's features.

    ``share_about``: tell the model demographics and traits too, not only a person's own words. ``orders``: 2 asks with
    the levels in both orders. ``background``: pictures of any kind, beside which a person's own are seen; without them
    liked pictures alone teach nothing. ``size``: longest side in pixels of a picture that is kept for later questions.
    """

    def __init__(
        self,
        decider: Decider,
        encoder: Encoder | None = None,
        share_about: bool = False,
        orders: int = 1,
        background: Callable[[], Sequence[Image.Image]] | None = None,
        prior: Prior | None = None,
        size: int = 448,
    ):
        self.name = f"prompted: {shown_name(decider.name)}"
        self.asker = Asker(decider, encoder, orders, background, size)
        self.parts = LEVELS["words"] if share_about else ("words",)
        self.batch_size = max(decider.batch_size, encoder.batch_size if encoder else 1)
        self.meter = decider.meter
        self.known: dict[str, Known] = {}
        self.prior = prior or Prior()
        self.imagination = PromptedImagination()
        self.teacher = PromptedTeacher(self.asker, self.known, self.prior, self.parts)
        self._texts = TextMemory(encoder) if encoder and encoder.has_text else None

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> PromptedReading:
        """Features and fidelity of n pictures. A picture that does not open is NaN."""
        return self.asker.read(images, prompts)

    def judge(self, reading: Reading, person: Person | str) -> Scores:
        """Scores for ``person``. Raises UnknownPerson."""
        return self.judge_many(reading, [person])[0]

    def judge_many(self, reading: Reading, people: Sequence[Person | str]) -> list[Scores]:
        """Scores for each person; all that is not known yet is asked together. Raises UnknownPerson."""
        assert isinstance(reading, PromptedReading)
        known = [self.person(as_person(p)) for p in people]
        self.asker.ask(reading.shown, list(dict.fromkeys(liking_question(k.card) for k in known)))
        return [self._scores(reading.shown, k) for k in known]

    def person(self, person: Person) -> Known:
        """What is known of a person. Raises UnknownPerson for an id that nobody taught."""
        if person.id is None:
            return Known(card(person.demographics, person.profile, self.parts))
        if person.id not in self.known:
            raise UnknownPerson(not_found("person", person.id, self.known))
        return self.known[person.id]

    def people(self) -> list[str]:
        """Those who were taught."""
        return list(self.known)

    def fingerprint(self) -> str:
        """Of the model, the encoder and everything else that changes scores."""
        told = [self.asker.fingerprint(), self.parts, self.prior.weights.round(6).tolist()]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    def text_features(self, texts: Sequence[str]) -> np.ndarray | None:
        """Unit vectors (n, D) by the encoder; None without one."""
        return self._texts.features(texts).float().cpu().numpy() if self._texts else None

    def _scores(self, shown: Sequence[Shown], known: Known) -> Scores:
        question = liking_question(known.card)
        # of pictures that are not here any more only the answer for nobody in particular is known
        found = [s.answers.get(question, s.answers.get(NOBODY, Answer())) for s in shown]
        p = np.array([a.probabilities or [math.nan] * len(LIKING) for a in found]).reshape(len(shown), len(LIKING))
        personal, spread = likings(p, known.temperature), spreads(p, known.temperature)
        rated = np.array([not s.is_text for s in shown], dtype=bool)
        if known.correction is not None and rated.any():
            x = np.stack([s.x for s, real in zip(shown, rated, strict=True) if real])
            personal[rated] = np.clip(personal[rated] + known.correction(x), 0, 1)
            left = spread[rated] * math.sqrt(1 - known.share)
            spread[rated] = np.hypot(left, known.correction.uncertainty(x))
        neutral = np.array([s.answers[NOBODY].liking if NOBODY in s.answers else math.nan for s in shown])
        neutral[~rated] = math.nan
        spread[~rated] = np.hypot(spread[~rated], TEXT_ERROR)
        reasons = {i: a.reason for i, (a, s) in enumerate(zip(found, shown, strict=True)) if a.reason and s.subject}
        return Scores(personal, neutral, np.array([_fidelity(s) for s in shown]), spread, reasons=reasons)


class PromptedImagination(Imagination):
    """The same question about a text."""

    def read(self, texts: Sequence[str]) -> PromptedReading:
        """The texts; they are asked about when they are judged."""
        return PromptedReading([Shown(text, text) for text in texts])


def _fidelity(shown: Shown) -> float:
    if not math.isnan(shown.fidelity) or not shown.is_picture:
        return shown.fidelity
    answer = shown.answers.get(match_question(shown.prompt))
    return answer.liking if answer else math.nan
