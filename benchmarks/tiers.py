"""Do drafts rank as full pictures do?

    python benchmarks/tiers.py [--texts 12] [--users 20]

Drafts of several kinds, and previews (what the model expects after some steps, the picture being drawn to its end).
For each prompt the rewrites of a first round, one seed each, drawn in full and as drafts of several kinds; the rank
correlation (Spearman) of the personal reward of drafts and of full pictures within a prompt and user, the share of
times that the best draft is the best in full or within .02 of it, and the time a draft takes of a full picture's. Mean
over users x prompts [95 % bootstrap over users].
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import typer
from scipy.stats import spearmanr
from steering import PROMPTS, interval

from reward_models import Person
from steer import Steerer
from steer.config import DraftConfig, PreviewConfig, load_config
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.drafts import Drafts
from steer.renderers.previews import EulerPreviews
from steer.types import History, SteerRequest, Stopped

KINDS = {
    "4 steps": DraftConfig(steps=4),
    "3 steps": DraftConfig(steps=3),
    "2 steps": DraftConfig(steps=2),
    "1 step": DraftConfig(steps=1),
    "3/4 size": DraftConfig(scale=0.75),
    "half size": DraftConfig(scale=0.5),
}


PREVIEWS = {
    f"preview {step} of 6{', half size' if scale < 1 else ''}": PreviewConfig(step=step, scale=scale)
    for step in (2, 3, 4, 5)
    for scale in (1.0, 0.5)
}


class Look:
    """Pictures as their previews show them."""

    def __init__(self, renderer: DiffusersRenderer, preview: PreviewConfig):
        self.previews = EulerPreviews(renderer.pipeline, renderer.config.size, preview, renderer.draw_one)

    def render(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Any]:
        stopped = self.previews.render(prompts, seeds, lambda *_: False)
        return [s.preview if isinstance(s, Stopped) else s for s in stopped]


def main(texts: int = 12, users: int = 20) -> None:
    steerer = Steerer(load_config("miniature"))
    renderer, reward = steerer.parts.renderer, steerer.parts.reward
    assert isinstance(renderer, DiffusersRenderer)
    people = [Person(u) for u in random.Random(0).sample([f"u{i}" for i in range(1, 157)], users)]
    looks = {name: Look(renderer, preview) for name, preview in PREVIEWS.items()}
    ways: dict[str, Any] = {"full": renderer, **{n: Drafts(renderer, d) for n, d in KINDS.items()}, **looks}
    seconds = dict.fromkeys(ways, 0.0)
    correlation: dict[str, list[np.ndarray]] = {name: [] for name in ways if name != "full"}
    kept: dict[str, list[np.ndarray]] = {name: [] for name in ways if name != "full"}
    for i, prompt in enumerate(PROMPTS):
        rewrites = [
            r.text for r in steerer.parts.proposer.propose(SteerRequest(prompt, "u1", seed=i), History(), texts)
        ]
        liking = {}
        for name, way in ways.items():
            begun = time.perf_counter()
            pictures = way.render(rewrites, [i] * len(rewrites))
            seconds[name] += time.perf_counter() - begun
            scores = reward.judge_many(reward.read(pictures, [prompt] * len(pictures)), people)
            liking[name] = np.array([s.personal for s in scores])  # (users, texts)
        full = liking["full"]
        for name in correlation:
            correlation[name].append(
                np.array([spearmanr(d, f).statistic for d, f in zip(liking[name], full, strict=True)])
            )
            chosen = full[np.arange(users), liking[name].argmax(1)]
            kept[name].append((chosen >= full.max(1) - 0.02).astype(float))
    print(f"{'draft':24s} {'rank correlation':>22s} {'best kept':>10s} {'time of full':>13s}")
    for name in correlation:
        mean, low, high = interval(np.mean(correlation[name], axis=0))
        share = float(np.mean(kept[name]))
        print(f"{name:24s}   {mean:.3f} [{low:.3f}, {high:.3f}] {share:10.2f} {seconds[name] / seconds['full']:13.2f}")


if __name__ == "__main__":
    typer.run(main)
