"""A batch from its first row to its results: the folder, the engine, the order."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from reward_models.plural import counted
from steer.batch.folder import BatchFolder
from steer.batch.local import BESIDE, LocalEngine
from steer.batch.results import write_results
from steer.batch.row_parts import RowParts
from steer.batch.rows import Row, read_mappings
from steer.errors import SteerError
from steer.events import Listener
from steer.parts import Parts
from steer.result import Result


class Engine(Protocol):
    """Steers rows of a batch folder and yields each that is done or has failed, in any order."""

    def run(self, rows: Iterator[Row]) -> Iterator[tuple[Row, Result | None]]:
        """Each row that is done, with its result, or has failed."""
        ...


def run_batch(
    folder: BatchFolder,
    parts: Parts,
    beside: int = BESIDE,
    retry_failed: bool = False,
    ended: Callable[[Row], None] = lambda _: None,
    engine: Engine | None = None,
    emit: Listener = lambda event: None,  # noqa: ARG005
) -> Counter[str]:
    """Steer every row that is not done, and write the results; how many rows are done, failed, begun and waiting.

    ``engine``: in place of the local one. Safe to call again after any end: nothing that is in a journal is rendered or
    asked for twice. ``ended`` hears of each row. Raises SteerError where nothing can go on.
    """
    with folder.alone():
        engine = engine or LocalEngine(folder, RowParts(parts), beside, emit=emit)
        try:
            for row, _ in engine.run(_due(folder, retry_failed)):
                ended(row)
        finally:
            states = write_results(folder)
        return states


def stream(
    parts: Parts, rows: Iterable[Mapping[str, Any]], out: Path | None, beside: int, emit: Listener
) -> Iterator[Result]:
    """Results of rows as they end; see ``Steerer.batch``."""
    path = out or Path("outputs") / f"batch-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:6]}"
    folder, each, config = BatchFolder(path), RowParts(parts), parts.config
    folder.prepare(config.model_dump(mode="json"), [], config.name, read_mappings(rows, each.check))
    failed: list[Row] = []
    with folder.alone():
        try:
            for row, result in LocalEngine(folder, each, beside, emit=emit).run(_due(folder, False)):
                if result is None:
                    failed.append(row)
                else:
                    yield result
        finally:
            write_results(folder)
    if failed:
        reason = folder.outcome(failed[0])["reason"]
        raise SteerError(
            f"{counted(len(failed), 'row')} of '{path}' failed; the first, '{failed[0].prompt[:60]}', because {reason}"
        )


def _due(folder: BatchFolder, retry_failed: bool) -> Iterator[Row]:
    for row in folder.rows():
        state = folder.state(row)
        if state == "failed" and retry_failed:
            folder.forgive(row)
            state = folder.state(row)
        if state in ("begun", "waiting"):
            yield row


def default_folder(sources: list[str]) -> Path | None:
    """outputs/batch-STEM of the first file, so that the same command goes on; None where it reads standard input
    alone.
    """
    named = [s for s in sources if s != "-"]
    return Path("outputs") / f"batch-{Path(named[0]).stem.replace('*', 'all')}" if named else None
