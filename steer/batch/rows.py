"""The rows of a batch: read from text, csv, JSON lines or parquet, and checked before anything is rendered."""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TextIO

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from reward_models.doors import MOST_BYTES, parse_json, shown
from steer.config.search import MOST_PICTURES, MOST_SEED
from steer.config.values import Free, check_plain
from steer.errors import UsageError
from steer.resources import shipped_file, shipped_names
from steer.store.files import as_json
from steer.words import check_prompt

SHOWN = 12  # faults that are listed
EXAMPLES = "prompts/examples"
MOST_LINE = 1_000_000  # characters
COLUMNS = ("prompt", "user", "seed", "budget", "id")
Users = Callable[[], Sequence[str]]


@dataclass(frozen=True)
class Row:
    """One prompt for one user. ``settings``: config overrides of this row alone, "search.seeds": 2."""

    id: str
    prompt: str
    user: str
    seed: int = 0
    budget: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def read_rows(
    sources: Iterable[str],
    user: str | Users | None,
    check: Callable[[Row], None] = lambda _: None,
    stdin: TextIO | None = None,
) -> Iterator[Row]:
    """Rows of files, globs, examples that ship ("holiday") and, for "-", standard input, in order.

    ``user`` is for rows that do not name one: an id, or what gives several, for each of which the row is drawn; it is
    called for the first such row. A txt file has one prompt per line (and # comments); csv and parquet
    have columns and jsonl has objects: prompt, and optionally user, seed, budget, id and settings ("search.seeds").
    ``check`` looks at each row and raises UsageError. Where no id is given, it is made from the row's content, so that
    rows can be added anywhere later. All rows are read even after a fault; the UsageError then lists one per line.
    """
    users = user if callable(user) else lambda: [user] if user else []
    yield from _checked(_lines(sources, stdin or sys.stdin), ", ".join(sources), users, check)


def read_mappings(rows: Iterable[Mapping[str, Any]], check: Callable[[Row], None] = lambda _: None) -> Iterator[Row]:
    """The same from mappings with the columns' names."""
    places = ((f"row {i}", told) for i, told in enumerate(rows, start=1))
    yield from _checked(places, "the rows", lambda: [], check)


