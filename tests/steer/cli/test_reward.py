"""From raw files to the table and a reward that loads: the commands on a small set with known tastes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

import reward_models
from reward_models.pamela.fit import fit_reward, load_corpus
from reward_models.pamela.settings import RewardTraining
from steer import Steerer
from steer.config import load_config
from steer.errors import UsageError
from steer.miniature.painter import paint
from steer.miniature.world import scene_at
from steer.resources import MINIATURE_REWARD, miniature_weights
from tests.steer.command import steer_here

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
        "training": {"epochs": 8, "people_per_batch": 6, "ratings_each": 12, "lr": 0.003},
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


@pytest.mark.slow
def test_trained_again_nothing_is_computed_twice(trained):
    root, _ = trained
    before = (root / "reward" / "model.safetensors").read_bytes()
    lines = (root / "reward" / "curves.jsonl").read_text()
    again = steer("reward", "train", "--config", root / "train.yaml")
    assert again.returncode == 0, again.stderr
    assert (root / "reward" / "model.safetensors").read_bytes() == before
    assert (root / "reward" / "curves.jsonl").read_text() == lines


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_scorer_gets_its_row_beside_the_reward(trained, tmp_path):
    from tests.reward_models.tiny_scorers import save_clip, save_clip_mlp

    root, _ = trained
    (tmp_path / "clip").mkdir()
    (tmp_path / "laion").mkdir()
    clip, laion = save_clip(tmp_path / "clip"), save_clip_mlp(tmp_path / "laion")
    (tmp_path / "pick.yaml").write_text(yaml.safe_dump({"kind": "clip", "settings": {"model": str(clip)}}))
    told = ["reward", "eval", root / "reward", "--config", root / "train.yaml", "--out", tmp_path / "out"]
    done = steer(*told, "--scorer", f"LAION=clip-mlp:{laion}", "--scorer", tmp_path / "pick.yaml")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "out" / "table2.json").read_text())
    assert {"LAION", "pick", "personal"} <= {r["model"] for r in rows if r["split"] == "test_seen"}
    assert "| LAION |" in done.stdout


def test_a_scorer_that_cannot_have_a_row_is_one_line(tmp_path):
    told = ["reward", "eval", "miniature", "--config", "miniature"]
    for more, said in (
        (["--scorer", "clip"], "'clip' names no scorer"),
        (["--scorer", "a=clip:x", "--scorer", "a=clip:y"], "two are called 'a'"),
        (["--scorer", f"clip:{tmp_path}"], "cannot load the CLIP"),
        (["--scorer", f"clip:{tmp_path}", "--protocol", "zero-shot"], "leave out --protocol"),
    ):
        wrong = steer_here(*told, *more)
        assert wrong.returncode == 2
        assert said in wrong.stderr
        assert "Traceback" not in wrong.stderr
    wrong = steer_here("reward", "eval", "--config", "linear-hidden", "--scorer", "clip:x")
    assert "cannot load the CLIP 'x'" in wrong.stderr


def test_push_shows_the_card_and_asks_before_anything_leaves(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(MINIATURE_REWARD, folder)
    config = json.loads((folder / "config.json").read_text())
    config["encoder"]["name"] = "google/siglip2-base"
    (folder / "config.json").write_text(json.dumps(config))
    card = steer_here("reward", "push", folder, "me/mine", "--card")
    assert card.returncode == 0, card.stderr
    assert card.stdout.startswith("---\nlibrary_name: steer\n")
    done = steer_here("reward", "push", folder, "me/mine", stdin="n\n")
    assert (done.returncode, done.stderr) == (1, "")
    assert "go to me/mine (private)" in done.stdout
    assert "the ids of 200 people and what was learned of them, and facts about 200 of them" in done.stdout
    assert done.stdout.endswith("nothing was uploaded\n")
    wrong = steer_here("reward", "push", tmp_path, "me/mine", "--yes")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
