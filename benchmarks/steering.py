"""Does steering raise the TRUE satisfaction of the person steered for?

    python benchmarks/steering.py --out outputs/steering-flux           # the miniature's FluxPipeline
    python benchmarks/steering.py --out outputs/steering-painter --set renderer=painter

30 users x 6 prompts. Every text found is rendered again on fresh seeds, the same for all, and judged
by the simulated people looking through the second eye, which never steered. "other" is the mean over
the texts steered for the 29 other users of the prompt. Intervals: 95 % bootstrap over users, each
the mean of their prompts. One file a prompt in --out: start the command again to go on, or twice at
once to use two processes. (After a kill -9, remove the N.taken files that have no N.json.)
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from reward_models.evaluation.statistics import rounded as interval
from steer import Steerer
from steer.config import load_config
from steer.miniature.eye import Eye, load_eye
from steer.miniature.raters import simulated_people
from steer.miniature.words import read_prompt
from steer.miniature.world import ATTRIBUTES
from steer.resources import miniature_weights
from steer.result import Result
from steer.types import RenderFailure

PROMPTS = (
    "a lighthouse by the sea",
    "a fox",
    "a castle in the mountains",
    "a sailboat at sunset",
    "a snowman on the left",
    "a robot in the city",
)
CONDITIONS = ("original", "other", "own")
Row = dict[str, float | str]


def look(steerer: Steerer, judge: Eye, text: str, seeds: list[int]) -> dict[str, np.ndarray]:
    """What the second eye reads in fresh pictures of a text."""
    pictures = steerer.parts.renderer.render([text] * len(seeds), seeds)
    return judge.read([p for p in pictures if not isinstance(p, RenderFailure)])


def steer_once(steerer: Steerer, prompt: str, user: str, budget: int, seed: int, folder: Path) -> Result:
    """A run, or the rest of it."""
    if (folder / "manifest.json").exists():
        return steerer.resume(folder)
    return steerer.run(prompt, user, budget, seed, folder)


def one_prompt(
    steerer: Steerer, judge: Eye, p: int, users: list[str], budget: int, fresh: int, runs: Path
) -> list[Row]:
    """A row a user: truth and subject read under each condition."""
    prompt, people = PROMPTS[p], simulated_people()
    results = [steer_once(steerer, prompt, u, budget, p, runs / f"{p}-{u}") for u in users]
    texts = [r.winner.rewrite.text if r.winner else prompt for r in results]
    rng = random.Random(1000 + p)
    seeds = [rng.getrandbits(31) for _ in range(fresh)]
    shown = {t: look(steerer, judge, t, seeds) for t in dict.fromkeys([prompt, *texts])}
    wanted = ATTRIBUTES["subject"].index(read_prompt(prompt)["subject"])
    rows = []
    for k, user in enumerate(users):
        others = [t for j, t in enumerate(texts) if j != k]
        row: Row = {"user": user, "prompt": prompt, "text": texts[k], "predicted": results[k].gain or 0.0}
        for condition, own in (("original", [prompt]), ("other", others), ("own", [texts[k]])):
            row[condition] = float(np.mean([people[user].satisfaction(shown[t]).mean() for t in own]))
            row[f"{condition} subject"] = float(
                np.mean([(shown[t]["subject"].argmax(1) == wanted).mean() for t in own])
            )
        rows.append(row)
        print(f"{user:5s} {row['original']:.2f} -> {row['own']:.2f}  {texts[k]}", flush=True)
    return rows


def by_user(rows: list[Row], *keys: str) -> np.ndarray:
    """Per user the mean of the first key, less that of the second where one is given, (users,)."""
    users: dict[str, list[float]] = {}
    for row in rows:
        value = float(row[keys[0]]) - (float(row[keys[1]]) if len(keys) > 1 else 0.0)
        users.setdefault(str(row["user"]), []).append(value)
    return np.asarray([np.mean(v) for v in users.values()])


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results; what is there is not done again.")],
    settings: Annotated[list[str] | None, typer.Option("--set", "-s")] = None,
    users: int = 30,
    budget: int = 48,
    fresh: int = 6,
) -> None:
    config = load_config("miniature", settings or ())
    steerer, judge = Steerer(config), load_eye(miniature_weights("judge"))
    chosen = random.Random(0).sample([f"u{i}" for i in range(1, 157)], users)  # all of them known to the reward
    out.mkdir(parents=True, exist_ok=True)
    for p in range(len(PROMPTS)):
        try:
            (out / f"{p}.taken").touch(exist_ok=False)
        except FileExistsError:
            continue
        begun = time.monotonic()
        try:
            rows = one_prompt(steerer, judge, p, chosen, budget, fresh, out / "runs")
        except BaseException:
            (out / f"{p}.taken").unlink()
            raise
        done = {"seconds": round(time.monotonic() - begun), "rows": rows}
        (out / f"{p}.json").write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
    files = sorted(out.glob("[0-9]*.json"))
    if len(files) < len(PROMPTS):
        return print(f"{len(files)} of {len(PROMPTS)} prompts done; another process has the rest")
    saved = [json.loads(f.read_text(encoding="utf-8")) for f in files]
    rows = [row for s in saved for row in s["rows"]]
    report = {
        "renderer": steerer.parts.renderer.name,
        "users": users,
        "prompts": len(files),
        "budget": budget,
        "process seconds": sum(s["seconds"] for s in saved),
        "truth": {c: interval(by_user(rows, c)) for c in CONDITIONS},
        "own - original": interval(by_user(rows, "own", "original")),
        "own - other": interval(by_user(rows, "own", "other")),
        "other - original": interval(by_user(rows, "other", "original")),
        "predicted gain": interval(by_user(rows, "predicted")),
        "subject read": {c: interval(by_user(rows, f"{c} subject")) for c in CONDITIONS},
        "subject read by prompt": {
            s["rows"][0]["prompt"]: {
                c: round(float(np.mean([r[f"{c} subject"] for r in s["rows"]])), 3) for c in CONDITIONS
            }
            for s in saved
        },
    }
    print(json.dumps(report, indent=1))
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
