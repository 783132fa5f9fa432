"""What a search maximises."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from steer.config.section import Section


class ScorerConfig(Section):
    """A further judge of pictures and how its raw scores come to [0, 1]; see ``reward_models.scorers.scales``.

    ``linear: [low, high]`` or ``gaussian: [mean, std]`` of reference pictures; ``settings`` go to the scorer as they
    are.
    """

    kind: str = "classifier"
    settings: dict[str, Any] = Field(default_factory=dict)
    linear: tuple[float, float] | None = None
    gaussian: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _one_scale(self) -> ScorerConfig:
        if (self.linear is None) == (self.gaussian is None):
            raise ValueError("give either linear: [low, high] or gaussian: [mean, std], so that its scale is known")
        return self


class ObjectiveConfig(Section):
    """mix - caution * uncertainty - weight * max(0, floor - fidelity), floor = share of the original's fidelity.

    The mix is the mean of personal, population, fidelity and ``scorers`` by ``weights``; a scorer without a weight
    is only recorded.
    """

    weights: dict[str, float] = Field(default_factory=lambda: {"personal": 1.0})
    scorers: dict[str, ScorerConfig] = Field(default_factory=dict)
    together: Literal["mean", "worst"] = "mean"  # of several users: their mean liking, or the least
    caution: float = Field(0.0, ge=0, le=10)  # standard deviations of the personal reward below which it is taken
    fidelity_floor: float | None = Field(None, ge=0, le=1)  # None: by search.strength
    fidelity_weight: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _weights_have_components(self) -> ObjectiveConfig:
        known = ["personal", "population", "fidelity", *self.scorers]
        for name in self.weights:
            if name not in known:
                raise ValueError(f"weights: there is no component '{name}'; known: {', '.join(known)}")
        if not any(self.weights.values()):
            raise ValueError("weights: all are 0; nothing is steered for")
        return self
