"""Steering from a card alone: P-MLLM is the reward, nobody has rated anything.

    python -m trainers profile-mllm
    python benchmarks/card_steering.py [--reward training/profile-mllm/many/reward] [--people 34] [--renderer painter]

For each of the miniature's people that no reward was trained on: a run for what they say of themselves, for what
somebody else says, for nobody in particular (the same reward without a card, and PAMELA's population), and the prompt
as typed. Equal pictures; the first pictures of all runs have the same seeds. Judged by the person's true liking, read
by an eye that took no part. Mean [95 % bootstrap over people],
paired by person.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from reward_models.evaluation.pages import as_interval
from reward_models.evaluation.statistics import bootstrap
from reward_models.pictures import read_picture
from steer import Steerer
from steer.config import load_config
from steer.miniature.dataset import N_SEEN, N_VAL_UNSEEN
from steer.miniature.eye import load_eye
from steer.miniature.profiles import self_report
from steer.miniature.raters import simulated_people
from steer.resources import miniature_weights
from steer.users.store import UserStore

PROMPTS = ("a lighthouse by the sea", "a fox", "a castle in the mountains", "a robot in the city")


def main(
    reward: Path = Path("training/profile-mllm/many/reward"),
    people: Annotated[int, typer.Option(help="Unseen people.")] = 34,
    prompts: Annotated[int, typer.Option(help="How many of the prompts.")] = 2,
    budget: Annotated[int, typer.Option(help="Pictures a run.")] = 12,
    renderer: str = "painter",
    out: Path = Path("training/profile-mllm/steering.json"),
) -> None:
    """See the module."""
    everybody = list(simulated_people().values())[N_SEEN + N_VAL_UNSEEN :][:people]
    eye = load_eye(miniature_weights("judge"))
    likings: dict[str, list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = UserStore(Path(folder) / "users.db")
        for person in everybody:
            report = self_report(person)
            store.add(person.id, {**person.demographics, **report.fields()}, report.words())
        settings = [f"renderer={renderer}", "search.patience=99", "search.worth=0"]
        by_card = Steerer(load_config("miniature", [*settings, f"reward={reward}"]), store=store)
        by_many = Steerer(load_config("miniature", settings))

        def liked(steerer: Steerer, user: str, prompt: str, number: int) -> tuple[float, float]:
            """What the person truly makes of the run's winner, and of the prompt as typed on the same seed."""
            name = f"{len(list(Path(folder).iterdir()))}"
            result = steerer.run(prompt, user, budget, out=Path(folder) / name)
            assert result.best is not None
            same = [c for c in result.candidates if c.rewrite.text == prompt and c.picture]
            found = []
            for chosen in (result.best, next((c for c in same if c.seed == result.best.seed), same[0])):
                assert chosen.picture is not None
                read = eye.read([read_picture(Path(result.folder) / chosen.picture, ("PNG",))])
                found.append(float(everybody[number].satisfaction(read)[0]))
            return found[0], found[1]

        for number, person in enumerate(everybody):
            other = everybody[(number + 1) % len(everybody)]
            rows: dict[str, list[float]] = {}
            for prompt in PROMPTS[:prompts]:
                own, plain = liked(by_card, person.id, prompt, number)
                rows.setdefault("own card", []).append(own)
                rows.setdefault("somebody else's card", []).append(liked(by_card, other.id, prompt, number)[0])
                rows.setdefault("no card", []).append(liked(by_card, "average", prompt, number)[0])
                rows.setdefault("PAMELA's population", []).append(liked(by_many, "average", prompt, number)[0])
                rows.setdefault("the prompt as typed", []).append(plain)
            for name, values in rows.items():
                likings.setdefault(name, []).append(values)
            print(person.id, {name: round(float(np.mean(v)), 3) for name, v in rows.items()}, flush=True)
    means = {name: np.mean(values, axis=1) for name, values in likings.items()}
    print("| steered for | liking | own card less this |\n|---|---|---|")
    for name, each in means.items():
        apart = as_interval(bootstrap(means["own card"] - each), signed=True) if name != "own card" else ""
        print(f"| {name} | {as_interval(bootstrap(each))} | {apart} |")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps({"people": [p.id for p in everybody], "likings": likings}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    typer.run(main)
