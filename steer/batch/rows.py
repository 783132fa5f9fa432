"""The rows of a batch: read from text, csv, JSON lines or parquet, and checked before anything is rendered."""

from __future__ import annotations

import csv
import glob
import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from steer.errors import UsageError
from steer.resources import shipped_file, shipped_names
from steer.words import check_prompt

SHOWN = 12  # faults that are listed
EXAMPLES = "prompts/examples"
COLUMNS = ("prompt", "user", "seed", "budget", "id")


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
    sources: Iterable[str], user: str | None, check: Callable[[Row], None] = lambda _: None, stdin: TextIO | None = None
) -> Iterator[Row]:
    """Rows of files, globs, examples that ship ("holiday") and, for "-", standard input, in order.

    ``user`` is for rows that do not name one. A txt file has one prompt per line (and # comments); csv and parquet
    have columns and jsonl has objects: prompt, and optionally user, seed, budget, id and settings ("search.seeds").
    ``check`` looks at each row and raises UsageError. Where no id is given, it is made from the row's content, so that
    rows can be added anywhere later. All rows are read even after a fault; the UsageError then lists one per line.
    """
    yield from _checked(_lines(sources, stdin or sys.stdin), ", ".join(sources), user, check)


def read_mappings(rows: Iterable[Mapping[str, Any]], check: Callable[[Row], None] = lambda _: None) -> Iterator[Row]:
    """The same from mappings with the columns' names."""
    places = ((f"row {i}", told) for i, told in enumerate(rows, start=1))
    yield from _checked(places, "the rows", None, check)


def _checked(
    lines: Iterable[tuple[str, Any]], whole: str, user: str | None, check: Callable[[Row], None]
) -> Iterator[Row]:
    faults: list[str] = []
    ids: Counter[str] = Counter()
    rows = 0
    for place, told in lines:
        try:
            if isinstance(told, UsageError):
                raise told
            row = _row(told, user)
            check(row)
        except UsageError as error:
            faults.append(f"{place}: {error}")
            continue
        ids[row.id] += 1
        rows += 1
        if ids[row.id] > 1:
            if "id" in told:
                faults.append(f"{place}: the id '{row.id}' was used before")
                continue
            row = Row(**{**row.facts(), "id": f"{row.id}-{ids[row.id]}"})  # the same prompt again, on purpose
        if not faults:
            yield row
    if faults:
        if len(faults) == 1:
            raise UsageError(faults[0])
        shown = faults[:SHOWN] + ([f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else [])
        raise UsageError("\n  ".join([f"{len(faults)} rows are wrong", *shown]))
    if not rows:
        raise UsageError(f"there is no prompt in {whole}")


def _row(told: Mapping[str, Any], user: str | None) -> Row:
    values = {k: v for k, v in told.items() if v not in (None, "")}
    if unknown := [k for k in values if k not in (*COLUMNS, "settings") and "." not in k]:
        raise UsageError(
            f"unknown column '{unknown[0]}'; known: {', '.join(COLUMNS)} and settings such as search.seeds"
        )
    given = values.get("settings", {})
    if not isinstance(given, dict):
        raise UsageError("'settings' is not an object of settings")
    settings = {**given, **{k: v for k, v in values.items() if "." in k}}
    whose = str(values.get("user", user or ""))
    if not whose:
        raise UsageError("no user; name one in the row, or for all rows with --user")
    prompt = check_prompt(str(values.get("prompt", "")))
    seed, budget = (_number(values, name, low) for name, low in (("seed", 0), ("budget", 1)))
    row = Row("", prompt, whose, seed or 0, budget, settings)
    name = str(values["id"]) if "id" in values else _content_id(row)
    if not all(c.isascii() and (c.isalnum() or c in "_-") for c in name) or len(name) > 64:
        raise UsageError(f"the id '{name[:40]}' must be 1 to 64 ASCII letters, digits, _ and -")
    return Row(**{**row.facts(), "id": name})


def _content_id(row: Row) -> str:
    told = json.dumps(row.facts(), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _number(values: Mapping[str, Any], name: str, low: int) -> int | None:
    if name not in values:
        return None
    try:
        number = float(values[name])
        if number != int(number) or number < low:
            raise ValueError
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{name} '{values[name]}' is not a whole number, {low} or more") from error
    return int(number)


def _lines(sources: Iterable[str], stdin: TextIO) -> Iterator[tuple[str, Any]]:
    """Where each row stands and what it says, or the UsageError of a line that cannot be read."""
    for source in sources:
        if source == "-":
            yield from _text("standard input", stdin)
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
            yield from readers[kind](path.name, file)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"'{path}' cannot be read as UTF-8 text: {error}") from error


def _text(name: str, file: TextIO) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(file, start=1):
        if (text := line.strip()) and not text.startswith("#"):
            yield f"{name}, line {number}", {"prompt": text}


def _jsonl(name: str, file: TextIO) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            told = json.loads(line)
        except ValueError as error:
            yield place, UsageError(f"not JSON: {error}")
            continue
        yield place, told if isinstance(told, dict) else UsageError("not a JSON object")


def _csv(name: str, file: TextIO) -> Iterator[tuple[str, Any]]:
    lines = csv.DictReader(file)
    if "prompt" not in (lines.fieldnames or ()):
        raise UsageError(f"{name} has no column 'prompt'")
    try:
        for told in lines:
            place = f"{name}, line {lines.line_num}"
            if None in told:
                yield place, UsageError("more cells than columns; put quotes around a prompt with commas")
            else:
                yield place, told
    except csv.Error as error:
        raise UsageError(f"{name}, line {lines.line_num}: {error}") from error


def _parquet(path: Path) -> Iterator[tuple[str, Any]]:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        file = parquet.ParquetFile(path)
        if "prompt" not in file.schema_arrow.names:
            raise UsageError(f"{path.name} has no column 'prompt'")
        number = 0
        for batch in file.iter_batches(1024):
            for told in batch.to_pylist():
                number += 1
                yield f"{path.name}, row {number}", told
    except (pyarrow.ArrowException, OSError) as error:
        raise UsageError(f"'{path}' is not a parquet file: {str(error).splitlines()[0]}") from error


def as_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """JSON lines that :func:`from_lines` reads."""
    for row in rows:
        yield (json.dumps(row.facts(), ensure_ascii=False) + "\n").encode()


def from_lines(file: io.BufferedIOBase | Iterable[bytes]) -> Iterator[Row]:
    """Back from :func:`as_lines`, one at a time."""
    for line in file:
        yield Row(**json.loads(line))
