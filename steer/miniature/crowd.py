"""What P-MLLM learns from beside the rated set: profiles of its people, descriptions of its pictures, and a crowd.

The crowd are further simulated people, u201 and on, of the same world. None of them is one of the first 200.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from steer.miniature.eye import load_eye, named
from steer.miniature.person import SimulatedPerson
from steer.miniature.profiles import self_report
from steer.miniature.raters import N_PEOPLE, simulated_people
from steer.miniature.words import caption
from steer.miniature.world import WORLD, Scene
from steer.resources import miniature_weights

CROWD = 1000
APART = 50  # of them, whose ratings are only watched
EACH = {"train": 60, "val": 6}  # ratings of a person
SEED = 77
PROFILES, DESCRIPTIONS = "annotations/profiles.json", "descriptions.jsonl"


def write_profiles(folder: Path, people: Iterable[SimulatedPerson]) -> None:
    """What these people say of themselves, beside the annotations of a data set."""
    told = {}
    for person in people:
        report = self_report(person)
        told[person.id] = {**report.fields(), "words": report.words()}
    (folder / PROFILES).write_text(json.dumps(told), encoding="utf-8")


def read_pictures(folder: Path, files: list[str]) -> dict[str, np.ndarray]:
    """What the first eye reads in pictures, (n, classes) by attribute."""
    images = []
    for file in files:
        with Image.open(folder / file) as image:
            images.append(image.convert("RGB"))
    return load_eye(miniature_weights("eye")).read(images)


def write_descriptions(folder: Path, files: list[str], read: dict[str, np.ndarray]) -> None:
    """A caption of all that is to be seen in each picture, as `steer data describe` would write it."""
    rows = []
    for file, values in zip(files, named(read), strict=True):
        text = caption(Scene(seed=0, **values), random.Random(file), full=True)
        rows.append(json.dumps({"picture": file, "text": text}))
    (folder / DESCRIPTIONS).write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_crowd(
    dataset: Path,
    folder: Path,
    pools: dict[str, list[str]],
    read: dict[str, np.ndarray],
    people: int = CROWD,
    world: int = WORLD,
) -> None:
    """Ratings by the crowd of pictures that ``dataset`` holds, in PAMELA's files below ``folder``.

    ``pools``: files to train on ("train") and to watch ("val"); ``read``: what the eye reads in both, in this order.
    The last ``APART`` people are in ``val_unseen`` alone.
    """
    files = [*pools["train"], *pools["val"]]
    places = {"train": np.arange(len(pools["train"])), "val": np.arange(len(pools["train"]), len(files))}
    for file in files:
        _link(dataset / file, folder / file)
    (folder / "annotations").mkdir(exist_ok=True)
    crowd = list(simulated_people(N_PEOPLE + people, world=world).values())[N_PEOPLE:]
    rng = np.random.default_rng(SEED)
    rows: dict[str, list[dict[str, object]]] = {"train": [], "val_seen": [], "val_unseen": []}
    for k, person in enumerate(crowd):
        liking = person.satisfaction(read)
        apart = k >= people - min(APART, people // 10)
        for pool, split in (("val", "val_unseen"),) if apart else (("train", "train"), ("val", "val_seen")):
            chosen = rng.choice(places[pool], min(EACH[pool], len(places[pool])), replace=False)
            for i, rating in zip(chosen, person.rate(liking[chosen], rng), strict=True):
                rows[split].append(
                    {
                        "participant_id": person.id,
                        "image_path": files[i],
                        "original_score": round(float(rating), 3),
                        "image_metadata": {},
                        "user_demographics": person.demographics,
                    }
                )
    for split, own in rows.items():
        (folder / "annotations" / f"pamela_{split}.json").write_text(json.dumps(own), encoding="utf-8")
    write_profiles(folder, crowd)


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the disk has no links."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
