"""Ratings by the simulated people in the released data set's schema, and the PAMELA predictor on them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from PIL import Image

from reward_models.corpus import Corpus, build_corpus
from reward_models.datasets import load_ratings
from reward_models.encoders import SiglipEncoder
from reward_models.evaluation import CONTEXT, NewPeople, Row
from reward_models.fit import as_metrics, fit_members, full_table
from reward_models.metrics import evaluate
from reward_models.pamela import PamelaPredictor, PamelaReward
from reward_models.training import TrainingSettings, predict
from steer.miniature.eye import load_eye, named
from steer.miniature.painter import paint
from steer.miniature.raters import simulated_people
from steer.miniature.train.data import scene_at
from steer.miniature.train.ship import read_samples
from steer.miniature.words import caption

SPLITS = ("pamela_train", "pamela_val_seen", "pamela_val_unseen", "pamela_test_seen", "pamela_test_unseen")
N_SEEN, N_VAL_UNSEEN = 156, 10  # of 200 people; the rest is test_unseen
PICTURES = {"train": 1800, "val": 250, "test": 550}
RATINGS = {"pamela_train": 320, "pamela_val_seen": 42, "pamela_test_seen": 62,
           "pamela_val_unseen": 80, "pamela_test_unseen": 80}  # a person  # fmt: skip
GROUPS = {
    "animal": "fox lion horse penguin rabbit elephant whale fish butterfly owl cat turtle",
    "landscape": "tree sunflower mushroom cactus", "architecture": "castle house tent tower lighthouse",
    "automotive": "train car bicycle sailboat", "still life": "balloon guitar violin cake teapot",
    "special": "robot snowman",
}  # fmt: skip
GROUP_OF = {subject: group for group, subjects in GROUPS.items() for subject in subjects.split()}
SETTINGS = TrainingSettings(epochs=14, people_per_batch=12, ratings_each=16)  # small batches: steps are what it lacks


def collect_pictures(work: Path) -> tuple[list[Image.Image], list[str], np.ndarray]:
    """Pictures, prompts and whether the pipeline made them; half painted, half generated."""
    import random

    sampled, sampled_prompts = read_samples(work / "sampled.safetensors")
    n = sum(PICTURES.values())
    half = min(n // 2, len(sampled_prompts))
    rng, seed = random.Random(3), 31
    images, prompts = [], []
    for i in range(n - half):
        scene = scene_at(seed, i)
        images.append(paint(scene))
        prompts.append(caption(scene, rng))
    images += [Image.fromarray(p.numpy()) for p in sampled[:half]]
    prompts += sampled_prompts[:half]
    made = np.arange(n) >= n - half
    order = np.random.default_rng(3).permutation(n)
    return [images[i] for i in order], [prompts[i] for i in order], made[order]


def write_dataset(folder: Path, images: list[Image.Image], prompts: list[str], read: dict[str, np.ndarray]) -> None:
    """``images/*.png`` and ``annotations/pamela_<split>.json``, as the released files look."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    for i, image in enumerate(images):
        image.save(folder / "images" / f"{i:05d}.png")
    seen_as = named(read)
    rng = np.random.default_rng(9)
    edges = np.cumsum([0, *PICTURES.values()])
    pools = {k: np.arange(edges[i], edges[i + 1]) for i, k in enumerate(PICTURES)}
    pool_of = {"pamela_train": "train", "pamela_val_seen": "val", "pamela_test_seen": "test",
               "pamela_val_unseen": "val", "pamela_test_unseen": "test"}  # fmt: skip
    rows: dict[str, list[dict[str, object]]] = {s: [] for s in SPLITS}
    truth: dict[str, dict[str, float]] = {}
    for k, person in enumerate(simulated_people().values()):
        if k < N_SEEN:
            splits = ["pamela_train", "pamela_val_seen", "pamela_test_seen"]
        else:
            splits = ["pamela_val_unseen" if k < N_SEEN + N_VAL_UNSEEN else "pamela_test_unseen"]
        liking = person.satisfaction(read)
        for split in splits:
            chosen = rng.choice(pools[pool_of[split]], RATINGS[split], replace=False)
            ratings = person.rate(liking[chosen], rng)
            for i, rating in zip(chosen, ratings, strict=True):
                values = seen_as[i]
                photo = values["style"] == "photo"
                rows[split].append({
                    "participant_id": person.id, "image_id": int(i), "image_path": f"images/{i:05d}.png",
                    "original_score": round(float(rating), 3),
                    "image_metadata": {"group": GROUP_OF[values["subject"]], "prompt": prompts[i],
                                       "style": None if photo else values["style"],
                                       "type": "Photorealism" if photo else "Art"},
                    "user_demographics": person.demographics,
                })  # fmt: skip
                truth.setdefault(person.id, {})[f"images/{i:05d}.png"] = round(float(liking[i]), 4)
    for split in SPLITS:
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(rows[split]))
    (folder / "truth.json").write_text(json.dumps(truth))


def train(work: Path) -> None:
    """Write the data set under ``work/pamela``, train three members, print and save the table."""
    folder = work / "pamela"
    images, prompts, made = collect_pictures(work)
    read = load_eye(work / "eye" / "model").read(images)
    write_dataset(folder, images, prompts, read)
    encoder = SiglipEncoder(work / "siglip" / "model")
    ratings = load_ratings(folder)
    corpus = build_corpus([(ratings, 1.0)], encoder, work / "features")
    for old in (work / "reward").glob("checkpoint-*"):
        old.unlink()  # of other ratings
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    members = fit_members(corpus, SETTINGS, (0, 1, 2), work / "reward", accelerator=accelerator, report=_print)
    rows = full_table(corpus, members) + _by_kind(corpus, members, folder, made)
    for row in rows:
        print(row.text(), flush=True)
    reward = PamelaReward(members[0].config, members, encoder, corpus.demographics_of())
    for split in ("val_unseen", "test_unseen"):
        people = NewPeople(corpus, members, split)
        reward.add_people({p: people.fitted(p, CONTEXT) for p in people.rows}, corpus.demographics_of(split))
    reward.save(work / "reward" / "model", os.path.join("..", "siglip"), as_metrics(rows))


def _by_kind(corpus: Corpus, members: list[PamelaPredictor], folder: Path, made: np.ndarray) -> list[Row]:
    """The ceiling, and seen people's table on painted and on generated pictures apart."""
    test, frame = corpus.tables["test_seen"], corpus.frames["test_seen"]
    truth = json.loads((folder / "truth.json").read_text())
    ceiling = np.asarray([truth[p][picture] for p, picture in zip(frame["person"], frame["picture"], strict=True)])
    predictions = {
        "population head": predict(members, corpus.pictures, corpus.prompts, test, personal=False, demographics=False),
        "personal": predict(members, corpus.pictures, corpus.prompts, test),
        "ceiling (noise-free truth)": ceiling,
    }
    generated = made[[int(Path(p).stem) for p in frame["picture"]]]
    rows = [Row("test_seen", "ceiling (noise-free truth)", evaluate(ceiling, test.liking, test.person))]
    for kind, mask in (("painted", ~generated), ("generated", generated)):
        part = test.where(mask)
        rows += [Row(kind, name, evaluate(p[mask], part.liking, part.person)) for name, p in predictions.items()]
    return rows


def _print(row: dict[str, float]) -> None:
    print({k: round(v, 4) for k, v in row.items()}, flush=True)
