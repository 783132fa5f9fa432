"""Our renderer against a plain diffusers loop, side by side; and where a run's time goes.

    python benchmarks/render.py [--rounds 5]

The miniature. Plain: its pipeline called once a batch with the prompts as texts, pictures as PIL. Ours: the same batches through the renderer, each
prompt with ``--seeds`` seeds as a search draws them. Pictures per second are medians over rounds, the two in turns; peak memory is the
card's, or the process's. Then a 48-picture run split into propose, render, score and write.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import typer

from steer import Steerer
from steer.config import load_config
from steer.renderers.diffusion import DiffusersRenderer


def plain_loop(renderer: DiffusersRenderer, prompts: list[str], seeds: list[int]) -> None:
    """What a script does that knows only diffusers."""
    c, p = renderer.config, renderer.pipeline
    call = dict(renderer.call)
    if (negative := c.negative_prompt or c.call.get("negative_prompt")) is not None:
        call["negative_prompt"] = negative
    width, height = c.size
    for start in range(0, len(prompts), c.batch_size):
        texts = prompts[start : start + c.batch_size]
        given = {
            **call,
            **({"negative_prompt": [call["negative_prompt"]] * len(texts)} if "negative_prompt" in call else {}),
        }
        generators = [torch.Generator("cpu").manual_seed(s) for s in seeds[start : start + c.batch_size]]
        with torch.inference_mode():
            _ = p(
                prompt=texts, generator=generators, width=width, height=height, num_inference_steps=c.steps, **given
            ).images


def peak_gib() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def seconds_of(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def split_run(steerer: Steerer, folder: Path) -> dict[str, float]:
    """Seconds of the main job by part; writing runs beside the rest, so the parts may add up to more than the whole."""
    spent: dict[str, float] = {}

    def timed(owner: Any, name: str, part: str) -> None:
        real = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return real(*args, **kwargs)
            finally:
                spent[part] = spent.get(part, 0.0) + time.perf_counter() - begun

        setattr(owner, name, call)

    import steer.store.run_folder as store

    timed(steerer.proposer, "propose", "propose")
    timed(steerer.renderer, "render", "render")
    timed(steerer.reward, "score", "score")
    timed(steerer.reward, "score_text_features", "screen")
    timed(store, "write_whole", "write pictures")
    timed(store, "append_line", "write journal")
    whole = seconds_of(lambda: steerer.run("a lighthouse by the sea", "u17", out=folder))
    return {**spent, "whole run": whole}


def main(rounds: int = 5, texts: int = 8, seeds: int = 2) -> None:
    renderer = DiffusersRenderer(load_config("miniature").renderer)
    phrases = ["at dawn", "at sunset", "in fog", "in the snow", "by the sea", "in a forest", "sepia", "watercolour"]
    prompts = [f"a fox {phrases[i % 8]} {i}" for i in range(texts) for _ in range(seeds)]
    numbers = [s for _ in range(texts) for s in range(seeds)]
    ways = {"plain": lambda: plain_loop(renderer, prompts, numbers), "ours": lambda: renderer.render(prompts, numbers)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for work in ways.values():
        work()  # warm
    for _ in range(rounds):
        for name, work in ways.items():
            renderer.conditioning._known.clear()  # new texts, as in a new run
            times[name].append(seconds_of(work))
    for name, each in times.items():
        print(f"{name:6s} {len(prompts) / statistics.median(each):6.2f} pictures/s")
    ratios = [p / o for p, o in zip(times["plain"], times["ours"], strict=True)]
    print(
        f"ours is {statistics.median(ratios):.2f} x plain [{min(ratios):.2f}, {max(ratios):.2f}], peak {peak_gib():.1f} GiB"
    )
    for part, taken in split_run(Steerer("miniature", renderer=renderer), Path(tempfile.mkdtemp()) / "run").items():
        print(f"{part:15s} {taken:6.2f} s")


if __name__ == "__main__":
    typer.run(main)
