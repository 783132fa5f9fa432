"""Rows over the machines of a Ray cluster: actors that keep their models warm, one a GPU (extra ``cluster``)."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray

from steer.batch.folder import BatchFolder
from steer.batch.local import BESIDE, LocalEngine
from steer.batch.row_parts import RowParts
from steer.batch.rows import Row
from steer.errors import SteerError
from steer.parts import Parts
from steer.result import Result

log = logging.getLogger(__name__)

LOST = 5  # actors one after another that died without making anything: then it is not chance


class RayEngine:
    """Hands groups of ``beside`` rows to ``workers`` actors, which steer them as :class:`LocalEngine` does, into the
    batch's folder (a path that every machine sees). Only rows and their ids travel; pictures do not.

    An actor that is lost is replaced, and its rows go on where their journals end. ``make``: builds the parts in an
    actor.
    ``address``: of a cluster; None starts one on this machine.
    """

    def __init__(
        self,
        folder: BatchFolder,
        make: Callable[[], Parts],
        workers: int | None = None,
        beside: int = BESIDE,
        address: str | None = None,
    ):
        self.folder, self.make, self.beside = folder, make, beside
        if not ray.is_initialized():
            try:
                ray.init(
                    address=address,
                    log_to_driver=False,
                    logging_level="ERROR",
                    include_dashboard=False if address is None else None,
                )
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise SteerError(f"no Ray cluster at '{address}': {str(error).splitlines()[0]}") from error
        resources = ray.cluster_resources()
        self.gpus = int(resources.get("GPU", 0))
        self.workers = workers or self.gpus or max(1, int(resources.get("CPU", 1)))
        self.actors: list[Any] = []

    def run(self, rows: Iterator[Row]) -> Iterator[tuple[Row, Result | None]]:
        """Yields each row when it is done or has failed. Raises SteerError where nothing can go on."""
        self.actors = [self._actor() for _ in range(self.workers)]
        free = list(self.actors)
        under_way: dict[Any, tuple[Any, list[Row], int]] = {}  # no more groups than actors: rows wait in their file
        again: list[list[Row]] = []  # of lost actors
        lost = 0
        try:
            while True:
                while free and (group := again.pop() if again else list(itertools.islice(rows, self.beside))):
                    actor = free.pop()
                    under_way[actor.steer.remote([row.facts() for row in group])] = (
                        actor,
                        group,
                        self._made(group),
                    )
                if not under_way:
                    return
                (ready,), _ = ray.wait(list(under_way), num_returns=1)
                actor, group, before = under_way.pop(ready)
                try:
                    ray.get(ready)
                except ray.exceptions.RayActorError as error:
                    lost = 0 if self._made(group) > before else lost + 1
                    if lost > LOST:
                        raise SteerError(
                            f"{lost} actors died one after another: {str(error).splitlines()[0]}"
                        ) from error
                    log.warning("an actor was lost; another goes on with its %d rows", len(group))
                    again.append([row for row in group if self.folder.state(row) in ("begun", "waiting")])
                    again = [g for g in again if g]
                    self.actors.remove(actor)
                    self.actors.append(self._actor())
                    free.append(self.actors[-1])
                    yield from ((row, None) for row in group if self.folder.state(row) in ("done", "failed"))
                    continue
                except ray.exceptions.RayTaskError as error:
                    cause = error.cause if isinstance(error.cause, Exception) else error
                    raise cause if isinstance(cause, SteerError) else SteerError(str(cause).splitlines()[-1]) from error
                lost = 0
                free.append(actor)
                yield from ((row, None) for row in group)
        finally:
            for actor in self.actors:
                ray.kill(actor)

    def _made(self, group: list[Row]) -> int:
        """Grows with everything that is made for these rows: bytes of their journals."""
        journals = [self.folder.run_of(row) / "journal.jsonl" for row in group]
        return sum(j.stat().st_size for j in journals if j.exists())

    def _actor(self) -> Any:
        actor = ray.remote(_Worker).options(
            num_cpus=0 if self.gpus else 1, num_gpus=1 if self.gpus else 0, max_restarts=0
        )
        return actor.remote(str(self.folder.path.resolve()), self.make)


class _Worker:
    """One process of the cluster; its parts are built once."""

    def __init__(self, folder: str, make: Callable[[], Parts]):
        self.folder, self.make = BatchFolder(Path(folder)), make
        self.parts: RowParts | None = None

    def steer(self, rows: list[dict[str, Any]]) -> list[str]:
        """Ids of the rows, when all of them are done or failed."""
        self.parts = self.parts or RowParts(self.make())
        engine = LocalEngine(self.folder, self.parts, len(rows), counts=False)
        return [row.id for row, _ in engine.run(Row(**told) for told in rows)]

    def pid(self) -> int:
        """For those who would kill it."""
        import os

        return os.getpid()
