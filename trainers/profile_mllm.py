"""P-MLLM's miniature in one resumable command: the data, the small Llama's words, the fusion, and what it is worth.

Two arms. ``many``: u201 ... u1200 teach the Llama and the fusion. ``few``: both learn from the 156 training people
alone, whose ratings PAMELA had.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pandas as pd

from reward_models import load
from reward_models.profile_mllm.fit import fit_profile_mllm
from reward_models.profile_mllm.settings import ProfileMllmSettings, load_settings
from reward_models.ratings.sets import load_ratings
from reward_models.zero_shot import report, zero_shot
from steer.miniature.crowd import DESCRIPTIONS, read_pictures, write_crowd, write_descriptions, write_profiles
from steer.miniature.eye import named
from steer.miniature.raters import simulated_people
from steer.miniature.world import WORLD, Scene
from steer.resources import data_folder, miniature_weights
from trainers import profile_text, profile_world, ship

ARMS = ("many", "few")
RECIPE = "profile-mllm-miniature.yaml"
VARIANTS: dict[str, dict[str, object]] = {  # what the fusion of a control differs by
    "full": {},
    "gate = 1": {"gate": "open"},
    "gate without H": {"gate": "static"},
    "middle three": {"place": "middle"},
    "top three": {"place": "top"},
    "one block": {"blocks": 1},
    "all blocks": {"place": "all"},
    "memory": {"form": "memory"},
}


def prepare(dataset: Path, crowd: Path, people: int = 1000, world: int = WORLD) -> None:
    """Profiles and descriptions of the rated set, and the crowd's ratings of its pictures."""
    ratings = load_ratings(dataset)
    write_profiles(dataset, simulated_people(world=world).values())
    pools = {"train": _files(ratings.split("train")), "val": _files(ratings.split("val_seen", "val_unseen"))}
    files = [*pools["train"], *pools["val"]]
    if (crowd / DESCRIPTIONS).exists():
        return
    read = read_pictures(dataset, files)
    write_crowd(dataset, crowd, pools, read, people, world)
    for folder in (dataset, crowd):
        write_descriptions(folder, files, read)
    scenes = dict(zip(files, named(read), strict=True))
    (dataset / "scenes.json").write_text(json.dumps(scenes), encoding="utf-8")


def world_of(arm: str, dataset: Path, world: int = WORLD) -> profile_world.World:
    """Who teaches the small Llama its words."""
    everybody, rng = list(simulated_people(1200, world=world).values()), random.Random(profile_text.SEED)
    if arm == "many":
        return profile_world.World(everybody[200:], rng)
    scenes = {f: Scene(**v) for f, v in json.loads((dataset / "scenes.json").read_text(encoding="utf-8")).items()}
    rows: dict[str, list[tuple[Scene, float]]] = {}
    train = load_ratings(dataset).split("train")
    for person, picture, score in zip(train["person"], train["picture"], train["score"], strict=True):
        rows.setdefault(str(person), []).append((scenes[picture], float(score)))
    return profile_world.Table([p for p in everybody[:200] if p.id in rows], rng, rows)


def recipe(arm: str, work: Path, dataset: Path, steps: float = 1.0, variant: str = "full") -> ProfileMllmSettings:
    """The shipped recipe for an arm and one of ``VARIANTS``. ``steps``: times its steps."""
    told = load_settings(data_folder("configs") / "train" / RECIPE)
    source = work / "crowd" if arm == "many" else dataset
    stages = [s.model_copy(update={"steps": max(1, round(s.steps * steps))}) for s in told.stages]
    name = "reward" if variant == "full" else f"variants/{variant.replace(' ', '-')}"
    return told.model_copy(
        update={
            "fusion": told.fusion.model_copy(update=VARIANTS[variant]),
            "data": [told.data[0].model_copy(update={"source": str(source)})],
            "llm": str(work / "profile-mllm" / arm / "text" / "model"),
            "eyes": told.eyes.model_copy(update={"name": str(miniature_weights("siglip"))}),
            "fidelity": str(miniature_weights("siglip")),
            "stages": stages,
            "out": str(work / "profile-mllm" / arm / name),
        }
    )


def train(
    arm: str,
    work: Path,
    dataset: Path,
    minutes: float,
    width: int,
    layers: int,
    steps: float,
    people: int,
    world: int = WORLD,
    start: Path | None = None,
) -> None:
    """All steps of an arm; what is there already is not made again. ``start``: a small Llama to begin with."""
    prepare(dataset, work / "crowd", people, world)
    settings = recipe(arm, work, dataset, steps)
    watched = list(simulated_people(1240, world=world).values())[1200:]
    if not (Path(settings.llm) / "config.json").exists():
        profile_text.train(
            Path(settings.llm).parent, minutes, world_of(arm, dataset, world), watched, width, layers, start=start
        )

    def on_step(row: dict[str, float]) -> None:
        if row["step"] % 20 == 0:
            print(row, flush=True)

    reward, about = fit_profile_mllm(settings, "cpu", on_step=on_step)
    reward.save(Path(settings.out), about)
    made = load(settings.out)
    print(report(zero_shot(made, load_ratings(dataset), most=40), made, Path(settings.out)))


def ship_arm(arm: str, work: Path, target: Path = ship.WEIGHTS) -> None:
    """The Llama and the fusion of an arm into the package, each by a path inside it."""
    source = work / "profile-mllm" / arm
    ship.ship_with_llm(source / "reward", source / "text" / "model", target / "profile-mllm", {"eyes": "../../siglip"})
    ship.write_hashes(target)


def _files(rows: pd.DataFrame) -> list[str]:
    return sorted(rows["picture"].unique())
