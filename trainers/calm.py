"""CALM's miniature in one resumable command: painted pictures with what is said of them, a small Llama, the cycle.

What common taste likes and lacks is what the mean of the training people likes; faults to be named are painted in by
:mod:`reward_models.calm.augment`.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaForCausalLM

from reward_models.calm.augment import KINDS, SEEN, Augmentation, augmented, change
from reward_models.calm.fit import fit_calm
from reward_models.calm.model import CalmModel
from reward_models.calm.reward import CalmReward
from reward_models.calm.sentences import load_sentences
from reward_models.calm.stages import CalmSettings, load_settings
from reward_models.calm.turns import NAME, SUGGEST, suggestion
from reward_models.encoders.vlm import load_apart
from reward_models.ratings.sets import load_ratings
from steer.miniature.comments import answers, comment, remarks
from steer.miniature.crowd import DESCRIPTIONS, read_pictures, write_descriptions
from steer.miniature.painter import paint, subject_box
from steer.miniature.raters import simulated_people
from steer.miniature.words import caption
from steer.miniature.world import WORLD, Scene, scene_at
from steer.resources import data_folder, miniature_weights
from trainers import ship
from trainers.profile_text import build, tokenizer_of
from trainers.profile_world import Usual, one_hot

RECIPE = "calm-miniature.yaml"
SEED, SCENES = 31, 1500
FAULTY = 0.2  # share of the pictures of which there is a copy with a fault, which the questions ask to name


def prepare(work: Path, dataset: Path, n: int = SCENES, world: int = WORLD) -> Path:
    """The folder of n painted pictures with boxes, descriptions, comments and questions; written once."""
    folder = work / "calm" / "data"
    if (folder / "questions.jsonl").exists():
        return folder
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "faulty").mkdir(exist_ok=True)
    adds, rows = common_taste(dataset, world).adds, dict[str, list[dict[str, Any]]]()
    for i in range(n):
        scene, rng = scene_at(SEED, i), random.Random(f"{SEED}/{i}/said")
        box, name, image = subject_box(scene.framing, scene.position), f"images/{i:05d}.png", paint(scene)
        image.save(folder / name)
        rows.setdefault("boxes", []).append({"picture": name, "box": [round(min(1.0, max(0.0, x)), 4) for x in box]})
        rows.setdefault("descriptions", []).append({"picture": name, "text": caption(scene, rng, full=True)})
        rows.setdefault("comments", []).append({"picture": name, "text": comment(scene, adds, rng)})
        told = [*answers(scene), (SUGGEST, suggestion(remarks(scene, adds)))]
        asked = [{"picture": name, "question": q, "answer": a} for q, a in told]
        rows.setdefault("questions", []).extend(asked)
        if rng.random() < FAULTY:
            rows["questions"] += _faulty(folder, scene, i)
    for name in ("boxes", "descriptions", "comments", "questions"):
        text = "".join(json.dumps(row) + "\n" for row in rows[name])
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def describe(dataset: Path) -> None:
    """Descriptions of the rated pictures that are trained on, where there are none."""
    if not (dataset / DESCRIPTIONS).exists():
        files = sorted(load_ratings(dataset).split("train")["picture"].unique())
        write_descriptions(dataset, files, read_pictures(dataset, files))


def _faulty(folder: Path, scene: Scene, number: int) -> list[dict[str, Any]]:
    """A copy of a picture with one fault, and the question for it."""
    rng, sentences, image = np.random.default_rng([SEED, number]), load_sentences(), paint(scene)
    kind = list(KINDS)[int(rng.integers(len(KINDS)))]
    box = subject_box(scene.framing, scene.position)
    after = augmented(image, [Augmentation(kind, float(rng.uniform(0.2, 1)))], rng, box)
    if change(image, after) < SEEN:
        return []
    name = f"faulty/{number:05d}.png"
    after.save(folder / name)
    return [{"picture": name, "question": NAME, "answer": sentences.label([kind], rng)}] * 3


def common_taste(dataset: Path, world: int = WORLD) -> Usual:
    """What each value adds to the liking of the people of the training ratings, on the mean."""
    everybody = simulated_people(world=world)
    people = [everybody[str(p)] for p in sorted(load_ratings(dataset).split("train")["person"].unique())]
    scenes = [scene_at(SEED + 1, i) for i in range(3000)]
    read = one_hot(scenes)
    return Usual.of(scenes, np.mean([p.satisfaction(read) for p in people], axis=0))


def small_llama(work: Path, start: Path | None) -> Path:
    """The folder of the Llama that the cycle begins with. ``start``: one of the same shape that knows the world's
    words, as trainers/weights/profile-text does.
    """
    folder = work / "calm" / "llm"
    if (folder / "config.json").exists():
        return folder
    tokenizer = tokenizer_of()
    torch.manual_seed(SEED)
    model = build(len(tokenizer))
    if start is not None:
        model.load_state_dict(LlamaForCausalLM.from_pretrained(start, dtype=torch.float32).state_dict())
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def recipe(work: Path, dataset: Path, steps: float = 1.0, changes: Mapping[str, Any] | None = None) -> CalmSettings:
    """The shipped recipe with its folders under ``work``. ``steps``: times its steps. ``changes``: of its keys."""
    told = load_settings(data_folder("configs") / "train" / RECIPE).model_dump()
    data, folder, siglip = work / "calm" / "data", work / "calm", str(miniature_weights("siglip"))
    told["model"]["tower"]["name"], told["model"]["llm"]["name"], told["fidelity"] = siglip, str(folder / "llm"), siglip
    told["data"]["pictures"] = (str(data / "images"),)
    for key in ("boxes", "descriptions", "comments", "questions"):
        told["data"][key] = (str(data / f"{key}.jsonl"),)
    told["data"]["descriptions"] += (str(dataset / DESCRIPTIONS),)
    told["data"]["ratings"][0]["source"] = str(dataset)
    told["out"] = str(folder / "reward")
    for stage in told["stages"]:
        stage["steps"] = max(1, round(stage["steps"] * steps))
    return CalmSettings.model_validate(told | dict(changes or {}))


def train(work: Path, dataset: Path, steps: float, n: int, world: int = WORLD, start: Path | None = None) -> None:
    """All steps; what is there already is not made again."""
    prepare(work, dataset, n, world)
    describe(dataset)
    small_llama(work, start)
    settings = recipe(work, dataset, steps)

    def on_step(row: dict[str, Any]) -> None:
        if row["step"] % 20 == 0:
            print(row, flush=True)

    reward, about = fit_calm(settings, "cpu", on_step=on_step)
    print(pack(reward, Path(settings.out), about))


def pack(reward: CalmReward, out: Path, about: Mapping[str, Any]) -> Path:
    """Write the reward with the language model as it has become, in half precision, so that there is one of it."""
    model, folder = reward.model, out / "llm"
    shutil.rmtree(folder, ignore_errors=True)
    model.tokenizer.save_pretrained(folder)
    half = LlamaForCausalLM(model.llm.config)
    half.load_state_dict(model.llm.state_dict())
    half.half().save_pretrained(folder)
    learnt = CalmModel(model.tower, model.alignment, load_apart(str(folder)), model.scale, positions=model.positions)
    CalmReward(learnt, reward.scoring.encoder, reward.batch_size, reward.sets, reward.seed).save(out, about)
    return out


def ship_calm(work: Path, target: Path = ship.WEIGHTS) -> None:
    """The packed reward into the package, each part by a path inside it."""
    source = work / "calm" / "reward"
    ship.ship_with_llm(source, source / "llm", target / "calm", {"tower": "../../siglip"})
    ship.write_hashes(target)
