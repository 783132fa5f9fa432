"""A batch on disk: ``manifest.json``, ``rows.jsonl``, one run folder a row under ``runs/``, and the results over all of
them.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reward_models.doors import Unreadable, check_regular, inside, read_object
from steer.batch.rows import Row, as_lines, from_lines
from steer.errors import UsageError
from steer.report.stored import read_result
from steer.store.files import lock, storage_error, whole, write_json, write_whole
from steer.store.manifest import read_batch_manifest
from steer.store.names import check_new
from steer.store.private import private_folder

OWN = ("manifest.json", "rows.jsonl", "runs", "results.csv", "results.parquet", "index.html", "sheet.png")
LONGEST = 2000  # characters of a reason


class BatchFolder:
    """Reads and writes one batch. A row is done when its run has a ``result.json``, failed when it has a
    ``failed.json``.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows_file = path / "rows.jsonl"

    @classmethod
    def open(cls, path: Path) -> BatchFolder:
        """An existing batch. Raises UsageError where there is none."""
        if not is_batch(path):
            raise UsageError(f"there is no batch in '{path}'")
        return cls(path)

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of ``manifest.json``."""
        return read_batch_manifest(self.path)

    def begin(self, config: dict[str, Any], settings: list[str], name: str) -> None:
        """Make the folder, or see that it was made with the same configuration."""
        if (self.path / "manifest.json").exists():
            if self.manifest.get("config") != json.loads(json.dumps(config)):
                raise UsageError(
                    f"'{self.path}' was made with another configuration; "
                    "give another --out, or the same --config and --set"
                )
            return
        check_new(self.path, OWN)
        try:
            private_folder(self.path / "runs")
        except OSError as error:
            raise storage_error(self.path, error) from error
        write_json(
            self.path / "manifest.json",
            {
                "kind": "batch",
                "steer": version("steer-t2i"),
                "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "preset": name,
                "settings": settings,
                "config": config,
            },
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this process works on the batch; another that tries is told so."""
        held = lock(self.path, "batch")
        try:
            yield
        finally:
            held.release()

    def record_usage(self, part: str, usage: dict[str, float]) -> None:
        """What a part has taken for all rows so far, in the manifest."""
        manifest = self.manifest
        write_json(self.path / "manifest.json", {**manifest, "usage": {**manifest.get("usage", {}), part: usage}})

    def record_together(self, batch_size: int | None) -> None:
        """That memory forced smaller batches of pictures, in the manifest, so that a resumed batch draws alike."""
        manifest = self.manifest
        if batch_size is not None and batch_size != manifest.get("drawn_together"):
            write_json(self.path / "manifest.json", {**manifest, "drawn_together": batch_size})

    def prepare(self, config: dict[str, Any], settings: list[str], name: str, rows: Iterator[Row]) -> tuple[int, int]:
        """:meth:`begin` and :meth:`add`; a new folder goes again where a row is refused."""
        new = not self.path.exists()
        try:
            self.begin(config, settings, name)
            return self.add(rows)
        except BaseException:
            if new:
                shutil.rmtree(self.path, ignore_errors=True)  # nothing was made yet
            raise

    def add(self, rows: Iterator[Row]) -> tuple[int, int]:
        """Add new rows behind those that are there, whole or not at all; how many are new, how many there are.

        Raises UsageError for an id that is there with another content.
        """
        known = {row.id: hash(json.dumps(row.facts(), sort_keys=True)) for row in self.rows()}
        fresh = 0
        with whole(self.rows_file) as file:
            if self.rows_file.exists():
                with open(self.rows_file, "rb") as old:
                    shutil.copyfileobj(old, file)
            for row in rows:
                if row.id not in known:
                    fresh += 1
                    file.writelines(as_lines([row]))
                elif known[row.id] != hash(json.dumps(row.facts(), sort_keys=True)):
                    raise UsageError(f"the row '{row.id}' is in '{self.path}' with another content; give it another id")
        return fresh, len(known) + fresh

    def rows(self) -> Iterator[Row]:
        """All rows in their order, one at a time. Raises UsageError for a line that is no row."""
        if not os.path.lexists(self.rows_file):
            return
        try:
            check_regular(self.rows_file)
            with open(self.rows_file, "rb") as file:
                yield from from_lines(file, f"'{self.rows_file}'")
        except (OSError, Unreadable) as error:
            raise UsageError(f"'{self.rows_file}' cannot be read: {error}") from error

    def check_place(self, row: Row) -> None:
        """Raise UsageError where the row's run folder, or one above it, is a link that leads out of the batch."""
        try:
            inside(self.path, str(self.run_of(row).relative_to(self.path)))
        except (OSError, Unreadable) as error:
            raise UsageError(f"the batch '{self.path}': {error}") from error

    def run_of(self, row: Row) -> Path:
        """The row's run folder, inside the batch as its id is no path; a thousand rows a folder, as file systems like
        it.
        """
        return self.path / "runs" / row.id[:2] / row.id

    def state(self, row: Row) -> str:
        """ "done", "failed", "begun" or "waiting"."""
        run = self.run_of(row)
        if (run / "result.json").exists():
            return "done"
        if (run / "failed.json").exists():
            return "failed"
        return "begun" if (run / "manifest.json").exists() else "waiting"

    def fail(self, row: Row, reason: str) -> None:
        """Record why a row came to nothing."""
        run = self.run_of(row)
        self.check_place(row)
        try:
            private_folder(run)
        except OSError as error:
            raise storage_error(run, error) from error
        write_json(run / "failed.json", {"reason": reason, "at": time.strftime("%Y-%m-%dT%H:%M:%S%z")})

    def forgive(self, row: Row) -> None:
        """Let a failed row be tried again."""
        (self.run_of(row) / "failed.json").unlink(missing_ok=True)

    def outcome(self, row: Row) -> dict[str, Any]:
        """What became of a row, as a line of the results."""
        run, state = self.run_of(row), self.state(row)
        told: dict[str, Any] = {
            "id": row.id,
            "prompt": row.prompt,
            "user": row.user,
            "seed": row.seed,
            "state": state,
            "pictures": None,
            "original": None,
            "liking": None,
            "gain": None,
            "text": None,
            "picture": None,
            "original_picture": None,
            "seconds": None,
            "reason": None,
            "warnings": None,
        }
        if state == "failed":
            told["reason"] = _reason(run / "failed.json")
        if state != "done":
            return told
        result = read_result(run)
        best, original = result["best"] or {}, result["original"] or {}

        def path(picture: str | None) -> str | None:
            return str(run.relative_to(self.path) / picture) if picture else None

        return told | {
            "pictures": result["pictures"],
            "original": original.get("liking"),
            "liking": best.get("liking"),
            "gain": result["gain"],
            "text": best.get("text"),
            "seconds": result["seconds"],
            "reason": result["why"],
            "warnings": " ".join(result.get("warnings", [])) or None,
            "picture": path(result["picture"]),
            "original_picture": path(original.get("picture")),
        }

    def write_text(self, name: str, text: str) -> None:
        """Write a file of the batch whole."""
        write_whole(self.path / name, lambda f: f.write(text.encode("utf-8", "backslashreplace")))


def is_batch(path: Path) -> bool:
    """Whether a folder holds a batch."""
    try:
        return bool(read_object(path / "manifest.json").get("kind") == "batch")
    except (OSError, ValueError):
        return False


def _reason(file: Path) -> str:
    """Why a row failed, as the file says it."""
    try:
        return str(read_object(file)["reason"])[:LONGEST]
    except (OSError, ValueError, KeyError):
        return "its reason cannot be read"
