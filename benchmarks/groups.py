"""Steering as a group, with the id withheld (Fig. 7 of the PAMELA paper), where the truth is known.

    python benchmarks/groups.py

For each age and for each gender of the miniature, one run a prompt as that group, drawn by the painter. Every simulated
person then says how much they like the pictures that were made for their own group, for the other groups of the same
field, and for nobody in particular. Differences are paired by person; intervals are bootstraps over people.
"""

from __future__ import annotations

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
from steer.miniature.eye import load_eye
from steer.miniature.raters import simulated_people
from steer.resources import miniature_weights
from steer.users.group import group_name

PROMPTS = ("a lighthouse by the sea", "a fox", "a castle in the mountains", "a robot in the city")


def main(
    budget: Annotated[int, typer.Option()] = 12,
    prompts: Annotated[int, typer.Option(help="How many of the prompts.")] = len(PROMPTS),
) -> None:
    steerer = Steerer(load_config("miniature", ["renderer=painter", "search.patience=99", "search.worth=0"]))
    teacher = steerer.parts.reward.teacher
    assert teacher is not None
    people, eye = simulated_people(), load_eye(miniature_weights("judge"))
    trained = {p: people[p] for p in steerer.parts.reward.people()}

    def likings(user: str) -> np.ndarray:
        """Everybody's liking (U, prompts) of the best picture of a run for ``user``."""
        columns = []
        with tempfile.TemporaryDirectory() as folder:
            for number, prompt in enumerate(PROMPTS[:prompts]):
                result = steerer.run(prompt, user, budget, out=Path(folder) / str(number))
                assert result.best is not None
                assert result.best.picture is not None
                read = eye.read([read_picture(Path(result.folder) / result.best.picture, ("PNG",))])
                columns.append([float(p.satisfaction(read)[0]) for p in trained.values()])
        return np.array(columns).T

    nobody = likings("average")
    print("| field | own group above other groups | own group above nobody | people |\n|---|---|---|---|")
    for field in ("age_binned", "gender"):
        values = [v for v in teacher.fields[field] if v != "other"]
        liked = {v: likings(group_name({field: v})) for v in values}
        own, other, average = [], [], []
        for row, person in enumerate(trained.values()):
            mine = person.demographics[field]
            if mine not in liked:
                continue
            own.append(liked[mine][row].mean())
            other.append(np.mean([liked[v][row].mean() for v in values if v != mine]))
            average.append(nobody[row].mean())
        above, over = (bootstrap(np.array(own) - np.array(x)) for x in (other, average))
        print(f"| {field} | {as_interval(above, signed=True)} | {as_interval(over, signed=True)} | {len(own)} |")


if __name__ == "__main__":
    typer.run(main)
