"""From raw files to the table and a reward that loads: the commands on a small set with known tastes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

import reward_models
from reward_models.base import RewardError
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.pamela.fit import fit_reward, load_corpus
from reward_models.pamela.report import disagreement
from reward_models.pamela.reward import PamelaReward
from reward_models.pamela.settings import RewardTraining, load_training
from reward_models.ratings import DataError, load_ratings
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import build_corpus
from steer import Steerer
from steer.config import load_config
from steer.errors import UsageError
from steer.miniature.painter import paint
from steer.miniature.world import scene_at
from steer.resources import data_folder, miniature_weights

N = {"train": 60, "val": 20, "test": 30}


def write_set(root):
    """24 people who like or dislike each style, 6 of them new; 110 painted pictures."""
    rng = np.random.default_rng(0)
    scenes = [scene_at(5, i).with_(style=("photo", "ink", "neon", "sepia")[i % 4]) for i in range(sum(N.values()))]
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for i, scene in enumerate(scenes):
        paint(scene).save(root / "images" / f"{i}.png")
    edges = np.cumsum([0, *N.values()])
    pools = {k: np.arange(edges[j], edges[j + 1]) for j, k in enumerate(N)}
    rows = {s: [] for s in ("train", "val_seen", "test_seen", "val_unseen", "test_unseen")}
    for k in range(24):
        taste = dict(zip(("photo", "ink", "neon", "sepia"), rng.permutation([1.4, 2.4, 3.6, 4.6]), strict=True))
        splits = ("train", "val_seen", "test_seen") if k < 18 else ("test_unseen",)
        for split in splits:
            for i in pools[split.split("_")[0]]:
                score = np.clip(taste[scenes[i].style] + 0.3 * rng.normal(), 1, 5)
                rows[split].append(
                    {
                        "participant_id": f"p{k}",
                        "image_id": int(i),
                        "image_path": f"./images/{i}.png",
                        "original_score": float(score),
                        "image_metadata": {
                            "group": "scene",
                            "style": scenes[i].style,
                            "type": "Art",
                            "prompt": f"a {scenes[i].subject}",
                        },
                        "user_demographics": {"age_binned": "18-29", "gender": "female", "nationality": None},
                    }
                )
    for split, split_rows in rows.items():
        (root / "annotations" / f"pamela_{split}.json").write_text(json.dumps(split_rows))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    write_set(root / "data")
    config = {
        "data": [{"source": str(root / "data")}],
        "encoder": {"name": str(miniature_weights("siglip"))},
        "model": {"width": 64},
        "training": {"epochs": 50, "people_per_batch": 6, "ratings_each": 12, "lr": 0.003},
        "seeds": [0, 1],
        "device": "cpu",
        "cache": str(root / "cache"),
        "out": str(root / "reward"),
    }
    (root / "train.yaml").write_text(yaml.safe_dump(config))
    return root, steer("reward", "train", "--config", root / "train.yaml")


def steer(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "steer", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


def metrics_of(root):
    return json.loads((root / "reward" / "evaluation.json").read_text())


def test_training_writes_a_reward_a_table_and_curves(trained):
    root, done = trained
    assert done.returncode == 0, done.stderr
    for name in (
        "config.json",
        "model.safetensors",
        "evaluation.md",
        "evaluation.json",
        "curves.png",
        "margins.png",
        "new_people.png",
    ):
        assert (root / "reward" / name).stat().st_size > 0, name
    with Image.open(root / "reward" / "margins.png") as plot:
        assert plot.width > 300
    saved = json.loads((root / "reward" / "config.json").read_text())
    assert saved["encoder"]["kind"] == "siglip"
    assert saved["training"]["seeds"] == [0, 1]
    assert len(saved["data"]) == 16


def test_personal_beats_every_baseline_and_fifteen_ratings_teach(trained):
    table = metrics_of(trained[0])["table"]
    personal = table["test_seen: personal"]["srocc"]
    for name, metrics in table.items():
        if name.startswith("test_seen") and "personal" not in name:
            assert personal > metrics["srocc"] + 0.2, name
    fitted, nobody = table["test_unseen: 15 ratings: fitted"], table["test_unseen: population head"]
    assert fitted["srocc"] > nobody["srocc"] + (personal - nobody["srocc"]) / 2


def test_personal_sees_why_people_disagree(trained):
    pairs = metrics_of(trained[0])["splits"]["test_seen"]["pairs people disagree on"]
    assert pairs["personal"]["pairs"] > 50
    assert pairs["personal"]["pairwise"] > pairs["population head"]["pairwise"] + 0.15


def test_trained_again_nothing_is_computed_twice(trained):
    root, _ = trained
    before = (root / "reward" / "model.safetensors").read_bytes()
    lines = (root / "reward" / "curves.jsonl").read_text()
    again = steer("reward", "train", "--config", root / "train.yaml")
    assert again.returncode == 0, again.stderr
    assert (root / "reward" / "model.safetensors").read_bytes() == before
    assert (root / "reward" / "curves.jsonl").read_text() == lines


def test_the_reward_loads_and_scores_and_evaluates_to_the_same_table(trained):
    root, _ = trained
    model = reward_models.load(root / "reward")
    picture = Image.open(root / "data" / "images" / "0.png")
    scores = model.score([picture], ["a fox"], reward_models.Person(id="p0"))
    assert 0 <= scores.personal[0] <= 1
    done = steer("reward", "eval", root / "reward", "--config", root / "train.yaml", "--out", root / "report")
    assert done.returncode == 0, done.stderr
    first, second = metrics_of(root)["table"], json.loads((root / "report" / "evaluation.json").read_text())["table"]
    assert first.keys() == second.keys()
    for name, metrics in first.items():  # saved in half precision
        assert second[name]["srocc"] == pytest.approx(metrics["srocc"], abs=0.03), name


def test_another_encoder_is_refused(trained):
    encoder = SiglipEncoder(miniature_weights("siglip"))
    with torch.no_grad():
        encoder.model.logit_bias += 1
    with pytest.raises(RewardError, match="was made with the encoder"):
        PamelaReward.from_folder(trained[0] / "reward", encoder=encoder)


def test_two_sets_are_trained_together_with_their_shares(trained):
    root, _ = trained
    ratings = load_ratings(root / "data")
    other = dataclasses.replace(
        ratings, name="other", table=ratings.table.drop(columns=["style"]), metadata=("group", "type")
    )
    encoder = SiglipEncoder(miniature_weights("siglip"))
    corpus = build_corpus([(ratings, 3.0), (other, 1.0)], encoder, root / "cache")
    train = corpus.tables["train"]
    assert corpus.metadata == ["group", "style", "type", "dataset"]
    assert len(corpus.people) == 36
    assert corpus.people[0] == "other:p0"
    drawn = dict(zip(train.person, train.weight, strict=True))
    shares = {name: sum(w for p, w in drawn.items() if p.startswith(name)) for name in ("pamela", "other")}
    assert shares["pamela"] == pytest.approx(3 * shares["other"])
    style = len(corpus.demographics) + corpus.metadata.index("style")
    assert not train.fields[[p.startswith("other") for p in train.person], style].any()


def test_unreadable_pictures_leave_and_nothing_left_is_an_error(tmp_path):
    write_set(tmp_path)
    for path in (tmp_path / "images").glob("*.png"):
        if int(path.stem) % 2:
            path.write_bytes(b"broken")
    encoder = SiglipEncoder(miniature_weights("siglip"))
    corpus = build_corpus([(load_ratings(tmp_path), 1.0)], encoder, tmp_path / "cache")
    assert len(corpus.unreadable) == sum(N.values()) // 2
    assert len(corpus.tables["train"]) == 18 * N["train"] // 2
    for path in (tmp_path / "images").glob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match="no training rating is left; 110 pictures do not open"):
        build_corpus([(load_ratings(tmp_path), 1.0)], encoder, tmp_path / "cache2")


def test_disagreement_counts_only_pairs_that_people_order_differently():
    table = RatingTable(
        np.array([0, 1, 2] * 2),
        np.zeros(6, int),
        np.array(["a"] * 3 + ["b"] * 3),
        np.array([0.1, 0.5, 0.9, 0.5, 0.1, 0.9]),
        np.zeros((6, 0), int),
    )
    assert disagreement(table.liking, table) == {"pairs": 1, "pairwise": 1.0}
    assert disagreement(np.array([0.1, 0.5, 0.9] * 2), table) == {"pairs": 1, "pairwise": 0.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [{source: x}]\nout: y\nencodr: {}", "encodr: Extra inputs"),
        ("data: []\nout: y", "data: List should have at least 1"),
        ("data: [{source: x, share: 0}]\nout: y", "data.0.share"),
        ("{", "does not read as YAML"),
        ("", "the file"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(RewardError, match=message) as error:
        load_training(tmp_path / "c.yaml")
    assert "\n" not in str(error.value)


def test_the_shipped_training_settings_are_valid():
    for name in ("pamela", "miniature"):
        assert load_training(data_folder("configs") / "train" / f"{name}.yaml").data


def test_many_people_are_scored_at_once_as_one_by_one_in_any_order(trained):
    root, _ = trained
    model = reward_models.load(root / "reward")
    pictures = [Image.open(root / "data" / "images" / f"{i}.png") for i in range(5)]
    people = [reward_models.Person(id=f"p{k}") for k in range(10)] + [reward_models.Person()]
    together = model.judge_many(model.read(pictures, ["a fox"] * 5), people)
    backwards = model.judge_many(model.read(pictures[::-1], ["a fox"] * 5), people[::-1])
    for k, person in enumerate(people):
        alone = model.score(pictures[1:3], ["a fox"] * 2, person)
        assert np.allclose(together[k].personal[1:3], alone.personal, atol=1e-5)
        assert np.allclose(together[k].uncertainty[1:3], alone.uncertainty, atol=1e-5)
        assert np.allclose(together[k].personal, backwards[-1 - k].personal[::-1], atol=1e-5)
    assert np.allclose(together[-1].personal, together[0].population, atol=1e-6)
    assert np.ptp([s.personal[0] for s in together]) > 0.1
    with pytest.raises(reward_models.UnknownPerson):
        model.judge_many(model.read(pictures, ["a fox"] * 5), [*people, reward_models.Person(id="nobody")])


def test_a_reward_on_pictures_alone_steers_where_the_guard_is_switched_off(trained, tmp_path):
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, image_size=64, patch_size=16
    )
    ViTModel(config).save_pretrained(tmp_path / "vit")
    ViTImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(tmp_path / "vit")
    settings = RewardTraining.model_validate(
        {
            "data": [{"source": str(trained[0] / "data")}],
            "encoder": {"name": str(tmp_path / "vit"), "kind": "vision"},
            "model": {"width": 32},
            "training": {"epochs": 1},
            "seeds": [0],
            "device": "cpu",
            "cache": str(tmp_path / "cache"),
            "out": str(tmp_path / "reward"),
        }
    )
    reward = fit_reward(*load_corpus(settings, "cpu", lambda line: None), settings, "cpu")
    reward.save(tmp_path / "reward", {})
    chosen = ["renderer=painter", f"reward={tmp_path / 'reward'}", "search.seeds=2", "search.screen=1"]
    with pytest.raises(UsageError, match="encoder reads no texts"):
        Steerer(load_config("miniature", chosen)).run("a fox", "p0", budget=8, out=tmp_path / "guarded")
    free = Steerer(load_config("miniature", [*chosen, "objective.fidelity_weight=0"]))
    result = free.run("a fox", "p0", budget=8, out=tmp_path / "free")
    assert len(result.candidates) == 8
    assert all(c.objective == c.personal for c in result.candidates)
