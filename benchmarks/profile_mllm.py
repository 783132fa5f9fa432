"""Does the profile decide what P-MLLM sees? One table of controls on people and pictures it never saw.

    python -m trainers profile-mllm && python -m trainers profile-vlm
    python benchmarks/profile_mllm.py [--arm many] [--people 34] [--pictures 120] [--steps 1.0]

The 34 people of the miniature that no reward was trained on, and the data set's test pictures. Spearman with what each
truly likes; mean [95 % bootstrap over people], and the difference from the full model, paired by person. Controls that
differ in the fusion are trained here by the same recipe, each resumable; ``--steps`` times their steps; ``--variants``
says which. Where it is not 1, the full model is trained once more with as many steps, and they are compared with that.

"Routing": how far gate x attention moves at the answer when the card is opposed, over how far it moves when the card is
paraphrased, for the same picture; 1 means that the profile does not route. Rows are kept in --out, and not made again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image

import reward_models
from reward_models.cards import LEVELS, PARTS, card
from reward_models.encoders.vlm import load_vlm
from reward_models.evaluation.pages import as_interval
from reward_models.evaluation.statistics import bootstrap, spearman
from reward_models.profile_mllm.decider import THE_PICTURE, FusedDecider
from reward_models.profile_mllm.fit import fit_profile_mllm
from reward_models.profile_mllm.reward import ProfileReward
from reward_models.prompted.decider import Decider, Subject
from reward_models.prompted.local import LocalDecider
from reward_models.prompted.question import liking_question
from reward_models.ratings.sets import load_ratings
from steer.miniature.crowd import read_pictures
from steer.miniature.dataset import N_SEEN, N_VAL_UNSEEN
from steer.miniature.eye import named
from steer.miniature.person import SimulatedPerson
from steer.miniature.profiles import SelfReport, self_report
from steer.miniature.raters import simulated_people
from steer.miniature.words import caption
from steer.miniature.world import WORLD, Scene
from trainers.profile_mllm import VARIANTS, recipe

ALL = tuple(v for v in VARIANTS if v != "full")
OWN = "full: own card"
BATCH = 16  # prompts that are read at once
ROUTED = 20  # pictures on which routing is measured


def told(person: SimulatedPerson, report: SelfReport, parts: tuple[str, ...] = PARTS, manner: int = 0) -> str:
    """A card of what a report says."""
    return card({**person.demographics, **report.fields()}, report.words(manner), parts)


def cards_of(people: list[SimulatedPerson]) -> dict[str, list[str]]:
    """By row of the table, each person's card."""
    reports = [self_report(p) for p in people]
    own = [told(p, r) for p, r in zip(people, reports, strict=True)]
    levels = {
        f"level: {name}": [told(p, r, parts) for p, r in zip(people, reports, strict=True)]
        for name, parts in LEVELS.items()
        if name != "words"
    }
    return {
        OWN: own,
        **levels,
        "only words": [told(p, r, ("words",)) for p, r in zip(people, reports, strict=True)],
        "paraphrased card": [told(p, r, manner=1) for p, r in zip(people, reports, strict=True)],
        "someone else's card": [*own[1:], own[0]],
        "opposed card": [told(p, r.opposed()) for p, r in zip(people, reports, strict=True)],
    }


def judged(decider: Decider, subjects: list[Subject], cards: list[str], truth: np.ndarray) -> np.ndarray:
    """Spearman of each person (people,): likings of the subjects by their card with ``truth`` (people, subjects)."""
    questions = [liking_question(c) for c in cards]
    distinct = list(dict.fromkeys(questions))
    rows = decider.answers(subjects, distinct)
    likings = np.array([[answer.liking for answer in row] for row in rows])  # (subjects, distinct)
    return np.array([spearman(likings[:, distinct.index(q)], t) for q, t in zip(questions, truth, strict=True)])


@torch.inference_mode()
def routing(decider: FusedDecider, pictures: list[Image.Image], people: list[SimulatedPerson]) -> np.ndarray:
    """The ratio (people,); NaN where a paraphrase moves nothing."""

    def at_answer(image: Image.Image, text: str) -> torch.Tensor:
        prompt = decider.prompt(image, liking_question(text))
        with decider.fusion.looking(decider.patches([prompt])), decider.fusion.watching() as watched:
            decider.vlm.model(input_ids=prompt.inputs["input_ids"], use_cache=False)
        return torch.cat([watched[i][0, -1] for i in decider.fusion.numbers])

    found = []
    for person in people:
        report = self_report(person)
        own, other, same = told(person, report), told(person, report.opposed()), told(person, report, manner=1)
        opposed = paraphrased = 0.0
        for image in pictures:
            start = at_answer(image, own)
            opposed += float((at_answer(image, other) - start).norm())
            paraphrased += float((at_answer(image, same) - start).norm())
        found.append(opposed / paraphrased if paraphrased else np.nan)
    return np.array(found)


