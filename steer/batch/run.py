"""A batch from its first row to its results: the folder, the engine, the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from steer.batch.folder import BatchFolder
from steer.batch.local import BESIDE, LocalEngine
from steer.batch.parts import Parts
from steer.batch.results import write_results
from steer.batch.rows import Row
from steer.steerer import Steerer


def run_batch(
    folder: BatchFolder, steerer: Steerer, beside: int = BESIDE, retry_failed: bool = False,
    ended: Callable[[Row], None] = lambda _: None,
) -> Counter[str]:  # fmt: skip
    """Steer every row that is not done, and write the results; how many rows are done, failed, begun and waiting.

    Safe to call again after any end: nothing that is in a journal is rendered or asked for twice. ``ended`` hears of each row.
    Raises SteerError where nothing can go on.
    """
    with folder.alone():
        engine = LocalEngine(folder, Parts(steerer), beside)
        try:
            for row in engine.run(_due(folder, retry_failed)):
                ended(row)
        finally:
            states = write_results(folder)
        return states


def _due(folder: BatchFolder, retry_failed: bool) -> Iterator[Row]:
    for row in folder.rows():
        state = folder.state(row)
        if state == "failed" and retry_failed:
            folder.forgive(row)
            state = folder.state(row)
        if state in ("begun", "waiting"):
            yield row


def check_rows(rows: Iterable[Row], steerer: Steerer) -> Iterator[Row]:
    """Rows that can be steered. Raises UsageError at one that cannot."""
    parts = Parts(steerer)
    for row in rows:
        parts.check(row)
        yield row


def default_folder(sources: list[str]) -> Path | None:
    """outputs/batch-STEM of the first file, so that the same command goes on; None where it reads standard input alone."""
    named = [s for s in sources if s != "-"]
    return Path("outputs") / f"batch-{Path(named[0]).stem.replace('*', 'all')}" if named else None
