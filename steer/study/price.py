"""What a run takes: pictures, and what writer and critic count."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from steer.study.folder import StudyFolder

COUNTED = ("calls", "prompt_tokens", "completion_tokens", "cost")  # of a writer


def price(folder: StudyFolder, condition: str) -> dict[str, float]:
    """Mean over runs: pictures, of a writer that counts them calls, tokens and, where it is known, cost, and of a
    critic its calls and seconds.
    """
    cells = list(folder.cells(condition))
    results = [folder.result(condition, cell) or {} for cell in cells]
    told = {"runs": float(len(results)), "pictures": float(np.mean([r["pictures"] for r in results]))}
    manifests = [
        json.loads((folder.run_of(condition, c) / "manifest.json").read_text(encoding="utf-8")).get("usage", {})
        for c in cells
    ]
    used = [m.get("proposer", {}) for m in manifests]
    told |= {n: _mean(used, n) for n in COUNTED if any(n in u for u in used)}
    if any("critic" in m for m in manifests):
        told |= _of_critics([m.get("critic", {}) for m in manifests], results)
    return told


def _of_critics(used: Sequence[Mapping[str, float]], results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Calls and seconds of a run, and of each of its rounds."""
    rounds = [max((c["round"] for c in r["candidates"]), default=0) + 1 for r in results]
    told = {}
    for name in ("calls", "seconds"):
        told[f"critic_{name}"] = _mean(used, name)
        each = [u.get(name, 0.0) / n for u, n in zip(used, rounds, strict=True)]
        told[f"critic_{name}_a_round"] = float(np.mean(each))
    return told


def _mean(used: Sequence[Mapping[str, float]], name: str) -> float:
    return float(np.mean([u.get(name, 0.0) for u in used]))
