"""Ratings by the simulated people in the released data set's schema, and the PAMELA predictor on them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from reward_models.encoders import SiglipEncoder
from reward_models.enrol import PersonPrior, fit_person, person_prior
from reward_models.metrics import evaluate
from reward_models.pamela import DEMOGRAPHICS, METADATA, PamelaConfig, PamelaPredictor, PamelaReward
from reward_models.training import RatingTable, neighbour_weights, profile, train_member
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
CONTEXT = 15  # ratings a new person gives (paper, Fig. 12)


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
    truth: dict[str, list[float]] = {s: [] for s in SPLITS}
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
                truth[split].append(round(float(liking[i]), 4))
    for split in SPLITS:
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(rows[split]))
    (folder / "truth.json").write_text(json.dumps(truth))


def load_split(folder: Path, split: str, config: PamelaConfig) -> RatingTable:
    """One annotation file as arrays."""
    rows = json.loads((folder / "annotations" / f"{split}.json").read_text())
    fields = [
        [config.index(f, r["user_demographics"].get(f)) for f in DEMOGRAPHICS]
        + [config.index(f, r["image_metadata"].get(f)) for f in METADATA]
        for r in rows
    ]
    return RatingTable(
        np.asarray([r["image_id"] for r in rows]),
        np.asarray([r["participant_id"] for r in rows]),
        (np.asarray([float(r["original_score"]) for r in rows]) - 1) / 4,
        np.asarray(fields),
    )


@torch.inference_mode()
def predict(
    members: list[PamelaPredictor], pictures: torch.Tensor, prompts: torch.Tensor, table: RatingTable,
    personal: bool = True, fields: bool = False,
) -> np.ndarray:  # fmt: skip
    """Mean prediction (R,); as when steering, metadata is withheld unless ``fields``."""
    config = members[0].config
    who = torch.tensor([config.index("person", p) if personal else 0 for p in table.person])
    shown = torch.from_numpy(table.fields) * int(fields)
    if personal and not fields:
        shown[:, : len(DEMOGRAPHICS)] = torch.from_numpy(table.fields)[:, : len(DEMOGRAPHICS)]
    picture = table.picture
    return torch.stack(
        [m(pictures[picture], prompts[picture], m.person.weight[who], shown) for m in members]
    ).mean(0).numpy()  # fmt: skip


def group_style_mean(train: RatingTable, test: RatingTable) -> np.ndarray:
    """The mean training liking of the picture's (group, style); the data card's strong baseline."""
    columns = slice(len(DEMOGRAPHICS), len(DEMOGRAPHICS) + 2)
    keys = [tuple(row) for row in train.fields[:, columns]]
    sums: dict[tuple[int, ...], list[float]] = {}
    for key, y in zip(keys, train.liking, strict=True):
        sums.setdefault(key, []).append(float(y))
    overall = float(train.liking.mean())
    return np.asarray([np.mean(sums.get(tuple(row), [overall])) for row in test.fields[:, columns]])


def by_neighbours(
    members: list[PamelaPredictor], features: np.ndarray, train: RatingTable, given: RatingTable
) -> list[torch.Tensor]:
    """A vector a member from the people whose profiles are nearest (paper, Fig. 12)."""
    ids = members[0].config.people
    seen = [p for p in ids if (train.person == p).any()]
    profiles = np.stack([
        profile(features[train.picture[train.person == p]], train.liking[train.person == p]) for p in seen
    ])  # fmt: skip
    nearest, weight = neighbour_weights(profile(features[given.picture], given.liking), profiles)
    index = [ids.index(seen[j]) + 1 for j in nearest]
    return [torch.from_numpy(weight[:, None] * m.person.weight.detach().numpy()[index]).sum(0) for m in members]


def priors(members: list[PamelaPredictor], train: RatingTable) -> list[PersonPrior]:
    """Where the trained people's vectors lie, a prior a member."""
    config = members[0].config
    sizes = [len(config.vocabularies[f]) for f in DEMOGRAPHICS]
    ids, first = np.unique(train.person, return_index=True)
    demographics = train.fields[first, : len(DEMOGRAPHICS)]
    rows = [config.index("person", p) for p in ids]
    return [person_prior(m.person.weight.detach()[rows], demographics, sizes) for m in members]


def unseen_table(
    members: list[PamelaPredictor], pictures: torch.Tensor, texts: torch.Tensor, train: RatingTable, new: RatingTable
) -> tuple[RatingTable, dict[str, np.ndarray], dict[str, list[torch.Tensor]]]:
    """New people from their first ``CONTEXT`` ratings: the rest of their ratings, predictions of them
    by each way of enrolling, and the fitted vectors."""
    prior = priors(members, train)
    config, rest, vectors = members[0].config, [], {}
    predictions: dict[str, list[np.ndarray]] = {}
    for person in np.unique(new.person):
        rows = np.flatnonzero(new.person == person)
        given, later = new.where(rows[:CONTEXT]), new.where(rows[CONTEXT:])
        rest.append(rows[CONTEXT:])
        who = given.fields[0, : len(DEMOGRAPHICS)].tolist()
        nobody = [m.person.weight.detach()[0] for m in members]

        def fitted(n: int, given: RatingTable = given, who: list[int] = who) -> list[torch.Tensor]:
            some = given.where(np.arange(n))
            liking = torch.from_numpy(some.liking).float()
            return [
                fit_person(m, p, pictures[some.picture], texts[some.picture], liking, who, config.noise).vector
                for m, p in zip(members, prior, strict=True)
            ]

        vectors[str(person)] = fitted(CONTEXT)
        ways = {
            "population head": (nobody, [0] * len(who)), "demographics alone": (nobody, who),
            f"{CONTEXT} ratings, nearest neighbours": (by_neighbours(members, pictures.numpy(), train, given), who),
            "5 ratings, fitted": (fitted(5), who), f"{CONTEXT} ratings, fitted": (vectors[str(person)], who),
        }  # fmt: skip
        for name, (vector, shown) in ways.items():
            predictions.setdefault(name, []).append(
                predict_with(members, pictures, texts, later.picture, vector, shown)
            )
    return new.where(np.concatenate(rest)), {k: np.concatenate(v) for k, v in predictions.items()}, vectors


