"""Pictures a second by a pool of 1, 2 and 4 engines, with one killed on the way, and with one that draws wrongly.

    python benchmarks/pool.py [--seconds 0.3] [--pictures 96] [--skip 0]

The engines are processes on loopback that take a fixed time a picture, one at a time, as a card does: what is measured
is what the pool makes of them, and not any engine. First the renderer alone, then a batch of rows with a fake reward,
with its search, PNG files and journals. ``--skip 1`` begins with the batch.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import typer

from steer import Steerer
from steer.batch.folder import BatchFolder
from steer.batch.rows import read_rows
from steer.batch.run import run_batch
from steer.config import RemoteConfig, load_config
from steer.renderers import build_renderer
from steer.testing import FakeProposer, FakeReward
from tests.steer.engines import EngineProcess

COUNTED = ("pictures", "calls", "hedges", "checks", "moved", "discarded")


def pool(engines: list[EngineProcess], **settings: object) -> RemoteConfig:
    return RemoteConfig.model_validate(
        {"kind": "remote", "dialect": "sglang", "base_urls": [e.url for e in engines], **settings}
    )


def spent(renderer: object) -> str:
    usage = renderer.meter.spent()  # type: ignore[attr-defined]
    return ", ".join(f"{name} {usage[name]}" for name in COUNTED if usage.get(name))


def alone(seconds: float, pictures: int, n: int) -> float:
    engines = [EngineProcess(seconds) for _ in range(n)]
    try:
        renderer = build_renderer(pool(engines))
        renderer.render(["warm"] * n, range(n))  # the first call makes connections and has all draw one picture
        begun = time.perf_counter()
        renderer.render(["a fox"] * pictures, range(100, 100 + pictures))
        rate = pictures / (time.perf_counter() - begun)
        print(f"renderer  {n} engines  {rate:6.2f} pictures/s   {spent(renderer)}", flush=True)
        return rate
    finally:
        for engine in engines:
            engine.close()


def batch(seconds: float, pictures: int, n: int) -> float:
    engines, work = [EngineProcess(seconds) for _ in range(n)], Path(tempfile.mkdtemp())
    try:
        told = [f"search.budget={8}", "search.screen=1"]
        config = load_config("miniature", told).model_copy(update={"renderer": pool(engines)})
        steerer = Steerer(config, reward=FakeReward(), proposer=FakeProposer())
        (work / "rows.txt").write_text("\n".join(f"a fox number {i}" for i in range(pictures // 8)), encoding="utf-8")
        folder = BatchFolder(work / "batch")
        folder.begin(config.model_dump(mode="json"), [], "pool")
        folder.add(read_rows([str(work / "rows.txt")], "u1"))
        begun = time.perf_counter()
        run_batch(folder, steerer.parts)
        rate = pictures / (time.perf_counter() - begun)
        print(f"batch     {n} engines  {rate:6.2f} pictures/s   {spent(steerer.parts.renderer)}", flush=True)
        return rate
    finally:
        for engine in engines:
            engine.close()


def killed(seconds: float, pictures: int) -> None:
    engines = [EngineProcess(seconds) for _ in range(4)]
    try:
        renderer, before = build_renderer(pool(engines)), list[tuple[int, str]]()

        def kill() -> None:
            before.extend(engines[1].drawn())
            engines[1].kill()

        threading.Timer(seconds * pictures / 8, kill).start()
        results = renderer.render(["a fox"] * pictures, range(pictures))
        sent = Counter(seed for e in engines if e is not engines[1] for seed, _ in e.drawn())
        sent.update(seed for seed, _ in before)
        twice = sum(n - 1 for n in sent.values()) - renderer.meter.spent()["checks"] - renderer.meter.spent()["hedges"]
        kept = sum(not hasattr(r, "reason") for r in results)
        print(f"killed    one of 4: {kept} of {pictures} pictures, {twice} drawn twice   {spent(renderer)}")
    finally:
        for engine in engines:
            engine.close()


def wrong(seconds: float, pictures: int) -> None:
    engines = [EngineProcess(seconds, *(["wrong"] if i == 2 else [])) for i in range(4)]
    try:
        renderer = build_renderer(pool(engines))
        renderer.render(["a fox"] * pictures, range(pictures))
        print(f"wrong     one of 4, {engines[2].name}   {spent(renderer)}")
    finally:
        for engine in engines:
            engine.close()


def main(seconds: float = 0.3, pictures: int = 96, skip: int = 0) -> None:
    for measure in (alone, batch)[skip:]:
        rates = {n: measure(seconds, pictures, n) for n in (1, 2, 4)}
        print(f"          {', '.join(f'{n}: {rate / rates[1]:.2f} times' for n, rate in rates.items())}", flush=True)
    killed(seconds, pictures)
    wrong(seconds, pictures // 4)


if __name__ == "__main__":
    typer.run(main)
