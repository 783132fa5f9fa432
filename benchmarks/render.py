"""Our renderer against a plain diffusers loop, side by side; and where a run's time goes.

    python benchmarks/render.py [--rounds 5]                          # the miniature, on this machine
    python benchmarks/render.py --model sdxl --rounds 3 --seeds 1     # full size, random weights, on a card; or flux
    python benchmarks/render.py --card [--out card.json]              # all of it on a card of 80 GB: see card.py
    python benchmarks/render.py --card --tiny                         # the same code on tiny models, without a card

Plain: the pipeline called once a batch with the prompts as texts, pictures as PIL, bf16 and eager. Ours: the same
batches through the renderer with what its settings can do (on a card: compiled blocks, fused projections, channels
last). Pictures per second are medians over rounds, the two in turns; peak memory is the card's, or the process's. On a
card also the share of its measured bf16 matrix rate that the denoiser's arithmetic takes, by torch's own count. Then a
48-picture run split into propose, render, score and write.
"""

from __future__ import annotations

import copy
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
from steer.judging.judge import Judge
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
    from steer.store.files import LineFile

    timed(steerer.parts.proposer, "propose", "propose")
    timed(steerer.parts.renderer, "render", "render")
    timed(steerer.parts.renderer.pipeline.vae, "decode", "of it decode")
    timed(Judge, "score", "score")
    timed(Judge, "imagine", "screen")
    timed(steerer.parts.reward, "text_features", "read texts")
    timed(store, "write_whole", "write pictures")
    timed(LineFile, "append", "write journal")
    timed(LineFile, "sync", "sync journal")
    whole = seconds_of(lambda: steerer.run("a lighthouse by the sea", "u17", out=folder))
    return {**spent, "whole run": whole}


def matrix_rate(side: int = 8192, times: int = 30) -> float:
    """bf16 operations a second of the card at a large matrix product."""
    x, y = (torch.randn(side, side, device="cuda", dtype=torch.bfloat16) for _ in "xy")
    for _ in range(3):
        x @ y
    torch.cuda.synchronize()
    return times * 2 * side**3 / seconds_of(lambda: [x @ y for _ in range(times)])


def operations(renderer: DiffusersRenderer) -> int:
    """Of one picture, in the whole pipeline."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        plain_loop(renderer, ["a fox"] * renderer.batch_size, list(range(renderer.batch_size)))
    return int(counter.get_total_flops()) // renderer.batch_size


def pair(model: str) -> tuple[DiffusersRenderer, DiffusersRenderer]:
    """The plain loop's pipeline and ours."""
    if model == "miniature":
        renderer = DiffusersRenderer(load_config("miniature").renderer)
        return renderer, renderer
    from full_pipelines import build

    config = load_config({"sdxl": "sdxl", "flux": "flux1-dev"}[model]).renderer
    fast = config.model_copy(update={"compile": True, "fuse_projections": True, "channels_last": model == "sdxl"})
    eager = build(model, "cuda", torch.bfloat16)
    return DiffusersRenderer(config, eager), DiffusersRenderer(fast, copy.deepcopy(eager))


def main(
    model: str = "miniature",
    rounds: int = 5,
    texts: int = 8,
    seeds: int = 2,
    card: bool = False,
    tiny: bool = False,
    minutes: float = 7.5,
    only: str = "",
    out: Path | None = None,
) -> None:
    if card:
        from card import run

        return run(tiny, minutes, [name for name in only.split(",") if name], out)
    plain, ours = pair(model)
    phrases = ["at dawn", "at sunset", "in fog", "in the snow", "by the sea", "in a forest", "sepia", "watercolour"]
    prompts = [f"a fox {phrases[i % 8]} {i}" for i in range(texts) for _ in range(seeds)]
    numbers = [s for _ in range(texts) for s in range(seeds)]
    ways = {"plain": lambda: plain_loop(plain, prompts, numbers), "ours": lambda: ours.render(prompts, numbers)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for work in ways.values():
        work()  # warm, and compiled
    for _ in range(rounds):
        for name, work in ways.items():
            ours.conditioning._known.clear()  # new texts, as in a new run
            times[name].append(seconds_of(work))
    for name, each in times.items():
        print(f"{name:6s} {len(prompts) / statistics.median(each):6.2f} pictures/s")
    ratios = [p / o for p, o in zip(times["plain"], times["ours"], strict=True)]
    print(
        f"ours is {statistics.median(ratios):.2f} x plain [{min(ratios):.2f}, {max(ratios):.2f}], "
        f"peak {peak_gib():.1f} GiB"
    )
    if torch.cuda.is_available():
        rate, each = matrix_rate(), operations(plain)
        for name, taken in times.items():
            share = each * len(prompts) / statistics.median(taken) / rate
            print(f"{name:6s} {share:.0%} of the card's {rate / 1e12:.0f} TFLOP/s at bf16 matrices")
    for part, spent in split_run(Steerer("miniature", renderer=ours), Path(tempfile.mkdtemp()) / "run").items():
        print(f"{part:15s} {spent:6.2f} s")


if __name__ == "__main__":
    typer.run(main)
