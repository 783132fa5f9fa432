"""A batch against a shell loop of ``steer run`` on the same rows; the journal's cost; a hundred thousand rows planned
and listed.

    python benchmarks/batch.py [--rows 8] [--budget 8] [--scaling-rows 24]

The miniature's FluxPipeline, whole processes in turns, rows a minute. Then 1 and 2 workers, one thread each: processes
that render (``renderer.workers``), and Ray actors that do everything; models loaded before the clock starts, and after
it, for Ray. Then what a candidate costs besides drawing and scoring (fake parts, 400 rows), and the memory that
reading, keeping and listing 100,000 rows takes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from functools import partial
from pathlib import Path

import torch
import typer

from steer import Steerer
from steer.batch.folder import BatchFolder
from steer.batch.results import write_results
from steer.batch.rows import read_rows
from steer.batch.run import run_batch
from steer.config import load_config
from steer.parts import Parts
from steer.renderers.workers import Workers
from steer.testing import FakeProposer, FakeRenderer, FakeReward

STEER = [sys.executable, "-m", "steer"]


def timed(*command: str) -> float:
    begun = time.perf_counter()
    subprocess.run([*STEER, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def overhead(work: Path, rows: int) -> None:
    (work / "many.txt").write_text("\n".join(f"a fox number {i}" for i in range(rows)), encoding="utf-8")
    config = load_config("miniature", ["search.screen=1", "search.budget=8"])
    steerer = Steerer(config, renderer=FakeRenderer(), reward=FakeReward(), proposer=FakeProposer())
    folder = BatchFolder(work / "fakes")
    folder.begin(config.model_dump(mode="json"), [], "miniature")
    folder.add(read_rows([str(work / "many.txt")], "u1"))
    from steer.store import run_folder as store
    from steer.store.files import LineFile

    disk, files = {"line": 0.0, "sync": 0.0}, (LineFile.append, LineFile.sync)
    LineFile.append = timed_method(LineFile.append, disk, "line")  # type: ignore[method-assign]
    LineFile.sync = timed_method(LineFile.sync, disk, "sync")  # type: ignore[method-assign]
    waited, keep = {"journal": 0.0, "picture": 0.0, "disk to be done": 0.0}, {}
    for method, name in (("_append", "journal"), ("save_picture", "picture"), ("flush", "disk to be done")):
        keep[method] = getattr(store.RunFolder, method)
        setattr(store.RunFolder, method, timed_method(keep[method], waited, name))
    begun = time.perf_counter()
    run_batch(folder, steerer.parts)
    whole = time.perf_counter() - begun
    LineFile.append, LineFile.sync = files  # type: ignore[method-assign]
    for method, function in keep.items():
        setattr(store.RunFolder, method, function)
    for name, seconds in waited.items():
        print(f"waited     {1000 * seconds / (rows * 8):.2f} ms a candidate for the {name}, on the loop")
    print(
        f"journal    {1000 * sum(disk.values()) / (rows * 8):.2f} ms a candidate, beside the work, "
        "summed over the rows; see benchmarks/journal.py"
    )
    print(
        f"all        {1000 * whole / (rows * 8):.1f} ms a candidate besides drawing and scoring: "
        "search, PNG, journal, report, table"
    )


def timed_method(real, spent: dict[str, float], name: str):  # type: ignore[no-untyped-def]
    """``real`` as it is, its time added to ``spent``."""

    def go(self, *arguments):  # type: ignore[no-untyped-def]
        begun = time.perf_counter()
        try:
            return real(self, *arguments)
        finally:
            spent[name] += time.perf_counter() - begun

    return go


def plan(work: Path, rows: int = 100_000) -> None:
    (work / "all.txt").write_text("\n".join(f"a fox number {i}" for i in range(rows)), encoding="utf-8")
    folder = BatchFolder(work / "plan")
    config = load_config("miniature")
    folder.begin(config.model_dump(mode="json"), [], "miniature")
    tracemalloc.start()
    begun = time.perf_counter()
    folder.add(read_rows([str(work / "all.txt")], "u1"))
    read = time.perf_counter() - begun
    states = write_results(folder)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    print(
        f"plan       {rows} rows read and kept in {read:.0f} s, "
        f"listed in {time.perf_counter() - begun - read:.0f} s (traced), peak {peak:.0f} MiB, {dict(states)}"
    )


def scaling(work: Path, prompts: list[str], budget: int) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    (work / "scaling.txt").write_text("\n".join(prompts), encoding="utf-8")
    for kind in ("processes", "ray"):
        minutes = {}
        for n in (1, 2):
            told = [f"search.budget={budget}", *([f"renderer.workers={n}"] if kind == "processes" else [])]
            config = load_config("miniature", told)
            steerer = Steerer(config)
            folder = BatchFolder(work / f"{kind}-{n}")
            folder.begin(config.model_dump(mode="json"), [], "miniature")
            folder.add(read_rows([str(work / "scaling.txt")], "u17"))
            engine = None
            if kind == "ray":
                from steer.batch.cluster import RayEngine

                engine = RayEngine(folder, partial(Parts, config), workers=n, beside=4)
            else:
                steerer.parts.renderer.render(["a fox"] * 8, range(8))
            steerer.parts.reward.people()
            begun = time.perf_counter()
            run_batch(folder, steerer.parts, engine=engine)
            minutes[n] = (time.perf_counter() - begun) / 60
            if kind == "processes" and isinstance(steerer.parts.renderer, Workers):
                steerer.parts.renderer.close()
        shown = ", ".join(f"{n} {len(prompts) / m:.1f} rows a minute" for n, m in minutes.items())
        print(f"{kind:10s} {shown}: {minutes[1] / minutes[2]:.2f} times", flush=True)


def main(rows: int = 8, budget: int = 8, rounds: int = 2, scaling_rows: int = 24) -> None:
    work = Path(tempfile.mkdtemp())
    every = [
        f"a {s} {p}"
        for p in ("by the sea", "in a forest", "in the snow", "in a meadow", "in the city", "in the desert")
        for s in ("fox", "castle", "robot", "cake")
    ]
    prompts = every[:rows]
    (work / "rows.txt").write_text("\n".join(prompts), encoding="utf-8")
    told = ["-u", "u17", "-n", str(budget)]
    loop, batch = [], []
    for k in range(rounds):
        loop.append(
            sum(timed("run", "-p", p, *told, "--out", str(work / f"run{k}-{i}")) for i, p in enumerate(prompts))
        )
        batch.append(timed("batch", str(work / "rows.txt"), *told, "--out", str(work / f"batch{k}")))
    for name, each in (("loop", loop), ("batch", batch)):
        print(f"{name:10s} {60 * rows / min(each):.1f} rows a minute ({', '.join(f'{s:.0f} s' for s in each)})")
    print(json.dumps({"batch over loop": round(min(loop) / min(batch), 2), "rows": rows, "budget": budget}))
    scaling(work, every[:scaling_rows], budget)
    overhead(work, 400)
    plan(work)


if __name__ == "__main__":
    typer.run(main)
