"""Finds what travels with the package (configs, prompts, weights), installed or in a checkout."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from steer.errors import MissingWeights

_PACKAGE = Path(__file__).parent
MINIATURE_WEIGHTS = _PACKAGE / "miniature" / "weights"


def data_folder(name: str) -> Path:
    """``configs`` or ``prompts``: beside the package in a checkout, inside it in a wheel."""
    inside = _PACKAGE / "_data" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


REWARDS = {
    "miniature": "reward",
    "miniature/linear-hidden": "linear-hidden/reward",
    # of another encoder, seed and pictures than the one that steers; it only judges
    "miniature/held-out": "held-out/reward",
}


# the same as entry points of reward_models.rewards, so that reward_models.load("miniature") finds them
MINIATURE_REWARD = MINIATURE_WEIGHTS / REWARDS["miniature"]
MINIATURE_LINEAR_HIDDEN = MINIATURE_WEIGHTS / REWARDS["miniature/linear-hidden"]
MINIATURE_HELD_OUT = MINIATURE_WEIGHTS / REWARDS["miniature/held-out"]


def shipped_reward(name: str) -> Path | None:
    """The folder of a reward that ships, by its name in :data:`REWARDS`; None for others."""
    return MINIATURE_WEIGHTS / REWARDS[name] if name in REWARDS else None


def miniature_weights(name: str) -> Path:
    """The shipped folder ``name`` (pipeline, siglip, eye, judge, reward), hashes checked."""
    folder = MINIATURE_WEIGHTS / name
    for path, expected in _hashes().items():
        if path.startswith(f"{name}/"):
            _check(MINIATURE_WEIGHTS / path, expected)
    if not folder.is_dir():
        raise MissingWeights(folder)
    return folder


def _hashes() -> dict[str, str]:
    try:
        hashes: dict[str, str] = json.loads((MINIATURE_WEIGHTS / "hashes.json").read_text())
    except (OSError, ValueError) as error:
        raise MissingWeights(MINIATURE_WEIGHTS, error) from error
    return hashes


def _check(path: Path, expected: str) -> None:
    try:
        stamp = path.stat()
    except OSError as error:
        raise MissingWeights(path, error.strerror or "") from error
    if _sha256(path, stamp.st_mtime_ns, stamp.st_size) != expected:
        raise MissingWeights(path, "the content is not what was shipped")


@cache
def _sha256(path: Path, mtime_ns: int, size: int) -> str:  # noqa: ARG001
    return hashlib.sha256(path.read_bytes()).hexdigest()