def main(
    arm: str = "many",
    people: Annotated[int, typer.Option(help="Unseen people.")] = 34,
    pictures: Annotated[int, typer.Option(help="Test pictures.")] = 120,
    steps: Annotated[float, typer.Option(help="Times the steps of the recipe, for the variants.")] = 1.0,
    variants: Annotated[str, typer.Option(help="Which variants to train, by commas; 'none' for none.")] = ",".join(ALL),
    world: int = WORLD,
    dataset: Path = Path("training/pamela"),
    work: Path = Path("training"),
    out: Annotated[Path | None, typer.Option(help="Where rows are kept. Default: with the arm.")] = None,
) -> None:
    """See the module."""
    out = out or work / "profile-mllm" / arm / "controls.json"
    everybody = list(simulated_people(world=world).values())[N_SEEN + N_VAL_UNSEEN :][:people]
    files = sorted(load_ratings(dataset).split("test_unseen")["picture"].unique())[:pictures]
    read = read_pictures(dataset, files)
    images: list[Subject] = [Image.open(dataset / f).convert("RGB") for f in files]
    truth = np.stack([p.satisfaction(read) for p in everybody])
    reward = reward_models.load(recipe(arm, work, dataset).out)
    assert isinstance(reward, ProfileReward)
    decider, cards = reward.decider, cards_of(everybody)
    decider.batch_size = BATCH
    about = {"arm": arm, "people": [p.id for p in everybody], "pictures": len(files), "reward": reward.fingerprint()}
    rows = Rows(out, about)
    for name, own in cards.items():
        rows.add(name, lambda own=own: judged(decider, images, own, truth))
    texts: list[Subject] = [
        caption(Scene(**values), random.Random(i), full=True) for i, values in enumerate(named(read))
    ]
    rows.add("card, picture in words, no fusion", lambda: judged(decider, texts, cards[OWN], truth))
    rows.add("card without picture", lambda: judged(decider, [THE_PICTURE] * len(files), cards[OWN], truth))
    shown = [i for i in images[:ROUTED] if isinstance(i, Image.Image)]
    rows.add("routing", lambda: routing(decider, shown, everybody))
    decider.fusion.detach()
    if (spliced := work / "profile-vlm" / "model").exists():
        vlm = LocalDecider(load_vlm(spliced), 128, BATCH)
        rows.add("spliced tokens, card as text", lambda: judged(vlm, images, cards[OWN], truth))
        rows.add("spliced tokens, no card", lambda: judged(vlm, images, [""] * len(everybody), truth))
    wanted = [] if variants == "none" else variants.split(",")

    def fused(variant: str) -> np.ndarray:
        told = recipe(arm, work, dataset, steps, variant)
        if variant == "full":
            told = told.model_copy(update={"out": f"{told.out}-short"})
        made, _ = fit_profile_mllm(told, "cpu")
        made.decider.batch_size = BATCH
        found = judged(made.decider, images, cards[OWN], truth)
        made.decider.fusion.detach()
        return found

    for variant in ["full", *wanted] if wanted and steps != 1 else wanted:
        name = f"fusion: {variant}" if steps == 1 else f"fusion, {steps:g} times the steps: {variant}"
        rows.add(name, lambda variant=variant: fused(variant))
    print(rows.table())


class Rows:
    """Spearman by person of each row, kept in a file as they are made; those in it of the same ``about`` are not made
    again.
    """

    def __init__(self, path: Path, about: dict[str, Any]):
        self.path, self.about = path, about
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        same = {key: kept.get(key) for key in about} == about
        self.each: dict[str, np.ndarray] = {k: np.array(v) for k, v in kept["each"].items()} if same else {}

    def add(self, name: str, make: Callable[[], np.ndarray]) -> None:
        """A row, unless it is there."""
        if name in self.each:
            return
        self.each[name] = make()
        print(name, as_interval(bootstrap(self.each[name])), flush=True)
        each = {name: [round(float(v), 4) for v in values] for name, values in self.each.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({**self.about, "each": each}, indent=1) + "\n", encoding="utf-8")

    def table(self) -> str:
        """Markdown; a fusion that was trained for fewer steps is compared with the full one of as many."""
        lines = ["| row | SROCC | from the full model |", "|---|---|---|"]
        for name, each in self.each.items():
            if name == "routing":
                continue
            short = f"{name.partition(': ')[0]}: full"
            full = short if short in self.each else OWN
            apart = as_interval(bootstrap(each - self.each[full]), signed=True) if name != full else ""
            lines.append(f"| {name} | {as_interval(bootstrap(each))} | {apart} |")
        routed = as_interval(bootstrap(self.each["routing"]), 2)
        return "\n".join([*lines, f"| routing ratio (1: the profile does not route) | {routed} | |"])


if __name__ == "__main__":
    typer.run(main)
