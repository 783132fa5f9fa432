"""Families of reward models by name, and rewards by folder or hub name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from reward_models.base import RewardError, RewardModel

if TYPE_CHECKING:
    pass


def load(name: str | Path, device: str = "cpu", revision: str | None = None) -> RewardModel:
    """The reward model ``name``, a folder or a hub name; its config.json says which family it is of.

    Raises RewardError when it does not load or its encoder is not the one it was trained on.
    """
    folder = find(name, revision)
    family = json.loads((folder / "config.json").read_text()).get("family")
    if family == "pamela":
        from reward_models.pamela.reward import PamelaReward

        return PamelaReward.from_folder(folder, device=device)
    if family == "linear-hidden":
        from reward_models.linear_hidden.reward import LinearHiddenReward

        return LinearHiddenReward.from_folder(folder, device)
    raise RewardError(
        f"'{folder / 'config.json'}' names the unknown reward family {family!r}; known: pamela, linear-hidden"
    )


def find(name: str | Path, revision: str | None = None) -> Path:
    """The local folder of a reward; one on the hub (``org/name``) is fetched: its config and its safetensors, no code."""
    folder = Path(name)
    if (folder / "config.json").is_file():
        return folder
    if folder.exists() or str(name).count("/") != 1 or str(name).startswith((".", "/")):
        raise RewardError(f"no reward model in '{name}': config.json is missing")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        fetched = snapshot_download(str(name), revision=revision, allow_patterns=["*.json", "*.safetensors"])
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RewardError(
            f"there is no folder '{name}', and the hub gives none: {str(error).splitlines()[0]}"
        ) from error
    if not (Path(fetched) / "config.json").is_file():
        raise RewardError(f"the hub's '{name}' is no reward model: config.json is missing")
    return Path(fetched)
