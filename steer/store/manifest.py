"""What ``manifest.json`` of a run or a batch must say before anything goes by it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reward_models.doors import read_object
from steer.errors import UsageError
from steer.types import Start, SteerRequest

Amount = Annotated[float, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Start(_Strict):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=20_000)]
    seed: Annotated[int, Field(ge=0, le=2**63)]
    changes: dict[str, str]


class _Request(_Strict):
    model_config = ConfigDict(extra="forbid")

    prompt: str
    user: str
    budget: Annotated[int, Field(ge=1, le=100_000)]
    seed: Annotated[int, Field(ge=0, le=2**63)]
    start: _Start | None = None


class _Remembered(_Strict):
    model_config = ConfigDict(extra="forbid")

    prompt: Annotated[str, Field(max_length=20_000)]
    text: Annotated[str, Field(max_length=20_000)]
    changes: dict[str, str]
    gain: Annotated[float, Field(ge=-3, le=3)]
    weight: Amount


class _Manifest(_Strict):
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    request: _Request
    config: dict[str, Any]
    parts: dict[str, Any]
    packages: dict[str, str]
    steer: str
    created: Annotated[str, Field(max_length=40)]
    taste: Annotated[str, Field(max_length=1_000_000)] = ""
    known: dict[str, str] = Field(default_factory=dict)
    earlier: Annotated[list[_Remembered], Field(max_length=1000)] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    usage: dict[str, dict[str, Amount]] = Field(default_factory=dict)


class _Batch(_Strict):
    kind: Literal["batch"]
    steer: str
    config: dict[str, Any]
    settings: list[str] = Field(default_factory=list)
    usage: dict[str, dict[str, Amount]] = Field(default_factory=dict)


def read_manifest(run: Path) -> dict[str, Any]:
    """The manifest of a run. Raises UsageError where there is none, or it is not one that steer wrote."""
    if (run / "rows.jsonl").exists():
        raise UsageError(f"'{run}' is a batch, and no run; the folders of its runs are in '{run / 'runs'}'")
    return _read(run, "run", _Manifest)


def request_of(manifest: dict[str, Any]) -> SteerRequest:
    """The request of a run, from its manifest as :func:`read_manifest` gives it."""
    told = manifest["request"]
    return SteerRequest(**{**told, "start": Start(**told["start"]) if told.get("start") else None})


def read_batch_manifest(batch: Path) -> dict[str, Any]:
    """The manifest of a batch. Raises as :func:`read_manifest` does."""
    return _read(batch, "batch", _Batch)


def _read(folder: Path, what: str, model: type[BaseModel]) -> dict[str, Any]:
    try:
        found = read_object(folder / "manifest.json")
        model.model_validate(found)
    except FileNotFoundError as error:
        raise UsageError(f"no {what} in '{folder}' (manifest.json is missing)") from error
    except ValidationError as error:
        first = error.errors()[0]
        why = f"manifest.json, {'.'.join(map(str, first['loc']))[:80]}: {first['msg']}"
        raise UsageError(f"the {what} in '{folder}' cannot be read: {why}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"the {what} in '{folder}' cannot be read: {error}") from error
    return found
