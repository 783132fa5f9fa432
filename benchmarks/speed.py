"""What the faster ways of the renderer cost in reward, and save in time, on the miniature.

    python benchmarks/speed.py [--texts 8] [--rounds 3]

The same rewrites and seeds by the plain renderer and by each way, in turns: time (median ratio over rounds), the mean
and the largest change of a pixel (of 255), the mean change of the personal reward [95 % bootstrap over texts x
prompts], its largest, and the rank correlation of the rewards within a prompt and user. On a processor without the
instructions, eight bits save memory and no time.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import typer
from scipy.stats import spearmanr
from steering import PROMPTS, interval

from reward_models import Person
from steer import Steerer
from steer.config import load_config
from steer.errors import RenderError
from steer.renderers.diffusion import DiffusersRenderer
from steer.types import History, SteerRequest

WAYS: dict[str, dict[str, Any]] = {
    "bfloat16": {"dtype": "bfloat16"},
    "fused projections": {"fuse_projections": True},
    "channels last": {"channels_last": True},
    "compiled blocks": {"compile": True},
    "int8 weights": {"quantize": "int8"},
    "int8 dynamic": {"quantize": "int8-dynamic"},
    "fp8": {"quantize": "fp8"},
    "compiled, int8": {"compile": True, "quantize": "int8"},
}


def main(texts: int = 8, rounds: int = 3, users: int = 20) -> None:
    config = load_config("miniature")
    steerer = Steerer(config)
    reward = steerer.parts.reward
    people = [Person(f"u{i}") for i in range(1, users + 1)]
    work = []
    for i, prompt in enumerate(PROMPTS):
        rewrites = [
            r.text for r in steerer.parts.proposer.propose(SteerRequest(prompt, "u1", seed=i), History(), texts)
        ]
        work.append((prompt, rewrites, [i] * len(rewrites)))
    print(
        f"{'way':18s} {'speed':>6s} {'pixels':>7s} {'most':>5s} "
        f"{'change of the reward':>26s} {'most':>6s} {'ranks':>6s}"
    )
    plain = DiffusersRenderer(config.renderer)
    plain.render(*work[0][1:])
    for name, changes in WAYS.items():
        try:
            way = DiffusersRenderer(config.renderer.model_copy(update=changes))
            way.render(*work[0][1:])  # compiles
        except RenderError as error:
            print(f"{name:18s} {error}")
            continue
        ratios = [_seconds(plain, work) / _seconds(way, work) for _ in range(rounds)]
        pixels, moved, ranks = [], [], []
        for prompt, rewrites, seeds in work:
            drawn = [r.render(rewrites, seeds) for r in (plain, way)]
            pixels += [np.abs(np.asarray(a, float) - np.asarray(b, float)).mean() for a, b in zip(*drawn, strict=True)]
            liking = [
                np.array([s.personal for s in reward.judge_many(reward.read(p, [prompt] * len(p)), people)])
                for p in drawn
            ]
            moved.append((liking[1] - liking[0]).T)  # (texts, users)
            ranks += [spearmanr(a, b).statistic for a, b in zip(*liking, strict=True)]
        change = np.concatenate(moved)
        mean, low, high = interval(change.mean(1))
        print(
            f"{name:18s} {statistics.median(ratios):6.2f} {np.mean(pixels):7.2f} {np.max(pixels):5.1f} "
            f"  {mean:+.4f} [{low:+.4f}, {high:+.4f}] {np.abs(change).max():6.3f} {np.nanmean(ranks):6.3f}"
        )


def _seconds(renderer: DiffusersRenderer, work: list[tuple[str, list[str], list[int]]]) -> float:
    begun = time.perf_counter()
    for _, rewrites, seeds in work:
        renderer.render(rewrites, seeds)
    return time.perf_counter() - begun


if __name__ == "__main__":
    typer.run(main)
