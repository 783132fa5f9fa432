"""Who judges: nothing here has steered. Shapes: n pictures, U users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image

import reward_models
from reward_models import Person
from steer.devices import pick_device
from steer.errors import UsageError
from steer.judging.load import load_reward
from steer.resources import miniature_weights
from steer.study.plan import FidelityConfig, JudgeConfig, StudyConfig


class Judge(Protocol):
    """Says how much each user likes pictures."""

    def likings(self, images: Sequence[Image.Image], prompts: Sequence[str], users: Sequence[str]) -> np.ndarray:
        """(U, n) in [0, 1]."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever its likings would."""
        ...

    def called(self, user: str) -> str | None:
        """The id by which it knows a user of the study; None for somebody it does not know."""
        ...


class Simulated:
    """The miniature's people themselves: their taste is a known function of what the second eye reads.

    ``world``: whose people, as in :mod:`steer.miniature.raters`.
    """

    def __init__(self, world: int) -> None:
        from steer.miniature.eye import load_eye
        from steer.miniature.raters import simulated_people

        self.world = world
        self.people, self.eye = simulated_people(world=world), load_eye(miniature_weights("judge"))

    def likings(self, images: Sequence[Image.Image], prompts: Sequence[str], users: Sequence[str]) -> np.ndarray:  # noqa: ARG002
        """Their true satisfaction, (U, n)."""
        read = self.eye.read(images)
        return np.stack([self.people[self.called(u) or u].satisfaction(read) for u in users])

    def fingerprint(self) -> str:
        """Of the eye they look through, and of their world where it is not the first."""
        from reward_models.encoders.identity import weights_hash

        eye = weights_hash(self.eye)
        return eye if self.world == 1 else f"{eye} world {self.world}"

    def called(self, user: str) -> str | None:
        """Their id without the name of a data set before it."""
        own = user.rpartition("-")[2]
        return own if own in self.people else None


class RewardJudge:
    """A personal reward, of other seeds and another encoder than the one that steers."""

    def __init__(self, model: str):
        self.reward = load_reward(model)

    def likings(self, images: Sequence[Image.Image], prompts: Sequence[str], users: Sequence[str]) -> np.ndarray:
        """The reward's predictions, (U, n)."""
        scores = self.reward.judge_many(
            self.reward.read(images, prompts), [Person(id=self.called(u) or u) for u in users]
        )
        return np.stack([s.personal for s in scores])

    def fingerprint(self) -> str:
        """The reward's."""
        return self.reward.fingerprint()

    def called(self, user: str) -> str | None:
        """The id itself; of somebody of a joint training, ``NAME-id``, the bare id where this reward was trained on
        that data set alone.
        """
        known, names = set(self.reward.people()), list(self.reward.datasets)
        bare = user.removeprefix(f"{names[0]}-") if len(names) == 1 else user
        return next((u for u in (user, bare) if u in known), None)


class EyeFidelity:
    """The share of the attributes that a prompt names which the second eye reads in the picture."""

    def __init__(self) -> None:
        from steer.miniature.eye import load_eye

        self.eye = load_eye(miniature_weights("judge"))

    def agree(self, images: Sequence[Image.Image], prompt: str) -> np.ndarray:
        """(n,) in [0, 1]; NaN for a prompt that names nothing the eye knows."""
        from steer.miniature.words import read_prompt
        from steer.miniature.world import ATTRIBUTES

        said, read = read_prompt(prompt), self.eye.read(images)
        right = [read[a].argmax(1) == ATTRIBUTES[a].index(value) for a, value in said.items()]
        return np.mean(right, axis=0) if right else np.full(len(images), np.nan)

    def fingerprint(self) -> str:
        """Of the eye."""
        from reward_models.encoders.identity import weights_hash

        return weights_hash(self.eye)


class EncoderFidelity:
    """How well picture and prompt agree for an image-text encoder, as its own sigmoid says."""

    def __init__(self, model: str):
        from reward_models.encoders.load import load_encoder

        try:
            self.encoder = load_encoder(model, device=pick_device("auto"))
        except reward_models.RewardError as error:
            raise UsageError(f"fidelity: {error}") from error

    def agree(self, images: Sequence[Image.Image], prompt: str) -> np.ndarray:
        """(n,) in [0, 1]."""
        pictures = self.encoder.images(images)
        texts = self.encoder.texts([prompt]).expand(len(pictures), -1)
        return np.asarray(self.encoder.agreement(pictures, texts).cpu())

    def fingerprint(self) -> str:
        """Of the encoder."""
        return self.encoder.fingerprint()


class Jury:
    """All judges of a study."""

    def __init__(self, config: StudyConfig):
        self.judges: dict[str, Any] = {name: _judge(c) for name, c in config.judges.items()}
        for name, judge in self.judges.items():
            if unknown := [u for u in config.everyone if judge.called(u) is None]:
                raise UsageError(f"the judge '{name}' does not know {len(unknown)} users, the first is '{unknown[0]}'")
        self.fidelity = _fidelity(config.fidelity)

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """What tells pictures apart (n, D), for diversity: the first reward judge's encoder, or what the eye reads."""
        for judge in self.judges.values():
            if isinstance(judge, RewardJudge):
                return judge.reward.read(images, [""] * len(images)).features()
        read = next(iter(self.judges.values())).eye.read(images)
        return np.concatenate(list(read.values()), axis=1)

    def fingerprint(self) -> dict[str, str]:
        """Of all judges; what was judged by others is judged again."""
        return {
            **{name: judge.fingerprint() for name, judge in self.judges.items()},
            "fidelity": self.fidelity.fingerprint(),
            "features": "1",
        }


def _judge(config: JudgeConfig) -> Any:
    return Simulated(config.world) if config.kind == "simulated" else RewardJudge(config.model)


def _fidelity(config: FidelityConfig) -> Any:
    return EyeFidelity() if config.kind == "eye" else EncoderFidelity(config.model)
