"""Every scene that a text around a prompt can lead to, painted, encoded and read once, and kept.

The painter's details are one of ``DETAILS`` instead of any, so that a search costs its own time alone: thousands of
searches run where a dozen would. Pictures, features, scores and truths are those of the real parts. Shapes: S scenes
times details, D features.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from reward_models import Person, RewardModel, Scores
from reward_models.pamela.reading import PamelaReading
from reward_models.pamela.reward import PamelaReward
from reward_models.protocols import Imagination, Reading
from steer.lexicon import Lexicon
from steer.miniature.eye import load_eye
from steer.miniature.painter import paint
from steer.miniature.person import SimulatedPerson
from steer.miniature.words import nearest_subject, read_prompt
from steer.miniature.world import ATTRIBUTES, Scene, complete_scene
from steer.renderers.painter import PainterRenderer
from steer.resources import miniature_weights

DETAILS = 2
Key = tuple[int, ...]


class Scenes:
    """Of one prompt: ``features`` (S, D) and what the second eye reads."""

    def __init__(self, prompt: str, folder: Path, reward: PamelaReward):
        said = read_prompt(prompt)
        self.prompt, self.reward = prompt, reward
        self.axes = [(said[n],) if n in said else values for n, values in ATTRIBUTES.items()]
        path = folder / f"{prompt.replace(' ', '_')}.npz"
        if not path.exists():
            np.savez(path, **self._painted())
        with np.load(path) as saved:
            self.features = saved["features"]
            self.read = {k.removeprefix("eye_"): saved[k] for k in saved.files if k.startswith("eye_")}

    def row(self, scene: Scene) -> int:
        """Where a scene is; of one that the prompt excludes, the nearest that it allows."""
        values = [
            axis.index(v) if v in axis else 0 for axis, v in zip(self.axes, scene.attributes().values(), strict=True)
        ]
        return int(np.ravel_multi_index(values, [len(a) for a in self.axes])) * DETAILS + scene.seed % DETAILS

    def truth(self, person: SimulatedPerson) -> np.ndarray:
        """What a person feels of each (S,)."""
        return person.satisfaction(self.read)

    def _painted(self) -> dict[str, np.ndarray]:
        rows = [(*r, d) for r in itertools.product(*self.axes) for d in range(DETAILS)]
        eye, features, read = load_eye(miniature_weights("judge")), [], []
        for start in range(0, len(rows), 64):
            pictures = [paint(Scene(*r[:-1], seed=int(r[-1]))) for r in rows[start : start + 64]]
            features.append(self.reward.encoder.images(pictures).numpy().astype(np.float32))
            read.append(eye.read(pictures))
        found = {f"eye_{k}": np.concatenate([r[k] for r in read]).astype(np.float32) for k in read[0]}
        return {"features": np.concatenate(features), **found}


class KeptPainter(PainterRenderer):
    """The painter of one prompt's scenes; a picture is empty, its scene's row is in ``info``."""

    def __init__(self, scenes: Scenes):
        super().__init__()
        self.scenes = scenes

    def _one(self, prompt: str, seed: int) -> Image.Image:
        said = read_prompt(prompt)
        said.setdefault("subject", nearest_subject(prompt))
        picture = Image.new("RGB", (1, 1))
        picture.info["row"] = self.scenes.row(complete_scene(said, random.Random(seed)))
        return picture


class KeptReading(Reading):
    """Rows of the scenes, or texts that are imagined."""

    def __init__(self, keys: Sequence[int | str]):
        self.keys = list(keys)

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, index: Sequence[int]) -> KeptReading:
        return KeptReading([self.keys[i] for i in index])

    def features(self) -> np.ndarray:
        raise NotImplementedError


class KeptReward(RewardModel, Imagination):
    """``reward`` on one prompt's scenes, which it judges for a person once, and once each text of the lexicon."""

    def __init__(self, reward: PamelaReward, scenes: Scenes):
        self.reward, self.scenes, self.name = reward, scenes, reward.name
        self.teacher, self.imagination = reward.teacher, self
        lexicon = Lexicon.load("miniature")
        groups = lexicon.open_groups(scenes.prompt)
        said = itertools.product(*[("", *g.phrases) for g in groups])
        changes = [{g.name: p for g, p in zip(groups, each, strict=True) if p} for each in said]
        self.texts = [lexicon.compose(scenes.prompt, c) for c in changes]
        self._known: dict[str | None, dict[int | str, tuple[float, float, float]]] = {}

    def read(self, images: Sequence[Image.Image] | Sequence[str], prompts: Sequence[str] = ()) -> KeptReading:
        return KeptReading([i if isinstance(i, str) else i.info["row"] for i in images])

    def judge(self, reading: Reading, person: Person | str) -> Scores:
        assert isinstance(reading, KeptReading)
        who = person if isinstance(person, str) else person.id
        known = self._known.setdefault(who, {})
        if missing := [k for k in dict.fromkeys(reading.keys) if k not in known]:
            pictures = any(isinstance(k, int) for k in missing)
            asked: list[int | str] = (
                list(range(len(self.scenes.features)))
                if pictures
                else list(dict.fromkeys([*self._unread(known), *missing]))
            )
            found = self.reward.judge(self._real(asked), Person(who))
            known |= dict(zip(asked, zip(found.personal, found.fidelity, found.uncertainty, strict=True), strict=True))
        rows = np.array([known[k] for k in reading.keys])
        return Scores(rows[:, 0], rows[:, 0], rows[:, 1], rows[:, 2])

    def forget(self, person: str) -> None:
        self._known.pop(person, None)

    def text_features(self, texts: Sequence[str]) -> np.ndarray | None:
        return self.reward.text_features(texts)

    def people(self) -> list[str]:
        return self.reward.people()

    def fingerprint(self) -> str:
        return self.reward.fingerprint()

    def _unread(self, known: dict[int | str, tuple[float, float, float]]) -> list[str]:
        return self.texts if self.texts[0] not in known else []

    def _real(self, keys: list[int | str]) -> Reading:
        if isinstance(keys[0], str):
            assert self.reward.imagination is not None
            return self.reward.imagination.read([str(k) for k in keys])
        pictures = torch.from_numpy(self.scenes.features[[int(k) for k in keys]])
        texts = self.reward.texts.features([self.scenes.prompt]).cpu().expand(len(keys), -1)
        fidelity = self.reward.encoder.agreement(pictures, texts).numpy()
        return PamelaReading(pictures, texts, np.ones(len(keys), dtype=bool), fidelity)
