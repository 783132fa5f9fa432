"""Families of reward models by name, and rewards by name, folder or hub name. A reward's folder says which family it
is of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_models import yaml12
from reward_models.base import RewardError
from reward_models.doors import Unreadable, read_object, read_text
from reward_models.protocols import RewardModel
from reward_models.quiet import quietly
from reward_models.registry import Registry, UnknownName, not_found

if TYPE_CHECKING:
    from reward_models.scorers.base import Scorer

GROUP = "reward_models.families"
FAMILIES = Registry(
    "family of reward models",
    GROUP,
    {
        "pamela": "reward_models.pamela.family:FAMILY",
        "linear-hidden": "reward_models.linear_hidden.family:FAMILY",
        "prompted": "reward_models.prompted.family:FAMILY",
        "profile-mllm": "reward_models.profile_mllm.family:FAMILY",
        "calm": "reward_models.calm.family:FAMILY",
    },
)
# Rewards that packages bring along: the entry point of each is its folder. steer registers the miniature's.
REWARDS = Registry("reward", "reward_models.rewards", {})
Say = Callable[[str], None]
Progress = Callable[[int, int], None]  # done, total


@dataclass(frozen=True)
class Work:
    """What a family's training or evaluation is given beside its YAML: how to report, and which device a setting
    means.
    """

    pick_device: Callable[[str], str] = lambda wanted: "cpu" if wanted == "auto" else wanted
    say: Say = print
    progress: Progress = lambda done, total: None  # noqa: ARG005


@dataclass(frozen=True)
class Family:
    """One way to make a reward.

    ``load(folder, device, **options)``  the reward that training wrote, with this reader's own ``options``
    ``train(config, work)``              from a YAML file to a reward in a folder, which is returned
    ``evaluate(config, model, out, work)``  the family's report; ``model`` is a folder, or None where the YAML is enough
    ``ablate(config, work)``             what each part is worth; None where the family has no parts to leave out
    ``compare(config, model, out, work, scorers)``  a table of scorers by name beside the model, on the same ratings
    """

    name: str
    load: Callable[..., RewardModel]
    train: Callable[[Path, Work], Path] | None = None
    evaluate: Callable[[Path, Path | None, Path | None, Work], None] | None = None
    ablate: Callable[[Path, Work], None] | None = None
    compare: Callable[[Path, Path, Path | None, Work, Mapping[str, Scorer]], None] | None = None
    options: frozenset[str] = field(default_factory=frozenset)


def family(name: str) -> Family:
    """The family of a name. Raises RewardError with the known ones."""
    try:
        found: Family = FAMILIES.load(name)
    except UnknownName as error:
        raise RewardError(str(error)) from error
    return found


def family_of(config: Path) -> Family:
    """The family that a training's YAML is of: its ``family``, pamela where it names none. Raises RewardError."""
    try:
        values = yaml12.load(read_text(config, yaml12.MOST_CHARACTERS))
    except FileNotFoundError as error:
        raise RewardError(f"there is no file '{config}'") from error
    except (yaml12.YAMLError, OSError, Unreadable) as error:
        raise RewardError(f"'{config}' does not read as YAML: {str(error).splitlines()[0]}") from error
    return family(str(values.get("family", "pamela")) if isinstance(values, dict) else "pamela")


def load(
    name: str | Path, device: str = "cpu", revision: str | None = None, options: Mapping[str, Any] | None = None
) -> RewardModel:
    """The reward model ``name``: a name in :data:`REWARDS` such as "miniature", a folder, or a hub name.

    ``options`` are the family's own, as ``members`` of PAMELA. Raises RewardError when it does not load, its encoder is
    not the one it was trained on, or its family does not take an option.
    """
    folder = find(name, revision)
    if not Path(name).exists() and name in REWARDS:
        with quietly("transformers"):
            return _load(name, folder, device, options)
    return _load(name, folder, device, options)


def _load(name: str | Path, folder: Path, device: str, options: Mapping[str, Any] | None) -> RewardModel:
    try:
        kind = read_object(folder / "config.json").get("family")
    except (OSError, ValueError) as error:
        raise RewardError(f"the reward model in '{folder}' does not load: {error}") from error
    found = family(str(kind))
    if strange := sorted(set(options or {}) - found.options):
        raise RewardError(f"'{name}' is a reward of the family {found.name}, which has no {strange[0]}")
    return found.load(folder, device, **(options or {}))


def is_hub_name(name: str | Path) -> bool:
    """Whether a name that is no folder here may be asked of the hub: ``owner/name``. What reads like a path of one's
    own is not, as anybody could own an organisation of that name.

    >>> is_hub_name("bethgelab/pamela"), is_hub_name("rewards/pamela"), is_hub_name("outputs/rewards/pamela")
    (True, False, False)
    """
    first, slash, rest = str(name).partition("/")
    return bool(slash) and "/" not in rest and bool(rest) and first[:1].isalnum() and not _reads_like_a_path(first)


def _reads_like_a_path(first: str) -> bool:
    return first in ("outputs", "rewards", "reward", "training", "models", "data", "configs") or Path(first).is_dir()


def find(name: str | Path, revision: str | None = None) -> Path:
    """The local folder of a reward; one on the hub (``org/name``) is fetched: its config and its safetensors, no
    code. A folder wins over a name in :data:`REWARDS`.
    """
    folder = Path(name)
    if (folder / "config.json").is_file():
        return folder
    if not folder.exists() and name in REWARDS:
        return Path(REWARDS.load(str(name)))
    if not folder.exists() and len(folder.parts) == 1 and not str(name).startswith("."):
        raise RewardError(f"{not_found('reward', str(name), REWARDS.names())} Or give a folder, or a hub's owner/name.")
    if folder.exists():
        raise RewardError(f"no reward model in '{name}': config.json is missing")
    if not is_hub_name(name):
        raise RewardError(f"there is no folder '{name}', and this is no name of a model on the hub (owner/name)")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        fetched = snapshot_download(str(name), revision=revision, allow_patterns=["*.json", "*.safetensors"])
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RewardError(
            f"there is no folder '{name}', and the hub does not have it: {str(error).splitlines()[0]}"
        ) from error
    if not (Path(fetched) / "config.json").is_file():
        raise RewardError(f"the hub's '{name}' is not a reward model: config.json is missing")
    return Path(fetched)
