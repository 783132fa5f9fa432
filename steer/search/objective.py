"""One number to climb: the mixed reward, guarded by fidelity to the ORIGINAL prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reward_models.scorers.scales import weighted
from steer.config import ObjectiveConfig
from steer.errors import UsageError
from steer.types import Candidate, State


def fidelity_floor(baseline: Sequence[Candidate], goal: ObjectiveConfig, share: float) -> float:
    """``share``, or the goal's own, of the mean fidelity that the unchanged prompt itself reaches.

    Raises UsageError where the guard is on but the reward's encoder cannot compare pictures with texts.
    """
    scored = [c for c in baseline if c.state is State.SCORED]
    values = [c.fidelity for c in scored if not math.isnan(c.fidelity)]
    if goal.fidelity_weight and scored and not values and not all(math.isnan(c.personal) for c in scored):
        raise UsageError(
            "the reward's encoder reads no texts, so nothing can say whether a picture still shows the prompt; "
            "set objective.fidelity_weight=0 to steer without that guard"
        )
    share = share if goal.fidelity_floor is None else goal.fidelity_floor
    return share * sum(values) / len(values) if values else 0.0


def objective(candidate: Candidate, floor: float, goal: ObjectiveConfig) -> float:
    """Mix - caution * uncertainty - fidelity_weight * max(0, floor - fidelity); the mix is
    ``reward_models.scorers.scales.weighted``. NaN where a part is.

    >>> candidate = Candidate(0, 0, Rewrite("a fox"), 1, personal=0.8, fidelity=0.3)        # doctest: +SKIP
    >>> round(objective(candidate, 0.5, ObjectiveConfig()), 2)                               # doctest: +SKIP
    0.6
    """
    mix = float(weighted(goal.weights, **candidate.components()))
    if goal.caution:
        mix -= goal.caution * candidate.uncertainty
    if not goal.fidelity_weight:
        return mix
    below = floor - candidate.fidelity
    return math.nan if math.isnan(below) else mix - goal.fidelity_weight * max(0.0, below)
