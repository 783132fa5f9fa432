"""How the prompted reward learns people: their card at once, and from their ratings what to add to the answers.

What is kept of a picture is its features, the answer for nobody in particular and what the decider's memory keeps, in
half precision. Shapes: n pictures, D features, L levels, M numbers of the memory.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load, save

from reward_models.base import RewardError, UnknownPerson
from reward_models.cards import card
from reward_models.prompted.asking import NOBODY, Asker
from reward_models.prompted.correction import SIGMAS, Correction, Prior
from reward_models.prompted.decider import Answer
from reward_models.prompted.known import Known, likings
from reward_models.prompted.question import LIKING, liking_question
from reward_models.prompted.reading import PromptedReading, Shown
from reward_models.protocols import Evidence, Lesson, Questions, Reading, Seen, Teacher
from reward_models.questions import gains, open_variance, pair_gains
from reward_models.registry import not_found
from reward_models.taste.scale import Scale

APART = 0.28  # between a picture that was chosen and one that was passed over, of [0, 1]; as Linear-Hidden has it
MOST_ASKED = 64  # rated pictures that are shown to the model again with a person's card


class PromptedTeacher(Teacher):
    """Any demographics are understood, as words on the card."""

    any_field = True
    noise = SIGMAS[1]

    def __init__(self, asker: Asker, known: dict[str, Known], prior: Prior, parts: Collection[str]):
        self.asker, self.known, self.prior, self.parts = asker, known, prior, parts

    @property
    def key(self) -> str:
        """The fingerprint of what pictures are kept by."""
        remembered = f" {self._memory}" if self._memory else ""
        return f"prompted {self.asker.fingerprint()}{remembered}"

    @property
    def _memory(self) -> int:
        memory = self.asker.decider.memory
        return memory.size if memory else 0

    def keep(self, images: Sequence[Image.Image]) -> list[bytes]:
        """Features, the probabilities of the levels, NaN where the model gave no answer, and the decider's memory.
        Raises RewardError for a picture that does not open.
        """
        reading = self.asker.read(images, [""] * len(images))
        if lost := [i for i, s in enumerate(reading.shown) if s.subject is None]:
            raise RewardError(f"picture {lost[0]} does not open")
        self.asker.ask(reading.shown, [NOBODY])
        p = [s.answers[NOBODY].probabilities or (math.nan,) * len(LIKING) for s in reading.shown]
        memory = self.asker.decider.memory
        left = memory.keep(images) if memory and images else np.zeros((len(images), 0))
        each = zip(reading.shown, p, left, strict=True)
        return [np.concatenate([s.x, row, own]).astype(np.float16).tobytes() for s, row, own in each]

    def learn(self, person: str, evidence: Evidence) -> Lesson:
        """The person's card, and a ridge on the difference of their ratings from the model's answers: with their card
        where a thumbnail of the picture is at hand or the decider remembers it, else for nobody in particular. Of a
        choice the two pictures are
        taken as ``APART``, around what the model makes of them.
        """
        told = card(evidence.demographics, evidence.profile, self.parts)
        x, p, left = self._kept(evidence.pictures)
        p = self._asked_again(told, evidence, p, left)
        y = np.array(evidence.likings, dtype=np.float64)
        usable = ~np.isnan(p).any(axis=1) & ~np.isnan(x).any(axis=1)
        rated = ~np.isnan(y) & usable
        rows, probabilities, likings_ = [x[rated]], [p[rated]], [y[rated]]
        choices = np.array([c for c in evidence.choices if usable[list(c)].all()], dtype=int).reshape(-1, 2)
        if len(choices):
            answers = likings(p)
            level = float((y - answers)[rated].mean()) if rated.any() else 0.0
            middle = answers[choices].mean(axis=1) + level
            for side, step in ((0, APART / 2), (1, -APART / 2)):
                rows.append(x[choices[:, side]])
                probabilities.append(p[choices[:, side]])
                likings_.append(np.clip(middle + step, 0, 1))
        return self._learned(person, told, np.vstack(rows), np.vstack(probabilities), np.concatenate(likings_))

    def recall(self, person: str, lesson: bytes, demographics: Mapping[str, str]) -> None:  # noqa: ARG002
        """From an earlier lesson. Raises ValueError for bytes that do not fit this reward."""
        self._learned(person, *_opened(lesson, self.asker.width))

    def open_share(self, person: str) -> float:
        """1 - how far answers for the person rely on their ratings."""
        return 1 - self._known(person).share

    def reading(self, seen: Sequence[Seen]) -> PromptedReading:
        """The reading of kept pictures: their features, the answers for nobody in particular, and what a decider that
        remembers them needs for any other question.
        """
        x, p, left = self._kept(seen)
        kept = left if self._memory else [None] * len(seen)
        shown = [Shown(None, s.prompt, row, kept=own) for s, row, own in zip(seen, x, kept, strict=True)]
        for each, row in zip(shown, p, strict=True):
            if not np.isnan(row).any():
                each.answers[NOBODY] = Answer.of(row.tolist())
        return PromptedReading(shown)

    def ask(self, person: str, candidates: Sequence[Seen]) -> Questions:
        """Expected reduction of variance by each answer; see :mod:`reward_models.questions`."""
        x, _, _ = self._kept(candidates)
        slopes = torch.eye(len(candidates), dtype=torch.float64)[None]  # each picture's own liking
        covariance = torch.from_numpy(self._correction(person, x).covariance(x))[None]
        return Questions(
            gains(slopes, covariance, self.noise).numpy(),
            open_variance(slopes, covariance) * len(candidates),
            lambda pairs: pair_gains(slopes, covariance, self.noise, torch.as_tensor(pairs)).numpy(),
        )

    def draws(self, person: str, reading: Reading, n: int = 400, seed: int = 0) -> np.ndarray | None:
        """Likings (``n``, pictures) of people that this person may be; None for texts, which ratings say nothing of."""
        assert isinstance(reading, PromptedReading)
        if any(s.is_text for s in reading.shown):
            return None
        known, x = self._known(person), reading.features()
        p = np.array([s.answers[NOBODY].probabilities for s in reading.shown])
        mean = likings(p, known.temperature) + (known.correction(x) if known.correction else 0.0)
        values, vectors = np.linalg.eigh(self._correction(person, x).covariance(x))
        root = vectors * np.sqrt(np.clip(values, 0, None))
        found: np.ndarray = mean + np.random.default_rng(seed).standard_normal((n, len(x))) @ root.T
        return found

    def _known(self, person: str) -> Known:
        if person not in self.known:
            raise UnknownPerson(not_found("person", person, self.known))
        return self.known[person]

    def _correction(self, person: str, x: np.ndarray) -> Correction:
        nothing = np.zeros((0, self.asker.width)), np.zeros(0)
        return self._known(person).correction or Correction(*nothing, self._scale(x), self.prior)

    def _scale(self, x: np.ndarray) -> Scale:
        return self.asker.scale or (
            Scale.of(x) if len(x) else Scale(np.zeros(self.asker.width), np.ones(self.asker.width))
        )

    def _kept(self, seen: Sequence[Seen]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features (n, D), probabilities (n, L) and memories (n, M). Raises RewardError for bytes of another width."""
        width, wide = self.asker.width, self.asker.width + len(LIKING) + self._memory
        if wrong := [s for s in seen if len(s.kept) != 2 * wide]:
            raise RewardError(f"a kept picture has {len(wrong[0].kept) // 2} numbers, not {wide}; keep it again")
        rows = [np.frombuffer(s.kept, dtype=np.float16).astype(np.float64) for s in seen]
        both = np.stack(rows) if rows else np.zeros((0, wide))
        return both[:, :width], both[:, width : width + len(LIKING)], both[:, width + len(LIKING) :]

    def _asked_again(self, told: str, evidence: Evidence, p: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Probabilities (n, L) with the person's card, where a picture is at hand to ask about, or remembered."""
        question, memory, found = liking_question(told), self.asker.decider.memory, p.copy()
        if not told:
            return found
        if memory:
            rows = list(range(len(p)))[-MOST_ASKED:]
            answers = memory.answers(left[rows], [question]) if rows else []
        else:
            rows = [i for i in evidence.thumbnails if 0 <= i < len(p)][:MOST_ASKED]
            answers = self.asker.decider.answers([evidence.thumbnails[i] for i in rows], [question]) if rows else []
        for i, (answer,) in zip(rows, answers, strict=True):
            if answer.probabilities:
                found[i] = answer.probabilities
        return found

    def _learned(self, person: str, told: str, x: np.ndarray, p: np.ndarray, y: np.ndarray) -> Lesson:
        x, p, y = (v.astype(np.float32).astype(np.float64) for v in (x, p, y))
        self.known[person] = Known.of(told, x, p, y, self._scale(x), self.prior) if len(y) else Known(told)
        rows = {"x": x, "p": p, "y": y}
        tensors = {name: torch.from_numpy(v).float().contiguous() for name, v in rows.items()}
        tensors["card"] = torch.tensor(list(told.encode()), dtype=torch.uint8)
        return Lesson(bytes(save(tensors)), self.open_share(person))


def _opened(lesson: bytes, width: int) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """Card, features, probabilities and ratings of a lesson. Raises ValueError."""
    try:
        tensors = load(lesson)
        told = bytes(tensors["card"].tolist()).decode()
        x, p, y = (tensors[name].double().numpy() for name in ("x", "p", "y"))
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"the lesson does not open: {error}") from error
    fits = y.ndim == 1 and x.shape == (len(y), width) and p.shape == (len(y), len(LIKING))
    if not fits or not all(np.isfinite(v).all() for v in (x, p, y)):
        raise ValueError("the lesson is not one of this reward")
    return told, x, p, y
