"""The reward: everybody's score before a person has rated five pictures, then the scores the model writes behind
pictures that they rated. Shapes: n pictures, S sets of examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reward_models.base import Person, Scores, UnknownPerson, as_person
from reward_models.calm import saving
from reward_models.calm.model import CalmModel
from reward_models.calm.people import Known
from reward_models.calm.reading import CalmReading
from reward_models.calm.scoring import Scoring
from reward_models.calm.teacher import CalmTeacher
from reward_models.calm.turns import Turn
from reward_models.encoders.base import Encoder
from reward_models.encoders.identity import digest_of
from reward_models.encoders.load import load_encoder
from reward_models.encoders.texts import TextMemory
from reward_models.folder import (
    check_text,
    number,
    read_folder,
    reading,
    relative_name,
    resolved_name,
    shown_name,
    write_folder,
)
from reward_models.protocols import Reading, RewardModel
from reward_models.registry import not_found

FAMILY = "calm"


class CalmReward(RewardModel):
    """``encoder``: an image-text encoder for fidelity and for how alike texts are. ``sets``: draws of five examples,
    over which a person's score is the mean. ``seed``: of the draws.
    """

    def __init__(
        self,
        model: CalmModel,
        encoder: Encoder | None = None,
        batch_size: int = 1,
        sets: int = 3,
        seed: int = 0,
    ):
        self.name = f"CALM: {shown_name(model.holder.name)}"
        self.model, self.sets, self.seed, self.batch_size = model, sets, seed, batch_size
        self.scoring = Scoring(model, encoder, batch_size)
        self.known: dict[str, Known] = {}
        self.teacher = CalmTeacher(self.scoring, self.known, self.fingerprint, sets, seed)
        self._texts = TextMemory(encoder) if encoder and encoder.has_text else None

    def read(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> CalmReading:
        """Tokens, everybody's score and fidelity. A picture that does not open is NaN."""
        return CalmReading(self.scoring.read(images, prompts))

    def judge(self, reading: Reading, person: Person | str) -> Scores:
        """Scores for ``person``. Raises UnknownPerson."""
        assert isinstance(reading, CalmReading)
        known, general = self._known(as_person(person)), reading.column("liking")
        open_ = [i for i, each in enumerate(reading.pictures) if each.tokens is not None]
        tokens = [t for each in reading.pictures if (t := each.tokens) is not None]
        shown = np.full((len(reading), len(known.sets)), np.nan)
        for k, examples in enumerate(known.sets):
            shown[open_, k] = self.scoring.behind(examples, tokens)
        personal, drawn = known.likings(general, shown)
        spread = np.hypot(drawn, (1 - known.share) * reading.column("spread"))
        return Scores(personal, general, reading.column("fidelity"), spread)

    def people(self) -> list[str]:
        """Those who were taught."""
        return list(self.known)

    def fingerprint(self) -> str:
        """Of the model, the encoder and the draws."""
        encoder = self.scoring.encoder
        return digest_of(self._learned, encoder.fingerprint() if encoder else "", self.sets, self.seed)

    def text_features(self, texts: Sequence[str]) -> np.ndarray | None:
        """Unit vectors (n, D) by the encoder; None without one."""
        return self._texts.features(texts).float().cpu().numpy() if self._texts else None

    def write(self, turn: Turn, most_tokens: int = 120) -> str:
        """What the model answers to a turn, greedily."""
        return self.scoring.write(turn, most_tokens)

    def save(self, folder: Path, about: Mapping[str, Any]) -> None:
        """Write what was learned; tower, language model and encoder are kept by name."""
        encoder = self.scoring.encoder
        config = {
            "family": FAMILY,
            **saving.described(self.model, folder),
            "fidelity": relative_name(encoder.name, folder) if encoder else None,
            "batch_size": self.batch_size,
            "sets": self.sets,
            "seed": self.seed,
            "about": dict(about),
        }
        write_folder(folder, config, saving.weights_of(self.model))

    @classmethod
    def from_folder(cls, folder: Path, device: str = "cpu", sets: int | None = None) -> CalmReward:
        """The reward that :meth:`save` wrote. Raises RewardError where a part does not load or is another one."""
        config, weights = read_folder(folder)
        with reading(folder):
            model = saving.opened(folder, config, weights, device)
            numbers = {key: int(number(config, key)) for key in ("batch_size", "sets", "seed")}
            named = resolved_name(check_text(config, "fidelity"), folder) if config["fidelity"] else None
        encoder = load_encoder(named, device=device) if named else None
        return cls(model, encoder, max(1, numbers["batch_size"]), max(1, sets or numbers["sets"]), numbers["seed"])

    @cached_property
    def _learned(self) -> str:
        return saving.fingerprint(self.model)

    def _known(self, person: Person) -> Known:
        if person.id is None:
            return Known()
        if person.id not in self.known:
            raise UnknownPerson(not_found("person", person.id, self.known))
        return self.known[person.id]
