"""What a training reads from YAML: data sets, encoder, model, training, and where results go."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reward_models.base import RewardError
from reward_models.training import TrainingSettings


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DataSetting(_Strict):
    """One data set; ``share`` is its part of the training batches against the others'."""

    source: str
    kind: str | None = None
    revision: str | None = None
    share: float = Field(1.0, gt=0)


class EncoderSetting(_Strict):
    """The frozen encoder, by folder or hub name."""

    name: str = "google/siglip2-so400m-patch16-384"
    kind: Literal["siglip", "vision", "table"] = "siglip"
    revision: str | None = None
    batch_size: int = Field(16, ge=1)


class ModelSetting(_Strict):
    """The predictor's size."""

    width: int = Field(128, ge=8)
    layers: int = Field(2, ge=1, le=12)
    heads: int = Field(4, ge=1)


class LoopSetting(_Strict):
    """See :class:`reward_models.training.TrainingSettings`."""

    epochs: int = Field(20, ge=1)
    people_per_batch: int = Field(12, ge=1)
    ratings_each: int = Field(16, ge=2)
    lr: float = Field(1.5e-3, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    id_dropout: float = Field(0.2, ge=0, lt=1)
    demographics_dropout: float = Field(0.5, ge=0, le=1)
    metadata_dropout: float = Field(0.5, ge=0, le=1)
    rank_weight: float = Field(0.3, ge=0)
    patience: int | None = Field(None, ge=1)

    def settings(self) -> TrainingSettings:
        """As the trainer takes them."""
        return TrainingSettings(**self.model_dump())


class RewardTraining(_Strict):
    """A whole training."""

    data: list[DataSetting] = Field(min_length=1)
    encoder: EncoderSetting = EncoderSetting()
    model: ModelSetting = ModelSetting()
    training: LoopSetting = LoopSetting()
    seeds: list[int] = Field([0, 1, 2], min_length=1)
    precision: Literal["no", "bf16", "fp16"] = "no"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    cache: str = "outputs/features"
    out: str


def load_training(path: Path) -> RewardTraining:
    """The settings in a YAML file. Raises RewardError with the key that is wrong."""
    try:
        values = yaml.safe_load(path.read_text())
        return RewardTraining.model_validate(values)
    except FileNotFoundError as error:
        raise RewardError(f"there is no file '{path}'") from error
    except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
        raise RewardError(f"'{path}' does not read as YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RewardError(f"'{path}': {where}: {first['msg']}") from error
