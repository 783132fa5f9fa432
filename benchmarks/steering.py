"""Does steering raise the TRUE satisfaction of the person steered for?

    python benchmarks/steering.py --set renderer=painter
    python benchmarks/steering.py                          # the miniature's FluxPipeline

40 user x prompt pairs: 10 users on each of 4 prompts. Every text is rendered again on fresh seeds,
the same for all, and judged by the simulated people looking through the second eye, which never
steered. "other" is the mean over the texts steered for the 9 other users of the prompt.
Intervals: 95 % bootstrap over pairs, of the paired difference.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from steer import Steerer
from steer.config import load_config
from steer.miniature.eye import load_eye
from steer.miniature.raters import simulated_people
from steer.miniature.words import read_prompt
from steer.miniature.world import ATTRIBUTES
from steer.resources import miniature_weights
from steer.types import RenderFailure

PROMPTS = ("a lighthouse by the sea", "a fox", "a castle in the mountains", "a sailboat at sunset")
CONDITIONS = ("original", "other", "own")


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval over rows."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (4000, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def main(
    settings: Annotated[list[str] | None, typer.Option("--set", "-s")] = None,
    users: int = 10, budget: int = 48, fresh: int = 6, seed: int = 0, out: Path | None = None,
) -> None:  # fmt: skip
    config = load_config("miniature", settings or ())
    steerer, judge = Steerer(config), load_eye(miniature_weights("judge"))
    people = simulated_people()
    rng = random.Random(seed)
    seen = [f"u{i}" for i in range(1, 157)]
    begun = time.monotonic()
    truth: dict[str, list[float]] = {c: [] for c in CONDITIONS}
    subject: dict[str, list[float]] = {c: [] for c in CONDITIONS}
    predicted = []
    with tempfile.TemporaryDirectory() as folder:
        for p, prompt in enumerate(PROMPTS):
            chosen = rng.sample(seen, users)
            results = [steerer.run(prompt, u, budget, seed, f"{folder}/{p}-{u}") for u in chosen]
            texts = [r.winner.rewrite.text for r in results]
            seeds = [rng.getrandbits(31) for _ in range(fresh)]
            shown = {t: look(steerer, judge, t, seeds) for t in dict.fromkeys([prompt, *texts])}
            wanted = ATTRIBUTES["subject"].index(read_prompt(prompt)["subject"])
            for k, user in enumerate(chosen):
                others = [t for j, t in enumerate(texts) if j != k]
                for condition, own in (("original", [prompt]), ("other", others), ("own", [texts[k]])):
                    liked = [people[user].satisfaction(shown[t]).mean() for t in own]
                    kept = [(shown[t]["subject"].argmax(1) == wanted).mean() for t in own]
                    truth[condition].append(float(np.mean(liked)))
                    subject[condition].append(float(np.mean(kept)))
                predicted.append(results[k].gain)
                print(f"{user:5s} {truth['original'][-1]:.2f} -> {truth['own'][-1]:.2f}  {texts[k]}", flush=True)
    arrays = {c: np.asarray(v) for c, v in truth.items()}
    report = {
        "renderer": steerer.renderer.name, "pairs": len(predicted), "budget": budget,
        "seconds": round(time.monotonic() - begun),
        "truth": {c: interval(a) for c, a in arrays.items()},
        "own - original": interval(arrays["own"] - arrays["original"]),
        "own - other": interval(arrays["own"] - arrays["other"]),
        "other - original": interval(arrays["other"] - arrays["original"]),
        "predicted gain": interval(np.asarray(predicted)),
        "subject read": {c: float(np.mean(v)) for c, v in subject.items()},
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    if out:
        out.write_text(json.dumps(report, indent=1) + "\n")


def look(steerer: Steerer, judge, text: str, seeds: list[int]) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    """What the second eye reads in fresh pictures of a text."""
    pictures = steerer.renderer.render([text] * len(seeds), seeds)
    return judge.read([p for p in pictures if not isinstance(p, RenderFailure)])


if __name__ == "__main__":
    typer.run(main)
