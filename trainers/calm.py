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
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from reward_models.calm.augment import KINDS, SEEN, Augmentation, augmented, change
from reward_models.calm.fit import fit_calm
from reward_models.calm.model import CalmModel
from reward_models.calm.reward import CalmReward
from reward_models.calm.sentences import load_sentences
from reward_models.calm.stages import CalmSettings, load_settings
from reward_models.calm.turns import (
    COMMENT,
    CONTRAST,
    GIVEN,
    NAME,
    PERSONAL,
    PERSONAL_SUGGEST,
    SCORE,
    SUGGEST,
    suggestion,
)
from reward_models.encoders.vlm import load_apart
from reward_models.ratings.sets import load_ratings
from steer.miniature.comments import COMMENTS, QUESTIONS, answers, comment, remarks
from steer.miniature.crowd import DESCRIPTIONS
from steer.miniature.painter import paint, subject_box
from steer.miniature.raters import simulated_people
from steer.miniature.words import caption
from steer.miniature.world import WORLD, Scene, scene_at
from steer.resources import data_folder, miniature_weights
from trainers import calm_words, profile_mllm, ship
from trainers.profile_text import build, tokenizer_of
from trainers.profile_world import Usual, one_hot

RECIPE = "calm-miniature.yaml"
SEED, SCENES, TOKENS = 31, 1500, 1800
READ = 5  # scenes to read about, for each that is painted
FAULTY = 0.5  # share of the pictures of which there is a copy with a fault, which the questions ask to name


def prepare(work: Path, dataset: Path, n: int = SCENES, world: int = WORLD, people: int = 1000) -> Path:
    """The folder of n painted pictures with boxes, descriptions, comments and questions; and beside the rated set
    further ``people`` who rate its pictures. Written once.
    """
    profile_mllm.prepare(dataset, work / "crowd", people, world)
    folder = work / "calm" / "data"
    if (folder / "words" / "questions.jsonl").exists():
        return folder
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "faulty").mkdir(exist_ok=True)
    adds, rows = common_taste(dataset, world).adds, dict[str, list[dict[str, Any]]]()
    for i in range(n):
        scene, rng = scene_at(SEED, i), random.Random(f"{SEED}/{i}/said")
        box, name, image = subject_box(scene.framing, scene.position), f"images/{i:05d}.png", paint(scene)
        image.save(folder / name)
        rows.setdefault("boxes", []).append({"picture": name, "box": [round(min(1.0, max(0.0, x)), 4) for x in box]})
        say(rows, name, scene, adds, rng)
        if rng.random() < FAULTY:
            rows["questions"] += _faulty(folder, scene, i)
    _write(folder, rows)
    told = dict[str, list[dict[str, Any]]]()
    for i in range(n, n + READ * n):
        say(told, f"{i:05d}", scene_at(SEED, i), adds, random.Random(f"{SEED}/{i}/said"))
    _write(folder / "words", told)
    return folder


def say(
    rows: dict[str, list[dict[str, Any]]],
    picture: str,
    scene: Scene,
    adds: Mapping[tuple[str, str], float],
    rng: random.Random,
) -> None:
    """Add what there is to be said of a scene to the ``rows`` of each file."""
    rows.setdefault("descriptions", []).append({"picture": picture, "text": caption(scene, rng, full=True)})
    rows.setdefault("comments", []).append({"picture": picture, "text": comment(scene, adds, rng)})
    told = [*answers(scene), (SUGGEST, suggestion(remarks(scene, adds)))]
    rows.setdefault("questions", []).extend({"picture": picture, "question": q, "answer": a} for q, a in told)


