"""What making a Linear-Hidden reward reads from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from reward_models import yaml12
from reward_models.base import RewardError
from reward_models.doors import read_text
from reward_models.linear_hidden.people import Estimator
from reward_models.ratings.settings import DataSetting, Packaged, Strict


class ProtocolSetting(Strict):
    """The paper's evaluation: how many people are drawn, whether every layer is tried, and pairs of layers whose
    numbers are multiples of ``pairs`` (the paper's: 5; 0: none). ``written``: also the score that the model writes;
    ``few_shot``: of so many people, after ten rated pictures in the prompt. ``aadb``: AADB's folder, for the map of
    ``reduce``. ``elsewhere``: a data set to learn the general score and how people differ on.
    """

    people: int = Field(200, ge=2)
    layers: bool = False
    pairs: int = Field(0, ge=0)
    written: bool = False
    few_shot: int = Field(0, ge=0)
    aadb: str | None = None
    elsewhere: DataSetting | None = None


class LinearHiddenSettings(Strict):
    """A YAML with ``family: linear-hidden``."""

    family: Literal["linear-hidden"]
    data: list[DataSetting] = Field(min_length=1, max_length=1)
    vlm: Packaged
    revision: str | None = None
    pools: list[str] = Field(["LT_15"], min_length=1)  # "LT_auto" alone: the layer by inner cross-validation
    size: int = Field(448, ge=32, le=2048)
    prompt: str = "base"
    batch_size: int = Field(8, ge=1)
    fidelity: Packaged | None = None  # an image-text encoder, for fidelity and to rank texts before they are drawn
    estimator: Estimator = "auto"
    alphas: Literal["paper", "wide"] = "wide"
    attributes: str | None = None  # a csv: column picture, a column an attribute
    people: Literal["train", "all"] = "all"  # whose ratings are kept; of the test splits none are
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    evaluation: ProtocolSetting = ProtocolSetting()
    out: str

    @property
    def source(self) -> str | None:
        """V, LV or LT where its layer is to be found."""
        return self.pools[0].removesuffix("_auto") if self.pools[0].endswith("_auto") else None

    @field_validator("vlm")
    @classmethod
    def _no_table(cls, vlm: str) -> str:
        if vlm.endswith((".safetensors", ".npy", ".csv")):
            raise ValueError(
                f"'{vlm}' is no vision-language model, and Linear-Hidden reads hidden states of one; features made "
                "elsewhere train a PAMELA reward (encoder: {kind: table, name: FILE}), and benchmarks/real_people.py "
                "judges the ridges of this family on them"
            )
        return vlm

    @field_validator("pools")
    @classmethod
    def _one_to_find(cls, pools: list[str]) -> list[str]:
        if any(p.endswith("_auto") for p in pools) and pools not in (["V_auto"], ["LV_auto"], ["LT_auto"]):
            raise ValueError(f"{', '.join(pools)}: V_auto, LV_auto and LT_auto stand alone")
        return pools


def load_settings(path: Path) -> LinearHiddenSettings:
    """Raises RewardError with the key that is wrong."""
    try:
        return LinearHiddenSettings.model_validate(yaml12.load(read_text(path, yaml12.MOST_CHARACTERS)))
    except ValidationError as error:
        first = error.errors()[0]
        raise RewardError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
