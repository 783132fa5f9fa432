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


def shipped_file(name: str, folder: str, suffix: str) -> Path:
    """The file ``name``: where there is none here, one that ships, by its name or its path in the repository.

    "holiday" and "prompts/examples/holiday.txt" are both the file of that path, for the folder "prompts/examples" and
    the suffix ".txt". A path that is nothing comes back as it is.
    """
    path, (top, _, rest) = Path(name), folder.partition("/")
    if not path.exists():
        for inside in (Path(rest) / f"{name}{suffix}", Path(*path.parts[1:]) if path.parts[:1] == (top,) else None):
            if inside and ".." not in inside.parts and (found := data_folder(top) / inside).is_file():
                return found
    return path


def shipped_names(folder: str, suffix: str) -> list[str]:
    """The names of the files that ship in a folder such as "prompts/examples"."""
    top, _, rest = folder.partition("/")
    return sorted(path.stem for path in (data_folder(top) / rest).glob(f"*{suffix}"))


REWARDS = {
    "miniature": "reward",
    "miniature/linear-hidden": "linear-hidden/reward",
    "miniature/profile-mllm": "profile-mllm/reward",
    # of another encoder, seed and pictures than the one that steers; it only judges
    "miniature/held-out": "held-out/reward",
}


# the same as entry points of reward_models.rewards, so that reward_models.load("miniature") finds them
MINIATURE_REWARD = MINIATURE_WEIGHTS / REWARDS["miniature"]
MINIATURE_LINEAR_HIDDEN = MINIATURE_WEIGHTS / REWARDS["miniature/linear-hidden"]
MINIATURE_PROFILE_MLLM = MINIATURE_WEIGHTS / REWARDS["miniature/profile-mllm"]
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
        hashes: dict[str, str] = json.loads((MINIATURE_WEIGHTS / "hashes.json").read_text(encoding="utf-8"))
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
