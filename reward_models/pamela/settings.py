"""What a training reads from YAML: data sets, encoder, model, training, and where results go."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from reward_models.pamela.training import TrainingSettings
from reward_models.ratings.settings import DataSetting, EncoderSetting, Strict
from reward_models.settings_file import read_settings

Input = Literal["picture", "prompt", "person", "demographics", "metadata"]


class ModelSetting(Strict):
    """The predictor's size, and what an ablation leaves out of it; see
    :class:`reward_models.pamela.model.PamelaConfig`.
    """

    width: int = Field(128, ge=8)
    layers: int = Field(2, ge=1, le=12)
    heads: int = Field(4, ge=1)
    product: bool = True
    whiten: int = Field(0, ge=0)
    demographics_by: Literal["table", "text"] = "table"
    inputs: list[Input] = Field([*get_args(Input)], min_length=1)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelSetting:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class LoopSetting(Strict):
    """See :class:`reward_models.pamela.training.TrainingSettings`.

    ``hold_out``: share of the pictures that a member does not see, other ones for each. On them its best epoch, and how
    far people may lie from everybody, are chosen.
    """

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
    feature_noise: float = Field(0.0, ge=0)
    hold_out: float = Field(0.1, ge=0, le=0.5)

    def settings(self) -> TrainingSettings:
        """As the trainer takes them."""
        return TrainingSettings(**self.model_dump(exclude={"hold_out"}))


class RewardTraining(Strict):
    """A whole training."""

    data: list[DataSetting] = Field(min_length=1)
    encoder: EncoderSetting = EncoderSetting()
    model: ModelSetting = ModelSetting()
    training: LoopSetting = LoopSetting()
    seeds: list[int] = Field([0, 1, 2], min_length=1)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: int | None = Field(None, ge=1)  # of the CPU; torch's own choice where it is not told
    cache: str = "outputs/features"
    out: str
    ablations: dict[str, dict[str, Any]] = Field(default_factory=dict)  # name to what differs from the settings above

    def ablation(self, name: str) -> RewardTraining:
        """The settings of one ablation; its results go to a folder of its own below ``out``."""
        values = _merged(self.model_dump(exclude={"ablations"}), self.ablations[name])
        return RewardTraining.model_validate(values | {"out": str(Path(self.out) / "ablations" / _folder(name))})

    @model_validator(mode="after")
    def _ablations_are_settings(self) -> RewardTraining:
        for name in self.ablations:
            try:
                self.ablation(name)
            except ValidationError as error:
                raise ValueError(f"ablation '{name}': {_first(error)}") from error
        return self


def _merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``values`` with ``changes``, section by section."""
    inner = {
        k: _merged(values[k], v) for k, v in changes.items() if isinstance(v, dict) and isinstance(values.get(k), dict)
    }
    return values | changes | inner


def _folder(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())


def load_training(path: Path) -> RewardTraining:
    """The settings in a YAML file. Raises RewardError with the key that is wrong."""
    return read_settings(path, RewardTraining)


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the file'}: {first['msg']}"
