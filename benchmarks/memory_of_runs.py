"""Does a person's second and third run begin better than the first, as earlier runs are remembered?

    python benchmarks/memory_of_runs.py --out outputs/memory --set renderer=painter

People of the miniature whom the reward never saw, each known by a few ratings (--ratings), have three runs on three
subjects, one after another; the order of the subjects turns with the person. With memory (search.memory) each run knows
what the earlier ones drew, without it none does. Both have the same prompts, seeds and people, so a run is compared
with itself. --screen 1 renders every text, as with a reward that cannot imagine pictures; 24 is the preset's.

What counts is the truth of the picture held after k pictures, through the second eye. Intervals: 95 % bootstrap over
people. One file a (person, way) in --out: start again to go on.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from asking import AT, UNSEEN, Watcher, known_by, run_once
from steering import PROMPTS, interval

from steer.config import load_config
from steer.miniature.eye import load_eye
from steer.miniature.raters import simulated_people
from steer.parts import Parts
from steer.resources import miniature_weights
from steer.users.store import UserStore

RUNS = 3


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results; what is there is not done again.")],
    settings: Annotated[list[str] | None, typer.Option("--set", "-s")] = None,
    people: int = 8,
    first: Annotated[int, typer.Option(help="Number of the first person, to share the work.")] = 0,
    ratings: int = 5,
    budget: int = 16,
    screen: Annotated[str, typer.Option(help="Values of search.screen.")] = "1,24",
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    base = Parts(load_config("miniature", settings or ()))
    eye, judge = load_eye(miniature_weights("eye")), load_eye(miniature_weights("judge"))
    for k, (name, person) in list(enumerate(list(simulated_people().items())[UNSEEN:]))[first : first + people]:
        prompts = [PROMPTS[(k + i) % len(PROMPTS)] for i in range(RUNS)]
        for many in screen.split(","):
            for memory in ("false", "true"):
                file = out / f"{name}-{many}-{memory}.json"
                if file.exists():
                    continue
                flags = [*(settings or ()), f"search.screen={many}", f"search.memory={memory}"]
                store = UserStore(Path(tempfile.mkdtemp()) / "users.db")
                known_by(store, f"new-{name}", person, eye, ratings, 0)
                parts = Parts(load_config("miniature", flags), reward=base.reward, renderer=base.renderer, store=store)
                runs = []
                for i, prompt in enumerate(prompts):
                    watcher = Watcher(person, eye, i)
                    runs.append(run_once(parts, watcher, judge, prompt, f"new-{name}", budget, i))
                file.write_text(json.dumps({"person": name, "screen": many, "memory": memory, "runs": runs}), "utf-8")
    for many in screen.split(","):
        report(out, many)


def report(out: Path, many: str) -> None:
    """With memory less without, by run and number of pictures; and the three runs with memory."""
    rows = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(out.glob(f"*-{many}-*.json"))]
    by_way = {m: {r["person"]: r["runs"] for r in rows if r["memory"] == m} for m in ("false", "true")}
    common = sorted(set(by_way["false"]) & set(by_way["true"]))
    if not common:
        return
    held = {m: np.array([[run["held"] for run in by_way[m][p]] for p in common]) for m in by_way}  # (people, runs, k)
    print(f"search.screen={many}: {len(common)} people; held after {AT} pictures")
    for m, values in held.items():
        for i in range(RUNS):
            print(f"memory {m:5s} run {i + 1}: {' '.join(str(interval(values[:, i, k])) for k in range(len(AT)))}")
    gain = held["true"] - held["false"]
    for i in range(1, RUNS):
        print(f"gain in run {i + 1}: {' '.join(str(interval(gain[:, i, k])) for k in range(len(AT)))}")
    both = gain[:, 1:].mean(1)
    print(f"gain in runs 2 and 3: {' '.join(str(interval(both[:, k])) for k in range(len(AT)))}")


if __name__ == "__main__":
    typer.run(main)
