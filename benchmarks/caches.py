"""What the denoiser's caches skip, cost and save, on the miniature; and drafts by cache and fewer steps together.

    python benchmarks/caches.py [--steps 20] [--texts 8] [--users 20] [--rounds 1] [--drafts]
        [--only "8 steps;8 steps, taylorseer"] [--out FILE]

For each prompt the rewrites of a first round, one seed each, drawn in full and by each way, in turns on the same cores.
Blocks: computed, of those in full. Skipped: steps in which most blocks were. Change: of the personal reward [95 %
bootstrap over users]; ranks: Spearman's correlation of the personal reward with that of the full pictures within a
prompt and user; kept: how often the best of a way is the best in full or within .02 of it. Time: of the whole call, a
median over prompts and rounds, as a share of the full picture's; cpu: the same of the processor's time, which other
work on the machine disturbs less. First-block and sea draw pictures one by one, so "alone" compares the processor's
time with that of full pictures drawn one by one. --drafts: instead of the ways, drafts of fewer steps with and
without a cache, and the cheapest at .95.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import typer
from scipy.stats import spearmanr
from steering import PROMPTS, interval

from reward_models import Person
from steer import Steerer
from steer.config import DiffusersConfig, load_config
from steer.renderers.diffusion import DiffusersRenderer
from steer.types import History, SteerRequest

Way = dict[str, Any]  # changes of the renderer's settings

WAYS: dict[str, Way] = {
    "first-block .05": {"cache": "first-block", "cache_settings": {"threshold": 0.05}},
    "first-block .1": {"cache": "first-block"},
    "first-block .2": {"cache": "first-block", "cache_settings": {"threshold": 0.2}},
    "sea .15": {"cache": "sea"},
    "sea .3": {"cache": "sea", "cache_settings": {"threshold": 0.3}},
    "sea .3, 4 in a row": {"cache": "sea", "cache_settings": {"threshold": 0.3, "in_a_row": 4}},
    "taylorseer, 1 in a row": {"cache": "taylorseer", "cache_settings": {"in_a_row": 1}},
    "taylorseer": {"cache": "taylorseer"},
    "taylorseer, order 2": {"cache": "taylorseer", "cache_settings": {"order": 2}},
    "taylorseer, 4 in a row": {"cache": "taylorseer", "cache_settings": {"in_a_row": 4}},
    "mag .05": {"cache": "mag", "cache_settings": {"threshold": 0.05}},
    "mag .1": {"cache": "mag"},
    "mag .2": {"cache": "mag", "cache_settings": {"threshold": 0.2}},
}
CACHES: dict[str, Way] = {
    "": {},
    "sea .3": {"cache": "sea", "cache_settings": {"threshold": 0.3, "first": 1}},
    "taylorseer": {"cache": "taylorseer", "cache_settings": {"in_a_row": 1, "first": 2}},
    "mag .1": {"cache": "mag", "cache_settings": {"first": 2}},
}
SHARES = (0.75, 0.6, 0.5, 0.4, 0.3)  # of the steps


class Counted:
    """A renderer, and what its denoiser computed."""

    def __init__(self, config: DiffusersConfig):
        self.renderer = DiffusersRenderer(config)
        self.blocks, self.calls, self.skipped, self._now = 0, 0, 0, 0
        model = self.renderer.pipeline.transformer
        parts = [p for name, p in model.named_modules() if name.endswith("attn.to_q")]
        for part in parts:
            part.register_forward_pre_hook(self._block)
        model.register_forward_pre_hook(self._begin, with_kwargs=True)
        model.register_forward_hook(lambda *_: self._end(len(parts)))

    def _begin(self, _model: Any, args: Any, given: dict[str, Any]) -> None:
        self._now, self._rows = 0, len((args or [given["hidden_states"]])[0])

    def _block(self, _part: Any, inputs: Any) -> None:
        self._now += 1

    def _end(self, whole: int) -> None:
        self.blocks += self._now * self._rows
        self.calls += self._rows
        self.skipped += self._rows * (self._now * 2 < whole)

    def __call__(self, texts: list[str], seeds: list[int]) -> tuple[list[Any], np.ndarray]:
        begun = time.perf_counter(), time.process_time()
        pictures = self.renderer.render(texts, seeds)
        return pictures, np.array([time.perf_counter() - begun[0], time.process_time() - begun[1]])


def drafts(steps: int) -> dict[str, Way]:
    """Fewer steps, and a cache beside."""
    found = {}
    for share in SHARES:
        few = max(2, round(steps * share))
        for name, way in CACHES.items():
            found[f"{few} steps{', ' + name if name else ''}"] = {"steps": few, **way}
    return {**{name: way for name, way in CACHES.items() if name}, **found}


def main(
    steps: int = 20,
    texts: int = 8,
    users: int = 20,
    rounds: int = 1,
    prompts: int = len(PROMPTS),
    drafts_too: bool = typer.Option(False, "--drafts"),
    only: str = "",
    out: Path | None = None,
) -> None:
    steerer = Steerer(load_config("miniature"))
    reward = steerer.parts.reward
    people = [Person(u) for u in random.Random(0).sample([f"u{i}" for i in range(1, 157)], users)]
    plain = load_config("miniature").renderer.model_dump() | {"steps": steps}

    def counted(way: Way) -> Counted:
        return Counted(DiffusersConfig.model_validate({**plain, **way}))

    ways = drafts(steps) if drafts_too else WAYS
    ways = {name: way for name, way in ways.items() if not only or name in only.split(";")}
    full, alone = counted({}), counted({"batch_size": 1})
    each = {name: counted(way) for name, way in ways.items()}
    work = []
    for i, prompt in enumerate(PROMPTS[:prompts]):
        asked = SteerRequest(prompt, "u1", seed=i)
        work.append((prompt, [r.text for r in steerer.parts.proposer.propose(asked, History(), texts)], i))
    for renderer in (full, alone, *each.values()):
        renderer(work[0][1][:1], [0])  # warm; MagCache measures
        renderer.blocks = renderer.calls = renderer.skipped = 0
    rows: dict[str, dict[str, list[Any]]] = {n: {k: [] for k in ("change", "ranks", "kept", "time")} for n in each}
    for prompt, rewrites, seed in work:
        seeds = [seed] * len(rewrites)
        drawn: dict[str, list[Any]] = {}
        for _ in range(rounds):
            (pictures, together), (_, single) = full(rewrites, seeds), alone(rewrites, seeds)
            for name, renderer in each.items():
                drawn[name], taken = renderer(rewrites, seeds)
                rows[name]["time"].append((*(taken / together), taken[1] / single[1]))
        best = _liking(reward, pictures, prompt, people)
        for name in each:
            liking = _liking(reward, drawn[name], prompt, people)
            rows[name]["change"].append((liking - best).mean(1))
            rows[name]["ranks"].append([spearmanr(a, b).statistic for a, b in zip(liking, best, strict=True)])
            chosen = best[np.arange(users), liking.argmax(1)]
            rows[name]["kept"].append(chosen >= best.max(1) - 0.02)
    table = {}
    for name, row in rows.items():
        renderer = each[name]
        whole = full.blocks / full.calls * steps
        table[name] = {
            "blocks": renderer.blocks / renderer.calls * renderer.renderer.config.steps / whole,
            "skipped": renderer.skipped / renderer.calls,
            "change": interval(np.mean(row["change"], axis=0)),
            "ranks": interval(np.nanmean(row["ranks"], axis=0)),
            "kept": float(np.mean(row["kept"])),
            **dict(zip(("time", "cpu", "alone"), np.median(row["time"], axis=0).tolist(), strict=True)),
        }
    _show(table, steps)
    if drafts_too:
        safe = {n: r for n, r in table.items() if r["ranks"][0] >= 0.95}
        by = min(safe, key=lambda n: safe[n]["blocks"], default=None)
        print(f"the cheapest at a rank agreement of .95, by blocks: {by}" if by else "none reaches .95")
    if out:
        out.write_text(json.dumps(table, indent=1), encoding="utf-8")


def _liking(reward: Any, pictures: list[Any], prompt: str, people: list[Person]) -> np.ndarray:
    scores = reward.judge_many(reward.read(pictures, [prompt] * len(pictures)), people)
    return np.array([s.personal for s in scores])  # (users, texts)


def _show(table: dict[str, dict[str, Any]], steps: int) -> None:
    print(f"of {steps} steps in full")
    print(
        f"{'way':24s} {'blocks':>6s} {'skipped':>8s} {'change of the reward':>26s} "
        f"{'ranks':>22s} {'kept':>5s} {'time':>5s} {'cpu':>5s} {'alone':>6s}"
    )
    for name, r in table.items():
        mean, low, high = r["change"]
        rank, lowest, highest = r["ranks"]
        print(
            f"{name:24s} {r['blocks']:6.2f} {r['skipped']:8.2f}   {mean:+.4f} [{low:+.4f}, {high:+.4f}] "
            f"  {rank:.3f} [{lowest:.3f}, {highest:.3f}] {r['kept']:5.2f} "
            f"{r['time']:5.2f} {r['cpu']:5.2f} {r['alone']:6.2f}"
        )


if __name__ == "__main__":
    typer.run(main)
