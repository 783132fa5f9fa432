"""What of a hub repository a part will fetch, and what of it is here already. Shapes: sizes in bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# what transformers reads of a model: its weights, and small files beside them
_TEXTS = (".json", ".txt", ".model", ".jinja")


@dataclass(frozen=True)
class Needed:
    """The files of one repository that will be read, with their sizes; ``cached``: those that are on this disk.

    ``gated``: the owner asks for a licence to be accepted; ``allowed``: this machine's token may read it, None if that
    was not asked. ``fault``: why nothing is known, in a few words.
    """

    repository: str
    files: dict[str, int] = field(default_factory=dict)
    cached: frozenset[str] = frozenset()
    gated: bool = False
    allowed: bool | None = None
    fault: str = ""

    @property
    def to_fetch(self) -> int:
        """Bytes that are not here yet."""
        return sum(size for name, size in self.files.items() if name not in self.cached)


def needed(repository: str, revision: str | None = None, variant: str | None = None, pipeline: bool = False) -> Needed:
    """What a repository's loader will read: of a diffusers ``pipeline`` the parts that its index names, each in
    safetensors (the ``variant`` where there is one); of a model of transformers the safetensors and the small files at
    its root.

    The hub is asked for names and sizes alone, and of a pipeline for its index. Where it cannot be asked, only the
    ``fault`` is filled in.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    api = HfApi()
    try:
        facts = api.model_info(repository, revision=revision, files_metadata=True)
    except Exception as error:  # the library and its HTTP client raise many kinds for one thing
        return Needed(repository, fault=_fault(error))
    sizes = {s.rfilename: s.size or 0 for s in facts.siblings or []}
    gated, allowed = bool(facts.gated), None
    if gated:
        try:
            api.auth_check(repository)
            allowed = True
        except (GatedRepoError, HfHubHTTPError):
            allowed = False
    files = dict.fromkeys(sizes, 0)
    if pipeline and allowed is not False:
        try:
            files = _of_pipeline(sizes, _parts(repository, revision), variant)
        except Exception as error:
            return Needed(repository, gated=gated, allowed=allowed, fault=_fault(error))
    elif pipeline:
        files = _of_pipeline(sizes, {name.partition("/")[0] for name in sizes if "/" in name}, variant)
    else:
        files = _at_root(sizes)
    return Needed(repository, files, frozenset(_cached(repository, revision, files)), gated, allowed)


def _parts(repository: str, revision: str | None) -> set[str]:
    """The folders that a pipeline's index names."""
    from huggingface_hub import hf_hub_download

    index: Any = json.loads(Path(hf_hub_download(repository, "model_index.json", revision=revision)).read_text())
    return {name for name, value in index.items() if isinstance(value, list) and value[0] is not None}


def _of_pipeline(sizes: dict[str, int], parts: set[str], variant: str | None) -> dict[str, int]:
    found = {"model_index.json": sizes["model_index.json"]} if "model_index.json" in sizes else {}
    for name, size in sizes.items():
        folder, slash, rest = name.partition("/")
        if slash and folder in parts and "/" not in rest and rest.endswith(_TEXTS):
            found[name] = size
    for part in parts:
        weights = [n for n in sizes if n.startswith(f"{part}/") and n.endswith(".safetensors")]
        own = [n for n in weights if variant and f".{variant}." in Path(n).name]
        plain = [n for n in weights if not _has_variant(Path(n).name)]
        found |= {n: sizes[n] for n in own or plain}
    return {n: s for n, s in found.items() if not _is_other_index(n, variant, found)}


def _has_variant(name: str) -> bool:
    """``model.fp16.safetensors`` and ``model.fp16-00001-of-00002.safetensors``, not ``model-00001-of-00002...``."""
    return "." in name.removesuffix(".safetensors").split("-0000")[0]


def _is_other_index(name: str, variant: str | None, found: dict[str, int]) -> bool:
    """An index of shards that are not among what is read."""
    if not name.endswith(".index.json") and ".safetensors.index" not in name:
        return False
    if ".bin." in name or ".msgpack" in name:
        return True
    of_variant = bool(variant) and f".{variant}." in Path(name).name
    shards = [n for n in found if n.startswith(name.partition("/")[0]) and "-of-" in n]
    return not shards or of_variant != any(f".{variant}" in n for n in shards)


def _at_root(sizes: dict[str, int]) -> dict[str, int]:
    wanted = (*_TEXTS, ".safetensors")
    return {n: s for n, s in sizes.items() if "/" not in n and n.endswith(wanted) and "consolidated" not in n}


def _cached(repository: str, revision: str | None, files: Iterable[str]) -> list[str]:
    from huggingface_hub import try_to_load_from_cache

    return [n for n in files if isinstance(try_to_load_from_cache(repository, n, revision=revision), str)]


def _fault(error: BaseException) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, GatedRepoError):
        return "its licence is not accepted by this machine's account"
    if isinstance(error, RevisionNotFoundError):
        return "the hub has no such revision"
    if isinstance(error, RepositoryNotFoundError):
        return "the hub has no such model, or it is private"
    return "the hub cannot be asked"
