"""A reward put on a hub, with a model card whose facts are read from the reward's own files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward_models.base import RewardError
from reward_models.doors import Unreadable, read_text
from reward_models.families import is_hub_name
from reward_models.folder import read_folder
from reward_models.plural import counted

FILES = ("config.json", "model.safetensors", "evaluation.md")  # what is uploaded beside the card, where it is there
CARD = "README.md"
ROWS = 12  # of the table of metrics
MADE_WITH = ("training", "settings")  # parts of a config that say how it was made: not needed to load it


@dataclass(frozen=True)
class Publication:
    """What will be uploaded. ``people``: ids that the reward knows; ``described``: how many of them with facts about
    them, such as their age; ``places``: absolute paths of this machine that its config names.
    """

    folder: Path
    repository: str
    card: str
    files: tuple[str, ...]
    people: int
    described: int
    places: tuple[str, ...]


def publication(folder: Path, repository: str) -> Publication:
    """Read a reward's folder. A ``README.md`` in it is the card; where there is none, one is written.

    Raises RewardError for a folder that holds no reward, a name that no hub has, and a reward with a part, such as its
    encoder, that is a folder of this machine.
    """
    if not is_hub_name(repository):
        raise RewardError(f"'{repository}' is no name of a model on the hub; it is owner/name")
    config, weights = read_folder(folder)
    if parts := [text for text in _texts(config, MADE_WITH) if _is_here(folder, text)]:
        raise RewardError(
            f"the reward in '{folder}' reads pictures with '{parts[0]}', a folder of this machine that nobody "
            "else has; train it with an encoder by its hub name"
        )
    own = folder / CARD
    try:
        card = read_text(own) if own.exists() else write_card(folder, repository, config, weights)
    except (OSError, Unreadable) as error:
        raise RewardError(f"'{own}' cannot be read: {error}") from error
    people = _people(config)
    return Publication(
        folder,
        repository,
        card,
        tuple(name for name in FILES if (folder / name).is_file()),
        len(people),
        len(_mapping(config.get("demographics"))),
        tuple(dict.fromkeys(text for text in _texts(config) if os.path.isabs(text))),
    )


def push(told: Publication, private: bool) -> str:
    """Upload it and return where it is. An existing repository gets a commit on top of what it has.

    Raises RewardError where the hub refuses, or where the repository is public and ``private`` is asked for.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    try:
        url = api.create_repo(told.repository, private=private, exist_ok=True)
        if private and not api.model_info(told.repository).private:
            raise RewardError(f"the repository '{told.repository}' is there already, and public")
        operations = [CommitOperationAdd(name, str(told.folder / name)) for name in told.files]
        operations.append(CommitOperationAdd(CARD, told.card.encode()))
        api.create_commit(told.repository, operations, commit_message="Reward, from steer reward push")
    except RewardError:
        raise
    except Exception as error:  # the library and its HTTP client raise many kinds for one thing
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise RewardError(f"the hub did not take '{told.repository}': {said}; to log in: hf auth login") from error
    return str(url)


def write_card(folder: Path, repository: str, config: Mapping[str, Any], weights: Mapping[str, Any]) -> str:
    """A model card in Markdown: what the files say, and no more."""
    family = str(config.get("family"))
    people = _people(config)
    tensors = sum(tensor.numel() for tensor in weights.values())
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    facts = {
        "family": family,
        "reads pictures with": ", ".join(f"`{name}`" for name in _readers(config)),
        "people it knows": str(len(people)) if people else "",
        "facts about them": ", ".join(_kinds(config)),
        "parameters": f"{tensors:,}",
        "score scale of its data": str(config.get("score_scale", "")),
        "trained on": ", ".join(f"`{name}`" for name in _sources(config)),
        "digest of its data": str(config.get("data", "")),
        "SHA-256 of `model.safetensors`": f"`{digest}`",
    }
    lines = ["---", "library_name: steer", f"tags: [steer, personal-reward, {family}]", "---", ""]
    lines += [f"# {repository.rpartition('/')[2]}", ""]
    lines += ["Predicts how much one person likes a picture, in [0, 1]. To be used with steer:", ""]
    lines += ["```sh", f'steer run "a fox in the snow" --user me --set reward={repository}', "```", ""]
    lines += ["```python", "import reward_models", "", f'model = reward_models.load("{repository}")', "```", ""]
    lines += ["| | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in facts.items() if value), ""]
    lines += [*_metrics(config), "What it is good for, and for whom it is not, its author has not said here yet.", ""]
    return "\n".join(lines)


def _metrics(config: Mapping[str, Any]) -> Iterator[str]:
    """The rank correlations that training left in the config, as a table."""
    found = {name: _mapping(told) for name, told in _mapping(config.get("metrics")).items()}
    rows = [(name, told) for name, told in found.items() if isinstance(told.get("srocc"), (int, float))]
    if not rows:
        return
    yield from ("Mean rank correlation (SROCC) per person, with a 95 % interval, as its training measured it:", "")
    yield from ("| set | people | SROCC |", "|---|---|---|")
    for name, told in rows[:ROWS]:
        low, high = told.get("srocc_low"), told.get("srocc_high")
        interval = f" [{low:.3f}, {high:.3f}]" if isinstance(low, float) and isinstance(high, float) else ""
        yield f"| {_cell(name)} | {told.get('n_people', 0):.0f} | {told['srocc']:.3f}{interval} |"
    if len(rows) > ROWS:
        yield f"| and {counted(len(rows) - ROWS, 'more row')} in `config.json` | | |"
    yield ""


def _people(config: Mapping[str, Any]) -> list[Any]:
    found = config.get("people", _mapping(config.get("architecture")).get("people", []))
    return list(found) if isinstance(found, (list, dict)) else []


def _kinds(config: Mapping[str, Any]) -> list[str]:
    told = _mapping(config.get("demographics")).values()
    return sorted({kind for each in told for kind in _mapping(each)})


def _readers(config: Mapping[str, Any]) -> list[str]:
    encoder = config.get("encoder")
    names = [_mapping(encoder).get("name", encoder), config.get("vlm"), config.get("fidelity"), config.get("model")]
    return [name for name in names if isinstance(name, str)]


def _sources(config: Mapping[str, Any]) -> list[str]:
    """Names of the data sets; not where they lie on somebody's disk."""
    data = [each for name in MADE_WITH for each in _list(_mapping(config.get(name)).get("data"))]
    sources = [str(_mapping(each).get("source", "")) for each in data]
    return [Path(source).name if os.path.isabs(source) else source for source in sources if source]


def _texts(value: Any, leave: tuple[str, ...] = ()) -> Iterator[str]:
    """Every text in a config, but for what is below the keys in ``leave``."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if key not in leave:
                yield from _texts(each, leave)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, leave)


def _is_here(folder: Path, text: str) -> bool:
    """Whether a text of a config is a path to another folder, as seen from the reward's."""
    if not text or len(text) > 4096 or "\0" in text or not ("/" in text or text.startswith(".")):
        return False
    return os.path.isabs(text) or (folder / text).is_dir()


def _cell(text: object) -> str:
    return " ".join(str(text).replace("|", "\\|").split())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
