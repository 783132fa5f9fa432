"""``result.json`` of a run, read back: what it must say before it is shown or counted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reward_models.doors import read_object
from steer.errors import UsageError
from steer.result import Outlook, Result, Taste
from steer.store.manifest import read_manifest, request_of
from steer.types import Candidate, History, State, StopReason

Picture = Annotated[str, Field(pattern=r"^pictures/[0-9]{4,9}\.png$")]
Place = Annotated[str, Field(pattern=r"^(pictures/[0-9]{4,9}\.png)?$")]
Number = float | None
Count = Annotated[int, Field(ge=0, le=2**63)]


class _Read(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Text(_Read):
    text: str
    liking: Number
    spread: Number
    fidelity: Number
    objective: Number
    seeds: Count
    liked_by: dict[str, Number] = Field(default_factory=dict)


class _Original(_Text):
    picture: Picture | None


class _Best(_Text):
    changes: dict[str, str]
    picture_liking: Number = None


class _Candidate(_Read):
    index: Count
    round: Count
    text: str
    seed: Count
    state: Literal[tuple(s.value for s in State)]  # type: ignore[valid-type]
    tier: str
    picture: Place
    reason: str
    changes: dict[str, str] = Field(default_factory=dict)
    personal: Number
    population: Number = None
    fidelity: Number
    uncertainty: Number = None
    objective: Number
    early: Number = None
    others: dict[str, Number] = Field(default_factory=dict)


class _Taste(_Read):
    user: str
    ratings: Count
    known: float
    words: str


class _Outlook(_Read):
    expected: Number
    better: Number
    words: str


class _Effect(_Read):
    words: str
    effect: float
    low: float
    high: float


class _Comment(_Read):
    round: Count
    text: str
    picture: Place
    filtered: dict[str, Count]
    failed: str
    about: str = ""


class _Result(_Read):
    prompt: str
    user: str
    seed: Count
    budget: Count
    stop: Literal[tuple(r.name for r in StopReason)]  # type: ignore[valid-type]
    why: str
    warnings: list[str] = Field(default_factory=list)
    tastes: list[_Taste] = Field(default_factory=list)
    outlook: _Outlook | None = None
    seconds: Annotated[float, Field(ge=0)]
    pictures: Count
    failed: list[_Candidate]
    original: _Original | None
    best: _Best | None
    gain: Number
    gain_percent: Number
    gain_error: Number
    gain_seeds: Count
    gain_words: str
    agreement: Number
    agreement_pictures: Count
    agreement_of: str
    picture: Picture | None
    explained: dict[str, dict[str, float]] = Field(default_factory=dict)
    critic: list[_Comment] = Field(default_factory=list)
    words: list[_Effect] = Field(default_factory=list)
    candidates: list[_Candidate]

    @model_validator(mode="after")
    def _what_is_shown_together_is_there(self) -> _Result:
        if self.picture is not None and self.best is None:
            raise ValueError("there is a picture, and no text that it is of")
        return self


def read_result(run: Path) -> dict[str, Any]:
    """The stored result of a run. Raises UsageError where there is none, or it is not one that steer wrote."""
    path = run / "result.json"
    try:
        found = read_object(path)
        if "gain_seeds" not in found:
            raise UsageError(f"the run in '{run}' was made by an older version of steer; open its report.html instead")
        _Result.model_validate(found)
    except FileNotFoundError as error:
        raise UsageError(
            f"the run in '{run}' stopped before its report was written; 'steer resume {run}' finishes it"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UsageError(_damaged(path, run, f"{key[:80]}: {first['msg']}")) from error
    except (OSError, ValueError) as error:
        raise UsageError(_damaged(path, run, str(error))) from error
    return found


def load_result(run: Path) -> Result:
    """A run's result as the run gave it, from its folder. Raises UsageError as :func:`read_result` does."""
    manifest = read_manifest(run)
    stored = read_result(run)
    candidates = [Candidate.from_facts(facts) for facts in stored["candidates"]]
    by_text = {stats.rewrite.text: stats for stats in History(candidates).stats()}
    stop = StopReason[stored["stop"]]
    return Result(
        request_of(manifest),
        str(run),
        stop,
        by_text.get(stored["prompt"]),
        by_text.get(stored["best"]["text"]) if stored["best"] else None,
        next((c for c in candidates if c.picture and c.picture == stored["picture"]), None),
        candidates,
        stored["seconds"],
        explained=stored.get("explained", {}),
        because="" if stored["why"] == stop.value else stored["why"],
        warnings=stored.get("warnings", []),
        tastes=[Taste(each["user"], each["ratings"], each["known"]) for each in stored.get("tastes", [])],
        outlook=_outlook(stored.get("outlook")),
    )


def _outlook(stored: dict[str, Any] | None) -> Outlook | None:
    if stored is None or stored["expected"] is None:
        return None
    return Outlook(stored["expected"], math.nan if stored["better"] is None else stored["better"])


def _damaged(path: Path, run: Path, why: str) -> str:
    return f"'{path}' is damaged ({why}); remove it, then 'steer resume {run}' writes it again"