def _checked(lines: Iterable[tuple[str, Any]], whole: str, users: Users, check: Callable[[Row], None]) -> Iterator[Row]:
    faults: list[str] = []
    ids: Counter[str] = Counter()
    rows = 0
    for place, told in lines:
        try:
            if isinstance(told, UsageError):
                raise told
            found = _rows(told, users)
            for row in found:
                check(row)
        except UsageError as error:
            faults.append(f"{place}: {error}")
            continue
        for row in found:
            ids[row.id] += 1
            rows += 1
            if ids[row.id] > 1:
                if "id" in told:
                    faults.append(f"{place}: the id '{row.id}' was used before")
                    continue
                row = replace(row, id=f"{row.id}-{ids[row.id]}")  # the same prompt again, on purpose
            if not faults:
                yield row
    if faults:
        if len(faults) == 1:
            raise UsageError(faults[0])
        shown = faults[:SHOWN] + ([f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else [])
        raise UsageError("\n  ".join([f"{len(faults)} rows are wrong", *shown]))
    if not rows:
        raise UsageError(f"there is no prompt in {whole}")


def _rows(told: Mapping[str, Any], users: Users) -> list[Row]:
    """The row of a line, for each of ``users`` where it names nobody. An id that it has then names the user too."""
    values = {k: v for k, v in told.items() if v is not None and v != ""}
    if unknown := [k for k in values if k not in (*COLUMNS, "settings") and "." not in k]:
        raise UsageError(
            f"unknown column {shown(unknown[0])}; known: {', '.join(COLUMNS)} and settings such as search.seeds"
        )
    given = values.get("settings", {})
    if not isinstance(given, dict):
        raise UsageError("'settings' is not an object of settings")
    settings = {**given, **{k: v for k, v in values.items() if "." in k}}
    try:
        check_plain(settings)
    except ValueError as error:
        raise UsageError(f"settings: {error}") from error
    named = _name(values, "user")
    everybody = [named] if named else list(dict.fromkeys(users()))
    if not everybody:
        raise UsageError("no user; name one in the row, or for all rows with --user")
    if not isinstance(values.get("prompt", ""), str):
        raise UsageError(f"the prompt {shown(values['prompt'])} is not text")
    prompt = check_prompt(values.get("prompt", ""))
    seed, budget = _number(values, "seed", 0, MOST_SEED), _number(values, "budget", 1, MOST_PICTURES)
    found = []
    for whose in everybody:
        row = Row("", prompt, whose, seed or 0, budget, settings)
        own = _name(values, "id")
        if own and len(everybody) > 1:
            own = f"{own}-{''.join(c if _is_plain(c) else '-' for c in whose)}"
        found.append(replace(row, id=check_row_id(own or _content_id(row))))
    return found


def check_row_id(name: object) -> str:
    """A row's id as it is: a name that is no path. Raises UsageError."""
    if not isinstance(name, str) or not 0 < len(name) <= 64 or not all(_is_plain(c) for c in name):
        raise UsageError(f"the id {shown(name, 40)} must be 1 to 64 ASCII letters, digits, _ and -")
    return name


def _is_plain(c: str) -> bool:
    return c.isascii() and (c.isalnum() or c in "_-")


def _name(values: Mapping[str, Any], column: str) -> str:
    """An id as it is written, a number too; "" where there is none. Raises UsageError for other things."""
    value = values.get(column, "")
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise UsageError(f"the {column} {shown(value)} is not a name")
    return str(value)


def _content_id(row: Row) -> str:
    told = json.dumps(row.facts(), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def _number(values: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    if name not in values:
        return None
    value = values[name]
    try:
        number = math.nan if isinstance(value, bool) else float(value)
        if number != int(number) or not low <= number <= high:
            raise ValueError
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{name} {shown(value)} is not a whole number from {low} to {high}") from error
    return int(number)


def _lines(sources: Iterable[str], stdin: TextIO) -> Iterator[tuple[str, Any]]:
    """Where each row stands and what it says, or the UsageError of a line that cannot be read."""
    for source in sources:
        if source == "-":
            try:
                yield from _text("standard input", _bounded("standard input", stdin))
            except UnicodeDecodeError as error:
                raise UsageError(f"standard input is not UTF-8 text: {error.reason}") from error
            continue
        found = sorted(Path(path) for path in glob.glob(source, recursive=True))
        for path in found or [shipped_file(source, EXAMPLES, ".txt")]:
            yield from _file(path)


def _file(path: Path) -> Iterator[tuple[str, Any]]:
    readers = {".csv": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".txt": _text, "": _text}
    if not path.is_file():
        examples = ", ".join(shipped_names(EXAMPLES, ".txt"))
        raise UsageError(f"there is no file '{path}' (examples that ship: {examples})")
    kind = path.suffix.lower()
    if kind == ".parquet":
        yield from _parquet(path)
        return
    if kind not in readers:
        raise UsageError(f"'{path}' must be a txt, csv, jsonl or parquet file")
    try:
        with path.open(encoding="utf-8-sig", newline="" if kind == ".csv" else None) as file:
            yield from readers[kind](path.name, _bounded(path.name, file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"'{path}' cannot be read as UTF-8 text: {error}") from error


def _bounded(name: str, file: TextIO) -> Iterator[str]:
    """The lines of a file, none of which is without end."""
    number = 0
    while line := file.readline(MOST_LINE + 1):
        number += 1
        if len(line) > MOST_LINE:
            raise UsageError(f"{name}, line {number} is longer than {MOST_LINE:,} characters")
        yield line


def _text(name: str, file: Iterator[str]) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(file, start=1):
        if (text := line.strip()) and not text.startswith("#"):
            yield f"{name}, line {number}", {"prompt": text}


def _jsonl(name: str, file: Iterator[str]) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            told = parse_json(line)
        except ValueError as error:
            yield place, UsageError(f"not JSON: {error}")
            continue
        yield place, told if isinstance(told, dict) else UsageError("not a JSON object")


def _csv(name: str, file: Iterator[str]) -> Iterator[tuple[str, Any]]:
    lines = csv.DictReader(file)
    try:
        _check_columns(name, lines.fieldnames or ())
        for told in lines:
            place = f"{name}, line {lines.line_num}"
            if None in told:
                yield place, UsageError("more cells than columns; put quotes around a prompt with commas")
            else:
                yield place, told
    except csv.Error as error:
        raise UsageError(f"{name}, line {lines.line_num}: {error}") from error


def _check_columns(name: str, columns: Sequence[str]) -> None:
    if "prompt" not in columns:
        raise UsageError(f"{name} has no column 'prompt'")
    if doubled := [c for c, n in Counter(columns).items() if n > 1 and c]:
        raise UsageError(f"{name} has two columns {shown(doubled[0])}")


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        file = parquet.ParquetFile(path)
        _check_columns(path.name, file.schema_arrow.names)
        groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
        if max(groups, default=0) > MOST_BYTES:
            raise UsageError(f"'{path}' has a group of rows of more than {MOST_BYTES:,} bytes")
        number = 0
        for batch in file.iter_batches(1024):
            for told in batch.to_pylist():
                number += 1
                yield f"{path.name}, row {number}", told
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"'{path}' is not a parquet file: {said}") from error


def as_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """JSON lines that :func:`from_lines` reads."""
    for row in rows:
        yield as_json(row.facts())


def from_lines(file: io.BufferedIOBase | Iterable[bytes], name: str = "the rows") -> Iterator[Row]:
    """Back from :func:`as_lines`, one at a time. ``name``: of the file. Raises UsageError for a line that is no row, as
    one is checked wherever it comes from.
    """
    for number, line in enumerate(file, start=1):
        try:
            yield Row(**_Stored.model_validate(parse_json(line)).model_dump())
        except ValidationError as error:
            first = error.errors()[0]
            why = f"{'.'.join(map(str, first['loc']))[:80]}: {first['msg'].removeprefix('Value error, ')}"
            raise UsageError(f"{name}, line {number} was not written by steer ({why})") from error
        except ValueError as error:
            raise UsageError(f"{name}, line {number} was not written by steer ({error})") from error


class _Stored(BaseModel):
    """A row as it lies in a batch."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    id: Annotated[str, AfterValidator(lambda name: _as_value(check_row_id, name))]
    prompt: Annotated[str, AfterValidator(lambda text: _as_value(check_prompt, text))]
    user: Annotated[str, Field(min_length=1, max_length=10_000)]
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)]
    budget: Annotated[int, Field(ge=1, le=MOST_PICTURES)] | None
    settings: Free


def _as_value(check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except UsageError as error:
        raise ValueError(str(error)) from error
