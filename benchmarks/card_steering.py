"""Steering from a card alone: P-MLLM is the reward, nobody has rated anything.

    python -m trainers profile-mllm
    python benchmarks/card_steering.py [--reward training/profile-mllm/many/reward] [--people 34] [--renderer painter]

For each of the miniature's people that no reward was trained on: a run for what they say of themselves, for what
somebody else says, for nobody in particular (the same reward without a card, and PAMELA's population), and the prompt
as typed. Equal pictures; the first pictures of all runs have the same seeds. Judged by the person's true liking, read
by an eye that took no part, and by the held-out reward, which is taught each person by 40 of their ratings. Mean [95 %
bootstrap over people], paired by person.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from reward_models import Evidence, Seen
from reward_models import load as load_reward
from reward_models.evaluation.pages import as_interval
from reward_models.evaluation.statistics import bootstrap
from reward_models.pictures import read_picture
from reward_models.ratings.sets import load_ratings
from reward_models.teaching import teacher_of
from steer import Steerer
from steer.config import load_config
from steer.miniature.crowd import read_pictures
from steer.miniature.dataset import N_SEEN, N_VAL_UNSEEN
from steer.miniature.eye import load_eye
from steer.miniature.person import SimulatedPerson
from steer.miniature.profiles import self_report
from steer.miniature.raters import simulated_people
from steer.resources import MINIATURE_HELD_OUT, miniature_weights
from steer.users.store import UserStore

RATED = 40  # pictures by which the held-out reward knows each person
PROMPTS = ("a lighthouse by the sea", "a fox", "a castle in the mountains", "a robot in the city")


class HeldOut:
    """What the reward that never steers makes of pictures, for people who have rated some of the data set's."""

    def __init__(self, people: Sequence[SimulatedPerson], dataset: Path):
        files = sorted(load_ratings(dataset).split("val_seen")["picture"].unique())[:RATED]
        images = [read_picture(dataset / f, ("PNG",)) for f in files]
        read, rng = read_pictures(dataset, files), np.random.default_rng(12)
        self.reward = load_reward(MINIATURE_HELD_OUT)
        teacher = teacher_of(self.reward)
        seen = [Seen(kept) for kept in teacher.keep(images)]
        for person in people:
            rated = (person.rate(person.satisfaction(read), rng) - 1) / 4
            teacher.learn(f"new {person.id}", Evidence(seen, rated.tolist(), demographics=person.demographics))

    def liking(self, person: SimulatedPerson, picture: Image.Image, prompt: str) -> float:
        """In [0, 1]."""
        (score,) = self.reward.judge_many(self.reward.read([picture], [prompt]), [f"new {person.id}"])
        return float(score.personal[0])


def main(
    reward: Path = Path("training/profile-mllm/many/reward"),
    people: Annotated[int, typer.Option(help="Unseen people.")] = 34,
    prompts: Annotated[int, typer.Option(help="How many of the prompts.")] = 2,
    budget: Annotated[int, typer.Option(help="Pictures a run.")] = 12,
    renderer: str = "painter",
    dataset: Path = Path("training/pamela"),
    out: Path = Path("training/profile-mllm/steering.json"),
) -> None:
    """See the module."""
    everybody = list(simulated_people().values())[N_SEEN + N_VAL_UNSEEN :][:people]
    eye = load_eye(miniature_weights("judge"))
    held_out = HeldOut(everybody, dataset)
    likings: dict[str, list[list[tuple[float, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = UserStore(Path(folder) / "users.db")
        for person in everybody:
            report = self_report(person)
            store.add(person.id, {**person.demographics, **report.fields()}, report.words())
        settings = [f"renderer={renderer}", "search.patience=99", "search.worth=0"]
        by_card = Steerer(load_config("miniature", [*settings, f"reward={reward}"]), store=store)
        by_many = Steerer(load_config("miniature", settings))

        def liked(steerer: Steerer, user: str, prompt: str, number: int) -> list[tuple[float, float]]:
            """What person and held-out reward make of the run's winner, and of the prompt as typed on the same seed."""
            name = f"{len(list(Path(folder).iterdir()))}"
            result = steerer.run(prompt, user, budget, out=Path(folder) / name)
            assert result.best is not None
            same = [c for c in result.candidates if c.rewrite.text == prompt and c.picture]
            found = []
            for chosen in (result.best, next((c for c in same if c.seed == result.best.seed), same[0])):
                assert chosen.picture is not None
                picture, person = read_picture(Path(result.folder) / chosen.picture, ("PNG",)), everybody[number]
                truly = float(person.satisfaction(eye.read([picture]))[0])
                found.append((truly, held_out.liking(person, picture, prompt)))
            return found

        for number, person in enumerate(everybody):
            other = everybody[(number + 1) % len(everybody)]
            rows: dict[str, list[tuple[float, float]]] = {}
            for prompt in PROMPTS[:prompts]:
                own, plain = liked(by_card, person.id, prompt, number)
                rows.setdefault("own card", []).append(own)
                rows.setdefault("somebody else's card", []).append(liked(by_card, other.id, prompt, number)[0])
                rows.setdefault("no card", []).append(liked(by_card, "average", prompt, number)[0])
                rows.setdefault("PAMELA's population", []).append(liked(by_many, "average", prompt, number)[0])
                rows.setdefault("the prompt as typed", []).append(plain)
            for name, values in rows.items():
                likings.setdefault(name, []).append(values)
            print(person.id, {name: np.mean(v, axis=0).round(3).tolist() for name, v in rows.items()}, flush=True)
    for k, judge in enumerate(("the person", "the held-out reward")):
        means = {name: np.array(values)[..., k].mean(axis=1) for name, values in likings.items()}
        print(f"| steered for | liking, by {judge} | own card less this |\n|---|---|---|")
        for name, each in means.items():
            apart = as_interval(bootstrap(means["own card"] - each), signed=True) if name != "own card" else ""
            print(f"| {name} | {as_interval(bootstrap(each))} | {apart} |")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps({"people": [p.id for p in everybody], "likings": likings}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    typer.run(main)
