"""What of a hub repository a part will fetch, and what of it is here already. Shapes: sizes in bytes."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

_TEXTS = (".json", ".txt", ".model", ".jinja")  # settings, tokenizers and templates
_OTHER_WEIGHTS = (".onnx", ".onnx_data", ".bin", ".xml", ".msgpack", ".pt", ".gguf")
CANNOT_ASK = "the hub cannot be asked"


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


def needed(
    repository: str,
    revision: str | None = None,
    variant: str | None = None,
    pipeline: bool = False,
    file: str | None = None,
) -> Needed:
    """What a repository's loader will read, see :func:`pipeline_files` and :func:`model_files`; or one ``file`` of it.

    The hub is asked for names and sizes alone. Where it cannot be asked, only the ``fault`` is filled in.
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
    files = pipeline_files(sizes, variant) if pipeline else model_files(sizes)
    if file is not None:
        files = [file] if file in sizes else []
    cached = frozenset(_cached(repository, facts.sha, files))
    return Needed(repository, {name: sizes[name] for name in files}, cached, gated, allowed)


def in_cache(repository: str) -> bool:
    """Whether the cache holds anything of a repository, complete or not; the hub is not asked."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return any(r.repo_id == repository and r.size_on_disk for r in scan_cache_dir().repos)
    except CacheNotFound:
        return False


def pipeline_files(names: Collection[str], variant: str | None = None) -> list[str]:
    """Which of a repository's files diffusers fetches for a pipeline: safetensors in its folders, in the variant where
    there is one, and settings. Weights at the top or for other programs are left where they are.

    >>> pipeline_files(["model_index.json", "vae/config.json", "vae/model.safetensors", "all.safetensors"])
    ['model_index.json', 'vae/config.json', 'vae/model.safetensors']
    """
    from diffusers.pipelines.pipeline_loading_utils import variant_compatible_siblings

    parts = [n for n in names if n.count("/") == 1]
    weights = {n for n in parts if n.endswith((".safetensors", ".safetensors.index.json"))}
    wanted, _ = variant_compatible_siblings(weights, variant=variant)
    models = {n.partition("/")[0] for n in weights}
    others = {n.partition("/")[0] for n in parts if n.endswith(_OTHER_WEIGHTS)} - models  # parts for other programs
    beside = {n for n in parts if n.partition("/")[0] not in models | others and n.endswith(_TEXTS)}
    beside |= {f"{part}/config.json" for part in models} & set(parts)
    return sorted({*wanted, *beside, *({"model_index.json"} & set(names))})


def model_files(names: Collection[str]) -> list[str]:
    """Which of a repository's files a model of transformers is loaded from: its safetensors, in one piece or in shards,
    and the small files beside them.

    >>> model_files(["config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "README.md"])
    ['config.json', 'model.safetensors']
    """
    top = [n for n in names if "/" not in n]
    whole = [n for n in top if n == "model.safetensors"]
    weights = whole or [n for n in top if fnmatch.fnmatch(n, "model-*-of-*.safetensors")]
    beside = [n for n in top if n.endswith(_TEXTS) and not (n.endswith(".index.json") and (whole or ".bin." in n))]
    return sorted({*weights, *beside})


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
    return CANNOT_ASK
