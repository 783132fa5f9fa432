"""What making a P-MLLM reward reads from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from reward_models.base import RewardError
from reward_models.profile_mllm.eyes import LAYER
from reward_models.profile_mllm.fusion import Form, FusionConfig, Gate, Place
from reward_models.ratings.settings import DataSetting, Packaged, Strict
from reward_models.settings_file import read_settings


class EyesSetting(Strict):
    """The vision tower; see :class:`~reward_models.profile_mllm.eyes.Eyes`."""

    name: Packaged = "openai/clip-vit-large-patch14-336"
    revision: str | None = None
    layer: int = LAYER
    keep: float = Field(0.25, ge=0)


class FusionSetting(Strict):
    """See :class:`~reward_models.profile_mllm.fusion.FusionConfig`."""

    place: Place = "lowest"
    blocks: int = Field(3, ge=1)
    heads: int = Field(8, ge=1)
    inner: int | None = Field(None, ge=1)
    gate: Gate = "input"
    form: Form = "attention"
    hidden: int | None = Field(None, ge=1)

    def config(self, patches: int) -> FusionConfig:
        """As the modules take it."""
        return FusionConfig(**self.model_dump(), patches=patches)


class StageSetting(Strict):
    """One stage of training: ``steps`` of ``accumulate`` times ``batch`` examples, drawn by these shares.

    ``describe``: a picture's description. ``person``: a person's rating, with a card. ``everybody``: the mean rating
    of a picture, without one.
    """

    steps: int = Field(ge=0)
    lr: float = Field(gt=0)
    batch: int = Field(8, ge=1)
    accumulate: int = Field(1, ge=1)
    describe: float = Field(0.0, ge=0)
    person: float = Field(0.0, ge=0)
    everybody: float = Field(0.0, ge=0)

    @property
    def shares(self) -> dict[str, float]:
        """By task; their sum is 1. Raises RewardError where all are 0."""
        shares = {"describe": self.describe, "person": self.person, "everybody": self.everybody}
        if not (total := sum(shares.values())):
            raise RewardError("a stage of training needs a share of one task: describe, person or everybody")
        return {task: share / total for task, share in shares.items()}


DESCRIBING = StageSetting(steps=2000, lr=1e-4, describe=1)
RATING = StageSetting(steps=8000, lr=1e-4, person=0.7, everybody=0.2, describe=0.1)


class ProfileMllmSettings(Strict):
    """A YAML with ``family: profile-mllm``."""

    family: Literal["profile-mllm"]
    data: list[DataSetting] = Field(min_length=1)
    llm: Packaged
    revision: str | None = None
    eyes: EyesSetting = EyesSetting()
    fusion: FusionSetting = FusionSetting()
    descriptions: str | None = None  # JSON lines as `steer data describe` writes them, below the data set's folder
    stages: list[StageSetting] = Field([DESCRIBING, RATING], min_length=1)
    told: float = Field(0.7, gt=0, le=1)  # probability that a card of the training says each of its parts
    weight_decay: float = Field(0.01, ge=0)
    checkpointing: bool = False  # of activations: gradients cross all blocks of the language model
    save_every: int = Field(200, ge=1)  # steps
    calibration: int = Field(2000, ge=0)  # ratings that training people gave to pictures it never saw
    watch: int = Field(300, ge=0)  # ratings of unseen people and pictures that are watched while it trains
    size: int = Field(448, ge=32, le=2048)
    batch_size: int = Field(8, ge=1)  # of prompts, when it judges
    fidelity: Packaged | None = None  # an image-text encoder
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    out: str


def load_settings(path: Path) -> ProfileMllmSettings:
    """Raises RewardError with the key that is wrong."""
    return read_settings(path, ProfileMllmSettings)