def _write(folder: Path, rows: Mapping[str, list[dict[str, Any]]]) -> None:
    folder.mkdir(exist_ok=True)
    for name, own in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own), encoding="utf-8")


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
    tokenizer = tokenizer_of(sayings() * 100, TOKENS)
    torch.manual_seed(SEED)
    model = build(len(tokenizer))
    if start is not None:
        known = LlamaForCausalLM.from_pretrained(start, dtype=torch.float32)
        state = known.state_dict()
        words = respelt(known.get_input_embeddings().weight, tokenizer_of(), tokenizer)
        tied = {name: words for name in ("model.embed_tokens.weight", "lm_head.weight") if name in state}
        model.load_state_dict(state | tied)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def sayings() -> list[str]:
    """What a picture is asked and what is said of its faults, so that the tokenizer need not spell it."""
    sentences, kinds = load_sentences(), load_sentences().kinds.values()
    templates = [*sentences.labels, *sentences.contrasts, *sentences.reversed]
    spoken = [text for kind in kinds for text in (*kind.words, *kind.than)]
    asked = [NAME, CONTRAST, COMMENT, SCORE, SUGGEST, GIVEN, PERSONAL, PERSONAL_SUGGEST, *QUESTIONS.values(), *COMMENTS]
    return [*templates, *spoken, *asked, *sentences.nothing]


@torch.no_grad()
def respelt(words: Tensor, old: PreTrainedTokenizerFast, new: PreTrainedTokenizerFast) -> Tensor:
    """Embeddings (V, D) for the tokens of ``new`` from those of ``old``: the same ones, or the mean of how ``old``
    spells them.
    """
    known, rows = old.get_vocab(), list[Tensor]()
    for token, number in sorted(new.get_vocab().items(), key=lambda item: item[1]):
        spelt = old.convert_tokens_to_ids(old.tokenize(new.decode([number])))
        rows.append(words[known.get(token, spelt)].reshape(-1, words.shape[1]).mean(0))
    return torch.stack(rows)


def recipe(work: Path, dataset: Path, steps: float = 1.0, changes: Mapping[str, Any] | None = None) -> CalmSettings:
    """The shipped recipe with its folders under ``work``. ``steps``: times its steps. ``changes``: of its keys."""
    told = load_settings(data_folder("configs") / "train" / RECIPE).model_dump()
    data, folder, siglip = work / "calm" / "data", work / "calm", str(miniature_weights("siglip"))
    told["model"]["tower"]["name"], told["fidelity"] = siglip, siglip
    told["model"]["llm"]["name"] = str(folder / "words" / "model")
    told["data"]["pictures"] = (str(data / "images"),)
    for key in ("boxes", "descriptions", "comments", "questions"):
        told["data"][key] = (str(data / f"{key}.jsonl"),)
    rated = (dataset, work / "crowd")
    told["data"]["descriptions"] += tuple(str(source / DESCRIPTIONS) for source in rated)
    for setting, source in zip(told["data"]["ratings"], rated, strict=True):
        setting["source"] = str(source)
    told["out"] = str(folder / "reward")
    for stage in told["stages"]:
        stage["steps"] = max(1, round(stage["steps"] * steps))
    return CalmSettings.model_validate(told | dict(changes or {}))


def train(
    work: Path,
    dataset: Path,
    steps: float,
    n: int,
    world: int = WORLD,
    start: Path | None = None,
    reader: Path | None = None,
) -> None:
    """All steps; what is there already is not made again. ``reader``: a small Llama that reads already."""
    prepare(work, dataset, n, world)
    settings = recipe(work, dataset, steps)
    if reader is not None and not Path(settings.model.llm.name).exists():
        shutil.copytree(reader, settings.model.llm.name)
    literate(work, settings, steps, start)

    def on_step(row: dict[str, Any]) -> None:
        if row["step"] % 20 == 0:
            print(row, flush=True)

    reward, about = fit_calm(settings, "cpu", on_step=on_step)
    print(pack(reward, Path(settings.out), about))


def literate(work: Path, settings: CalmSettings, steps: float = 1.0, start: Path | None = None) -> Path:
    """The folder of the small Llama that ``settings`` names, once it reads; ``steps``: times those it is taught for."""
    folder = work / "calm"
    words, pictures = folder / "data" / "words", settings.data
    told = {name: (str(words / f"{name}.jsonl"),) for name in ("comments", "questions")}
    described = (str(words / "descriptions.jsonl"), *pictures.descriptions)
    data = pictures.model_copy(update={**told, "descriptions": described})
    llm = settings.model.llm.model_copy(update={"name": str(small_llama(work, start))})
    model = settings.model.model_copy(update={"llm": llm})
    learner = settings.model_copy(update={"data": data, "model": model})
    return calm_words.teach(learner, folder / "words", max(2, round(calm_words.STEPS * steps)))


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
