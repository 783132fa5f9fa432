"""How CALM learns people: it keeps pictures they rated as examples, and settles how far it heeds its answers behind
them. Shapes: n ratings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from reward_models.base import RewardError, UnknownPerson
from reward_models.calm.people import NOISE, Known, Shot, draws, held_out, packed, settled, unpacked
from reward_models.calm.reading import CalmReading, Read
from reward_models.calm.scoring import Scoring
from reward_models.protocols import Evidence, Lesson, Seen, Teacher
from reward_models.registry import not_found


class CalmTeacher(Teacher):
    """Ratings alone teach it; choices, demographics and words do not. ``sets``: how many draws of examples there are.
    ``fingerprint``: of all that changes tokens and scores.
    """

    noise = NOISE

    def __init__(
        self, scoring: Scoring, known: dict[str, Known], fingerprint: Callable[[], str], sets: int = 3, seed: int = 0
    ):
        self.scoring, self.known, self.fingerprint, self.sets, self.seed = scoring, known, fingerprint, sets, seed

    @property
    def key(self) -> str:
        """The fingerprint of what pictures are kept by."""
        return f"calm {self.fingerprint()}"

    def keep(self, images: Sequence[Image.Image]) -> list[bytes]:
        """Tokens and everybody's score. Raises RewardError for a picture that does not open."""
        found = self.scoring.read(images)
        if lost := [i for i, each in enumerate(found) if each.tokens is None]:
            raise RewardError(f"picture {lost[0]} does not open")
        return [each.bytes() for each in found]

    def learn(self, person: str, evidence: Evidence) -> Lesson:
        """Draws sets of the rated pictures, from five on, and predicts some of the ratings from others."""
        y = np.array(evidence.likings, dtype=np.float64)
        rows = [i for i in range(len(y)) if np.isfinite(y[i])]
        read = self.reading([evidence.pictures[i] for i in rows]).pictures
        shots = [Shot(each.tokens, float(y[i])) for each, i in zip(read, rows, strict=True) if each.tokens is not None]
        drawn = [[shots[i] for i in some] for some in draws(len(shots), self.sets, self.seed)]
        share, level = self._settled(shots, read) if drawn else (0.0, 0.0)
        self.known[person] = known = Known(drawn, share, level, len(shots))
        return Lesson(packed(known), known.open)

    def recall(self, person: str, lesson: bytes, demographics: Mapping[str, str]) -> None:  # noqa: ARG002
        """See the protocol."""
        self.known[person] = unpacked(lesson, self.scoring.shape)

    def open_share(self, person: str) -> float:
        """See :attr:`~reward_models.calm.people.Known.open`."""
        if person not in self.known:
            raise UnknownPerson(not_found("person", person, self.known))
        return self.known[person].open

    def reading(self, seen: Sequence[Seen]) -> CalmReading:
        """See the protocol."""
        return CalmReading([Read.of(each, self.scoring.shape) for each in seen])

    def _settled(self, shots: Sequence[Shot], read: Sequence[Read]) -> tuple[float, float]:
        general, shown, rated = list[float](), list[float](), list[float]()
        for examples, predicted in held_out(len(shots), self.sets, self.seed):
            tokens = [shots[i].tokens for i in predicted]
            shown += self.scoring.behind([shots[i] for i in examples], tokens)
            general += [read[i].liking for i in predicted]
            rated += [shots[i].liking for i in predicted]
        return settled(np.array(general), np.array(shown), np.array(rated))
