"""What a search maximises."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from steer.config.section import Section
from steer.config.values import Free


class ScorerConfig(Section):
    """A further scorer of pictures, and how its raw scores are mapped to [0, 1]; see ``reward_models.scorers.scales``.

    Give either ``linear`` or ``gaussian``.
    """

    kind: str = "classifier"
    """Kind of scorer, by name."""
    settings: Free = Field(default_factory=dict)
    """Settings that are passed to the scorer unchanged."""
    linear: tuple[float, float] | None = None
    """[low, high]: raw scores that become 0 and 1."""
    gaussian: tuple[float, float] | None = None
    """[mean, standard deviation] of the raw scores of reference pictures."""

    @model_validator(mode="after")
    def _one_scale(self) -> ScorerConfig:
        if (self.linear is None) == (self.gaussian is None):
            raise ValueError("give either linear: [low, high] or gaussian: [mean, std], so that the scale is known")
        if self.linear is not None and self.linear[0] == self.linear[1]:
            raise ValueError(f"linear: {list(self.linear)} is no scale, as both ends are one")
        if self.gaussian is not None and self.gaussian[1] <= 0:
            raise ValueError(f"gaussian: {list(self.gaussian)} is no scale; a standard deviation is above 0")
        return self


class ObjectiveConfig(Section):
    """mix - caution * uncertainty - weight * max(0, floor - fidelity), floor = share of the original's fidelity.

    The mix is the mean of personal, population, fidelity and ``scorers`` by ``weights``; a scorer without a weight
    is only recorded.
    """

    weights: dict[str, float] = Field(default_factory=lambda: {"personal": 1.0})
    """Weight of each part of the objective: personal, population, fidelity, or the name of a scorer."""
    scorers: dict[str, ScorerConfig] = Field(default_factory=dict)
    """Further scorers of pictures, by name; one without a weight is only recorded."""
    together: Literal["mean", "worst"] = "mean"
    """With several users: their mean liking, or the liking of the one who likes it least (worst)."""
    caution: float = Field(0.0, ge=0, le=10)
    """Standard deviations to subtract from the personal score where the reward is unsure."""
    fidelity_floor: float | None = Field(None, ge=0, le=1)
    """Share of the original's fidelity below which a picture is penalised; null means what `strength` says."""
    fidelity_weight: float = Field(1.0, ge=0)
    """Weight of that penalty."""

    @model_validator(mode="after")
    def _weights_have_components(self) -> ObjectiveConfig:
        known = ["personal", "population", "fidelity", *self.scorers]
        for name in self.weights:
            if name not in known:
                raise ValueError(f"weights: there is no part '{name}'; known: {', '.join(known)}")
        if not any(self.weights.values()):
            raise ValueError("weights: all are 0; give at least one a value")
        return self
