"""Reading annotation files, and pictures' paths as they are really written."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath

import pandas as pd

from reward_models.doors import check_regular, read_json
from reward_models.ratings.table import DataError


def read_csv(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """A csv with every value as text; DataError where it or a ``needed`` column is missing."""
    try:
        check_regular(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            written = [c.strip() for c in next(csv.reader(file), [])]
        table = pd.read_csv(path, dtype="string", keep_default_na=True, encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"'{path}' is missing") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, ValueError, OSError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"'{path}' does not read as csv: {said}") from error
    table.columns = [str(c).strip() for c in table.columns]
    if doubled := [c for c in needed if written.count(c) > 1]:
        raise DataError(f"'{path}' has two columns '{doubled[0]}'")
    require(path, table, needed)
    return table


def read_json_rows(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """A JSON list of rows, nested objects as dotted columns (``image_metadata.group``)."""
    try:
        rows = read_json(path, nan=True)
    except FileNotFoundError as error:
        raise DataError(f"'{path}' is missing") from error
    except (ValueError, OSError) as error:
        raise DataError(f"'{path}' does not read as JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"'{path}' is not a JSON list of rows")
    table = pd.json_normalize(rows)
    if rows:
        require(path, table, needed)
    return table


def require(path: Path, table: pd.DataFrame, needed: tuple[str, ...]) -> None:
    """DataError naming the columns that ``table`` lacks."""
    if missing := [c for c in needed if c not in table.columns]:
        raise DataError(f"'{path}' lacks the columns {missing}; it has {list(table.columns)[:12]}")


def column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column, all missing where the file has none."""
    return table[name] if name in table.columns else pd.Series(pd.NA, index=table.index, dtype="string")


def relative_path(written: object, root: Path, prefixes: tuple[str, ...] = ()) -> str | None:
    """The path below ``root`` that ``written`` means; None for no path or one that leads out of it.

    Files write ``./images/1.png``, ``images/1.png`` and ``PAMELA/images/1.png`` for one picture.
    """
    if not isinstance(written, str) or not written.strip():
        return None
    path = PurePosixPath(written.strip().replace("\\", "/"))
    parts = [p for p in path.parts if p != "."]
    while parts and parts[0] in prefixes and not (root / PurePosixPath(*parts)).exists():
        parts = parts[1:]
    if not parts or path.is_absolute() or ".." in parts:
        return None
    return str(PurePosixPath(*parts))
