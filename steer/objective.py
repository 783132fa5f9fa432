"""One number to climb: the personal reward, guarded by fidelity to the ORIGINAL prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steer.types import Candidate


def fidelity_floor(baseline: Sequence[Candidate], share: float) -> float:
    """``share`` of the mean fidelity that the unchanged prompt itself reaches."""
    values = [c.fidelity for c in baseline if not math.isnan(c.fidelity)]
    return share * sum(values) / len(values) if values else 0.0


def objective(personal: float, fidelity: float, floor: float, weight: float) -> float:
    """personal - weight * max(0, floor - fidelity); NaN where either is NaN.

    >>> round(objective(0.8, 0.3, floor=0.5, weight=1.0), 2)
    0.6
    """
    return personal - weight * max(0.0, floor - fidelity) if not math.isnan(fidelity) else math.nan