@torch.inference_mode()
def predict_with(
    members: list[PamelaPredictor], pictures: torch.Tensor, texts: torch.Tensor, rows: np.ndarray,
    vectors: list[torch.Tensor], demographics: list[int],
) -> np.ndarray:  # fmt: skip
    """Mean prediction (n,) for one person given as a vector a member and demographics."""
    fields = torch.tensor([*demographics, *[0] * len(METADATA)]).expand(len(rows), -1)
    each = [
        m(pictures[rows], texts[rows], v.expand(len(rows), -1), fields) for m, v in zip(members, vectors, strict=True)
    ]
    return torch.stack(each).mean(0).numpy()


def train(work: Path) -> None:
    """Write the data set under ``work/pamela``, train three members, print and save the table."""
    folder = work / "pamela"
    images, prompts, made = collect_pictures(work)
    read = load_eye(work / "eye" / "model").read(images)
    write_dataset(folder, images, prompts, read)
    encoder = SiglipEncoder(work / "siglip" / "model")
    pictures, texts = encoder.images(images).clone(), encoder.texts(prompts).clone()
    people = list(simulated_people())
    vocabularies = _vocabularies(folder)
    config = PamelaConfig(features=encoder.width, people=people, vocabularies=vocabularies)
    tables = {s: load_split(folder, s, config) for s in SPLITS}
    members = []
    for seed in range(3):

        def report(epoch: int, model: PamelaPredictor, loss: float, seed: int = seed) -> None:
            p = predict([model], pictures, texts, tables["pamela_val_seen"])
            val = evaluate(p, tables["pamela_val_seen"].liking, tables["pamela_val_seen"].person, 1)
            print(f"member {seed} epoch {epoch} loss {loss:.4f} val srocc {val['srocc']:.3f}", flush=True)

        members.append(
            train_member(config, pictures, texts, tables["pamela_train"], seed, epochs=10, bf16=True, on_epoch=report)
        )
    val = tables["pamela_val_seen"]
    config.noise = round(float(np.std(predict(members, pictures, texts, val) - val.liking)), 4)
    metrics, vectors = table_of_metrics(folder, members, pictures, texts, tables, made)
    with torch.no_grad():
        for person, rows in vectors.items():
            for member, vector in zip(members, rows, strict=True):
                member.person.weight[config.index("person", person)] = vector
    demographics = {p.id: p.demographics for p in simulated_people().values()}
    reward = PamelaReward(config, members, encoder, demographics)
    target = work / "reward" / "model"
    reward.save(target, os.path.join("..", "siglip"), metrics)


def table_of_metrics(
    folder: Path, members: list[PamelaPredictor], pictures: torch.Tensor, texts: torch.Tensor,
    tables: dict[str, RatingTable], made: np.ndarray,
) -> tuple[dict[str, object], dict[str, list[torch.Tensor]]]:  # fmt: skip
    """Print and return pamela.md's table, and the vectors of the enrolled unseen people."""
    truth = json.loads((folder / "truth.json").read_text())
    train_table = tables["pamela_train"]
    result: dict[str, object] = {}

    def row(label: str, predicted: np.ndarray, table: RatingTable) -> None:
        m = evaluate(predicted, table.liking, table.person)
        result[label] = {k: round(float(v), 4) for k, v in m.items()}
        print(f"{label:44s} SROCC {m['srocc']:.3f} [{m['srocc_low']:.3f}, {m['srocc_high']:.3f}]  "
              f"PLCC {m['plcc']:.3f}  pairwise {m['pairwise']:.3f}  ({m['n_people']} people)", flush=True)  # fmt: skip

    seen = tables["pamela_test_seen"]
    for where, mask in (("", slice(None)), (" painted", ~made[seen.picture]), (" generated", made[seen.picture])):
        part = seen.where(np.arange(len(seen))[mask])
        row(f"seen{where}: group/style mean", group_style_mean(train_table, part), part)
        row(f"seen{where}: population head", predict(members, pictures, texts, part, personal=False), part)
        row(f"seen{where}: personal", predict(members, pictures, texts, part), part)
        row(f"seen{where}: ceiling (noise-free truth)", np.asarray(truth["pamela_test_seen"])[mask], part)
    rest, predictions, vectors = unseen_table(members, pictures, texts, train_table, tables["pamela_test_unseen"])
    row("unseen: group/style mean", group_style_mean(train_table, rest), rest)
    for name, predicted in predictions.items():
        row(f"unseen: {name}", predicted, rest)
    _, _, val_vectors = unseen_table(members, pictures, texts, train_table, tables["pamela_val_unseen"])
    return result, vectors | val_vectors


def _vocabularies(folder: Path) -> dict[str, list[str]]:
    rows = json.loads((folder / "annotations" / "pamela_train.json").read_text())
    return {
        f: sorted({r[k][f] for r in rows if r[k][f] is not None})
        for k, names in (("user_demographics", DEMOGRAPHICS), ("image_metadata", METADATA))
        for f in names
    }
