"""The miniature's ratings as files: pictures and simulated people's scores in the released PAMELA schema.

Half of the pictures are painted, half are made by the shipped pipeline. ``truth.json`` beside the annotations
holds what a data set of real people never has: the liking without noise. ``about.json`` says whose ratings they are.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from steer.errors import SteerError
from steer.miniature.crowd import write_profiles
from steer.miniature.eye import load_eye, named
from steer.miniature.painter import LOOK, paint
from steer.miniature.raters import simulated_people
from steer.miniature.words import caption
from steer.miniature.world import GROUP_OF, WORLD, scene_at
from steer.resources import miniature_weights

N_PICTURES = 2600
SHARES = {"train": 1800 / 2600, "val": 250 / 2600, "test": 550 / 2600}  # of the pictures
N_SEEN, N_VAL_UNSEEN = 156, 10  # of 200 people; the rest is test_unseen
RATINGS = {
    "pamela_train": 320,
    "pamela_val_seen": 42,
    "pamela_test_seen": 62,
    "pamela_val_unseen": 80,
    "pamela_test_unseen": 150,
}  # a person, at most
POOL = {split: split.split("_")[1] for split in RATINGS}
SEED = 31
Progress = Callable[[int, int], None]  # done, total
Render = Callable[[list[str], list[int]], Sequence[Image.Image | object]]  # a renderer's ``render``: prompts, seeds


@dataclass(frozen=True)
class Planned:
    """One picture of the set: its file, its prompt, and whether the pipeline makes it."""

    index: int
    prompt: str
    generated: bool

    @property
    def file(self) -> str:
        """Path below the set's folder."""
        return f"images/{self.index:05d}.png"


def plan(n: int, painted_only: bool = False) -> list[Planned]:
    """The n pictures of a set, painted and generated ones mixed; the same for everybody."""
    rng = random.Random(3)
    prompts = [caption(scene_at(SEED, i), rng) for i in range(n)]
    generated = np.random.default_rng(3).permutation(n) % 2 == 1
    return [Planned(i, prompts[i], bool(generated[i]) and not painted_only) for i in range(n)]


def write_dataset(
    folder: Path,
    n: int = N_PICTURES,
    render: Render | None = None,
    progress: Progress | None = None,
    world: int = WORLD,
    look: int = LOOK,
) -> None:
    """Write ``images/*.png``, ``annotations/pamela_<split>.json``, ``annotations/profiles.json`` and ``truth.json``
    below ``folder``.

    ``render`` draws half of the pictures; without it all of them are painted by code. ``world``: whose people rate;
    ``look``: of the painter.

    A picture that is already there is kept, so a killed call goes on where it stopped. Ratings come last and are
    written anew, so the pictures of one world serve another.
    """
    simulated_people(world=world)  # a world that there is not says so before anything is drawn
    planned = plan(n, painted_only=render is None)
    _draw(folder, planned, render, progress or (lambda *_: None), look)
    images = [Image.open(folder / p.file) for p in planned]
    read = load_eye(miniature_weights("eye")).read(images)
    write_ratings(folder, planned, read, world)


def _draw(folder: Path, planned: list[Planned], render: Render | None, progress: Progress, look: int) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    missing = [p for p in planned if not (folder / p.file).exists()]
    for p in (p for p in missing if not p.generated):
        _save(paint(scene_at(SEED, p.index), look=look), folder / p.file)
    asked = [p for p in missing if p.generated]
    for start in range(0, len(asked), 16):
        part = asked[start : start + 16]
        assert render is not None
        for p, image in zip(part, render([p.prompt for p in part], [p.index for p in part]), strict=True):
            if not isinstance(image, Image.Image):
                raise SteerError(f"picture {p.index} of the miniature's set was not drawn: {image}")
            _save(image, folder / p.file)
        progress(start + len(part), len(asked))


def _save(image: Image.Image, path: Path) -> None:
    partial = path.with_suffix(".partial")
    image.save(partial, format="PNG")
    partial.replace(path)


def write_ratings(folder: Path, planned: list[Planned], read: dict[str, np.ndarray], world: int = WORLD) -> None:
    """Everybody's ratings of their share of the pictures; ``read``: probabilities per attribute, as an eye gives
    them.
    """
    (folder / "annotations").mkdir(exist_ok=True)
    seen_as = named(read)
    rng = np.random.default_rng(9)
    edges = np.rint(np.cumsum([0, *SHARES.values()]) * len(planned)).astype(int)
    pools = {k: np.arange(edges[i], edges[i + 1]) for i, k in enumerate(SHARES)}
    rows: dict[str, list[dict[str, object]]] = {s: [] for s in RATINGS}
    truth: dict[str, dict[str, float]] = {}
    for k, person in enumerate(simulated_people(world=world).values()):
        if k < N_SEEN:
            splits = ["pamela_train", "pamela_val_seen", "pamela_test_seen"]
        else:
            splits = ["pamela_val_unseen" if k < N_SEEN + N_VAL_UNSEEN else "pamela_test_unseen"]
        liking = person.satisfaction(read)
        for split in splits:
            pool = pools[POOL[split]]
            chosen = rng.choice(pool, min(RATINGS[split], len(pool)), replace=False)
            for i, rating in zip(chosen, person.rate(liking[chosen], rng), strict=True):
                values, picture = seen_as[i], planned[i]
                photo = values["style"] == "photo"
                rows[split].append(
                    {
                        "participant_id": person.id,
                        "image_id": picture.index,
                        "image_path": picture.file,
                        "original_score": round(float(rating), 3),
                        "image_metadata": {
                            "group": GROUP_OF[values["subject"]],
                            "prompt": picture.prompt,
                            "style": None if photo else values["style"],
                            "type": "Photorealism" if photo else "Art",
                        },
                        "user_demographics": person.demographics,
                    }
                )
                truth.setdefault(person.id, {})[picture.file] = round(float(liking[i]), 4)
    for split in RATINGS:
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(rows[split]), encoding="utf-8")
    write_profiles(folder, simulated_people(world=world).values())
    about = {"world": world, "pictures": len(planned)}
    (folder / "about.json").write_text(json.dumps(about) + "\n", encoding="utf-8")
    (folder / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    (folder / "generated.json").write_text(json.dumps([p.file for p in planned if p.generated]), encoding="utf-8")
