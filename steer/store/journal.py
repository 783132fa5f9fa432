"""A run's journal, ``journal.jsonl``: one JSON line for each thing that happened, and what such a line may say.

Each line carries the fingerprint of its run, so that no line is ever taken for another person's, prompt's or seed's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from reward_models.doors import shown
from steer.errors import UsageError
from steer.store.files import read_lines
from steer.types import State, StopReason

NAME = "journal.jsonl"

Share = Annotated[float, Field(ge=-1, le=2)]  # likings are in [0, 1]; a linear model may be a little outside
Text = Annotated[str, Field(max_length=20_000)]
Count = Annotated[int, Field(ge=0, le=2**63)]


def picture_name(index: int) -> str:
    """Where a candidate's picture lies in its run's folder."""
    return f"pictures/{index:04d}.png"


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Candidate(_Line):
    index: Count
    round: Count
    text: Text
    changes: dict[Text, Text]
    seed: Count
    tier: Literal["full", "draft", "preview"]
    state: Literal[tuple(s.value for s in State)]  # type: ignore[valid-type]
    picture: str
    reason: Text
    personal: Share | None
    population: Share | None
    fidelity: Share | None
    uncertainty: Annotated[float, Field(ge=0, le=100)] | None
    objective: Annotated[float, Field(ge=-1e9, le=1e9)] | None
    early: Annotated[float, Field(ge=-1e9, le=1e9)] | None = None
    others: dict[Text, Annotated[float, Field(ge=-1e9, le=1e9)] | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _picture_is_its_own(self) -> _Candidate:
        if self.picture not in ("", picture_name(self.index)):
            raise ValueError(f"the picture {shown(self.picture)} is not '{picture_name(self.index)}'")
        if self.state in ("RENDERED", "SCORED") and not self.picture:
            raise ValueError(f"a {self.state.lower()} candidate has no picture")
        return self


class _Rewrite(_Line):
    model_config = ConfigDict(extra="forbid")

    text: Text
    changes: dict[Text, Text]
    note: Text


class _Written(_Line):
    kind: Literal["written"]
    round: Count
    rewrites: list[_Rewrite]


class _Proposed(_Line):
    kind: Literal["proposed"]
    round: Count
    rewrites: list[_Rewrite]
    dropped: list[Annotated[list[Text], Field(min_length=2, max_length=3)]]


class _Made(_Candidate):
    kind: Literal["candidate"]


class _Learned(_Line):
    kind: Literal["learned"]
    round: Count
    candidates: list[_Candidate]
    basis: dict[Text, Text] = Field(default_factory=dict)


class _Question(_Line):
    kind: Literal["question"]
    number: Count
    round: Count
    form: Literal["which", "rate"]
    user: Text
    pictures: Annotated[list[Count], Field(min_length=1, max_length=3)]
    worth: Annotated[float, Field(ge=0, le=10)]


class _Answer(_Line):
    kind: Literal["answer"]
    number: Count
    round: Count
    value: Annotated[float, Field(ge=0, le=2**63)] | None


class _Comment(_Line):
    kind: Literal["critic"]
    round: Count
    text: Text
    picture: str
    filtered: dict[Text, Count]
    failed: Text
    about: Text = ""


class _Stopped(_Line):
    kind: Literal["stopped"]
    reason: Literal[tuple(r.name for r in StopReason)]  # type: ignore[valid-type]
    seconds: Annotated[float, Field(ge=0)]


_LINE: TypeAdapter[Any] = TypeAdapter(
    Annotated[
        _Written | _Proposed | _Made | _Learned | _Question | _Answer | _Comment | _Stopped,
        Field(discriminator="kind"),
    ]
)


def read_journal(folder: Path, fingerprint: str) -> list[dict[str, Any]]:
    """The lines of the run with this ``fingerprint``, in order; torn ones, of a crash while writing, are left out.

    Raises UsageError for a line of another run, or one that no run writes.
    """
    return list(_checked(folder / NAME, fingerprint))


def _checked(path: Path, fingerprint: str) -> Iterator[dict[str, Any]]:
    way_out = "start a new run with another --out"
    for number, line in read_lines(path):
        if "run" not in line:
            raise UsageError(f"'{path}', line {number} does not say which run it is of (an older steer's?); {way_out}")
        if line["run"] != fingerprint:
            raise UsageError(f"'{path}', line {number} is of another run than the manifest beside it; {way_out}")
        try:
            _LINE.validate_python(line)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"][1:])
            said = first["msg"].removeprefix("Value error, ")
            why = f"{key[:80]}: {said[:200]}" if key else said[:200]
            raise UsageError(f"'{path}', line {number} was not written by steer ({why}); {way_out}") from error
        yield line
