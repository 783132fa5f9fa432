"""What keeping a candidate costs on the disk: fsyncs and milliseconds for its journal lines, and for its picture.

    python benchmarks/journal.py [--candidates 200] [--rows 1 8] [--every-ms 0 20]

Real run folders in a temporary folder (set TMPDIR to measure another disk), two journal lines and one small picture a
candidate, as a run writes them, which waits for the disk after each round of eight. ``--rows``: runs side by side in
one process, as in a batch. ``--every-ms``: time between two candidates of a run, as drawing takes some. Every fsync is
the disk's own; those of other processes on the same disk are in the figures too.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from steer.store.run_folder import RunFolder
from steer.types import Candidate, Rewrite, State

ROUND = 8  # candidates, after which a run waits for the disk
PARTS = {"renderer": {"name": "fake"}}


class Synced:
    """When each fsync began and ended, by what it is of."""

    def __init__(self) -> None:
        self.real, self.lock = os.fsync, threading.Lock()
        self.spans: dict[str, list[tuple[float, float]]] = {"journal": [], "picture": [], "other": []}

    def __call__(self, descriptor: int) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        kind = "journal" if name.endswith(".jsonl") else "picture" if "/pictures/" in name else "other"
        begun = time.perf_counter()
        self.real(descriptor)
        with self.lock:
            self.spans[kind].append((begun, time.perf_counter()))

    def seconds(self, kind: str) -> float:
        """Time in which at least one fsync of this kind was under way."""
        total, until = 0.0, 0.0
        for begun, ended in sorted(self.spans[kind]):
            total += max(0.0, ended - max(begun, until))
            until = max(until, ended)
        return total


def keep(folder: RunFolder, candidates: int, every_s: float, picture: Image.Image) -> None:
    for index in range(candidates):
        begun = time.perf_counter()
        candidate = Candidate(index, index // 8, Rewrite(f"a fox number {index} in the morning light"), index)
        folder.save_picture(candidate, picture)
        candidate.personal = candidate.population = candidate.fidelity = candidate.objective = 0.5
        candidate.uncertainty, candidate.state = 0.1, State.SCORED
        folder.record(candidate)
        if index % ROUND == ROUND - 1:
            folder.flush()
        time.sleep(max(0.0, every_s - (time.perf_counter() - begun)))
    folder.flush()


def measure(work: Path, rows: int, candidates: int, every_s: float) -> str:
    synced = Synced()
    request, picture = {"prompt": "a fox", "user": "u1", "budget": candidates, "seed": 0}, Image.new("RGB", (64, 64))
    folders = [RunFolder.create(work / f"{rows}-{every_s}-{i}", request, {"name": "fake"}, PARTS) for i in range(rows)]
    os.fsync = synced  # type: ignore[assignment]
    try:
        threads = [
            threading.Thread(target=keep, args=(folder, candidates // rows, every_s, picture)) for folder in folders
        ]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        whole = time.perf_counter() - begun
    finally:
        os.fsync = synced.real
    n = candidates // rows * rows
    lines = sum(len((folder.path / "journal.jsonl").read_bytes().splitlines()) for folder in folders)
    journal, picture_ms = (1000 * synced.seconds(kind) / n for kind in ("journal", "picture"))
    return (
        f"{rows:4d}  {1000 * every_s:8.0f}  {lines / n:5.1f}  {lines / len(synced.spans['journal']):14.1f}  "
        f"{journal:7.2f}  {picture_ms:7.2f}  {1000 * whole / n:6.2f}"
    )


def main(
    candidates: int = 200,
    rows: Annotated[list[int] | None, typer.Option()] = None,
    every_ms: Annotated[list[float] | None, typer.Option()] = None,
) -> None:
    print("ms a candidate in which an fsync was under way; waits of several rows that overlap count once")
    print("rows  every_ms  lines  lines an fsync  journal  picture     all")
    with tempfile.TemporaryDirectory() as work:
        for n in rows or [1, 8]:
            for ms in every_ms or [0, 20]:
                print(measure(Path(work), n, candidates, ms / 1000), flush=True)


if __name__ == "__main__":
    typer.run(main)
