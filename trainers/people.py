"""The PAMELA reward of the miniature: the commands every user has, then new people enrolled and the ceiling
measured."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

from reward_models.evaluation.metrics import per_person
from reward_models.pamela.evaluation import Row
from reward_models.pamela.fit import fit_reward, load_corpus
from reward_models.pamela.newcomers import CONTEXT, NewPeople
from reward_models.pamela.report import as_metrics, evaluate_all
from reward_models.pamela.reward import PamelaReward
from reward_models.pamela.settings import load_training
from reward_models.pamela.training import Told, predict
from reward_models.ratings.corpus import Corpus
from steer.miniature.dataset import write_dataset
from steer.renderers import miniature_renderer
from steer.resources import data_folder, miniature_weights

SEEDS = [0, 1, 2]


def write(work: Path, world: int, look: int) -> Path:
    """The data set, in ``work/pamela``; the shipped eye looks for the people, so it is shipped before this.

    Pictures by another pipeline or in another look are removed first.
    """
    folder, weights = work / "pamela", miniature_weights("pipeline")
    files = sorted(weights.rglob("*.safetensors"))
    made = f"{look} {hashlib.sha256(b''.join(f.read_bytes() for f in files)).hexdigest()}\n"
    mark = folder / "made_by.txt"
    if mark.exists() and mark.read_text(encoding="utf-8") != made:
        shutil.rmtree(folder / "images", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(made, encoding="utf-8")
    write_dataset(folder, render=miniature_renderer().render, world=world, look=look)
    return folder


def train(work: Path, world: int, look: int) -> None:
    """Write the data set under ``work/pamela``, train three members as configs/train/miniature.yaml says, print and
    save the table.

    The shipped SigLIP is the encoder, so it is shipped before this.
    """
    folder, out = write(work, world, look), work / "reward"
    settings = load_training(data_folder("configs") / "train" / "miniature.yaml")
    data = [settings.data[0].model_copy(update={"source": str(folder)})]
    encoder_setting = settings.encoder.model_copy(update={"name": str(miniature_weights("siglip"))})
    settings = settings.model_copy(
        update={
            "data": data,
            "encoder": encoder_setting,
            "seeds": SEEDS,
            "out": str(out),
            "cache": str(work / "features"),
        }
    )
    corpus, encoder = load_corpus(settings, "cpu")
    reward = fit_reward(corpus, encoder, settings, "cpu", Told(_print))
    rows = evaluate_all(corpus, reward, out) + by_kind(corpus, reward, folder)
    for row in rows:
        print(row.text(), flush=True)
    for split in ("val_unseen", "test_unseen"):
        new = NewPeople(corpus, reward.ensemble, split)
        given, owner = new.given(CONTEXT)
        x, q = corpus.pictures[given.picture], corpus.prompts[given.prompt]
        fitted = reward.ensemble.fit_people(x, q, given.liking, owner, new.known)
        for u, person in enumerate(new.people):
            reward.ensemble.add_person(person, [member[u] for member in fitted], new.known[u])
    reward.save(out / "model", as_metrics(rows), {"data": corpus.fingerprint}, encoder=os.path.join("..", "siglip"))


def by_kind(corpus: Corpus, reward: PamelaReward, folder: Path) -> list[Row]:
    """The ceiling, and seen people's table on painted and on generated pictures apart."""
    test, frame = corpus.tables["test_seen"], corpus.frames["test_seen"]
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    generated = frame["picture"].isin(json.loads((folder / "generated.json").read_text(encoding="utf-8"))).to_numpy()
    features, members = (corpus.pictures, corpus.prompts), reward.ensemble.members
    shift = reward.ensemble.shift(features[0][test.picture], features[1][test.prompt])
    predictions = {
        "population head": predict(members, *features, test, personal=False, demographics=False) + shift,
        "personal": predict(members, *features, test) + shift,
        "ceiling (noise-free truth)": np.asarray(
            [truth[person][picture] for person, picture in zip(frame["person"], frame["picture"], strict=True)]
        ),
    }
    every: np.ndarray = np.ones(len(test), bool)
    parts = [("test_seen", every, ["ceiling (noise-free truth)"])]
    parts += [(kind, mask, list(predictions)) for kind, mask in (("painted", ~generated), ("generated", generated))]
    return [
        Row(kind, name, per_person(predictions[name][mask], test.liking[mask], test.person[mask]))
        for kind, mask, names in parts
        for name in names
    ]


def _print(row: dict[str, float]) -> None:
    print({k: round(v, 4) for k, v in row.items()}, flush=True)
