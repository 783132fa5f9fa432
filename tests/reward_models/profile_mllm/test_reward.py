"""Training, from YAML, on a data set whose people want opposite things; and the reward it makes."""

from __future__ import annotations

import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import yaml

import reward_models
from reward_models import Evidence, Person, RewardError, Seen
from reward_models.encoders.identity import weights_hash
from reward_models.encoders.vlm import load_vlm
from reward_models.families import Work, family_of
from reward_models.profile_mllm import training
from reward_models.profile_mllm.fit import fit_profile_mllm
from reward_models.profile_mllm.settings import load_settings
from reward_models.profile_mllm.training import FusionTrainer
from reward_models.prompted.question import liking_question
from reward_models.ratings.sets import load_ratings
from reward_models.testing import ImaginationConformance, RewardConformance, TeacherConformance
from reward_models.testing.fakes import random_pictures
from reward_models.zero_shot import evaluate, zero_shot


def recipe(path, llama, clip, world, **changes):
    """A YAML of a short training."""
    stages = [
        {"steps": 3, "lr": 0.003, "batch": 2, "describe": 1},
        {"steps": 4, "lr": 0.003, "batch": 2, "accumulate": 2, "person": 0.7, "everybody": 0.3},
    ]
    told = {
        "family": "profile-mllm",
        "data": [{"source": str(world)}],
        "llm": str(llama),
        "eyes": {"name": str(clip)},
        "fusion": {"heads": 2},
        "descriptions": "descriptions.jsonl",
        "stages": stages,
        "save_every": 2,
        "watch": 3,
        "calibration": 24,
        "size": 64,
        "batch_size": 2,
        "device": "cpu",
        "out": str(path / "reward"),
    }
    file = path / "recipe.yaml"
    file.write_text(yaml.safe_dump(told | changes))
    return file


@pytest.fixture(scope="module", autouse=True)
def single_precision():
    """On any CPU, so that losses can be compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "mixed", lambda device: nullcontext())
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, llama, clip, world):
    """What the command makes: its folder, its config, and what it said."""
    folder = tmp_path_factory.mktemp("trained")
    config, said = recipe(folder, llama, clip, world), []
    found = family_of(config)
    assert found.name == "profile-mllm"
    frozen = load_vlm(llama)
    before = weights_hash(frozen.model)
    out = found.train(config, Work(say=said.append))
    assert weights_hash(frozen.model) == before
    return out, config, said


def test_the_command_writes_a_reward_that_loads_and_says_what_it_watched(trained):
    out, _, said = trained
    assert any("srocc words" in line for line in said)
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [(r["stage"], r["step"]) for r in rows] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (1, 4)]
    model = reward_models.load(out)
    assert model.name.startswith("P-MLLM")
    warm = Person(None, {"trait_a": "9"}, "warm")
    pictures = random_pictures(2)
    reading = model.read(pictures, ["", ""])
    assert not np.array_equal(model.judge(reading, warm).personal, model.judge(reading, Person()).personal)
    again = reward_models.load(out)
    np.testing.assert_array_equal(
        again.judge(again.read(pictures, ["", ""]), warm).personal, model.judge(reading, warm).personal
    )
    assert again.fingerprint() == model.fingerprint()


def test_a_kept_picture_is_asked_about_with_a_card(trained):
    model, pictures = reward_models.load(trained[0]), random_pictures(3)
    warm = Person(None, {"trait_a": "9"}, "warm")
    here = model.judge(model.read(pictures, [""] * 3), warm).personal
    left = model.teacher.reading([Seen(kept) for kept in model.teacher.keep(pictures)])
    np.testing.assert_allclose(model.judge(left, warm).personal, here, atol=2e-3)
    assert np.abs(model.judge(left, Person()).personal - here).min() > 0


def test_of_many_patches_the_means_of_neighbours_are_kept(decider, monkeypatch):
    pictures, (question,) = random_pictures(2), [liking_question()]
    whole = decider.memory
    assert whole.kept == decider.eyes.patches
    monkeypatch.setattr("reward_models.profile_mllm.decider.MOST_KEPT", 4)
    pooled = decider.memory
    kept = pooled.keep(pictures)
    assert kept.shape == (2, 4 * decider.eyes.width)
    side = whole.side // 2
    first = whole.keep(pictures)[0].reshape(whole.side, whole.side, -1)[:side, :side].mean((0, 1))
    np.testing.assert_allclose(kept[0].reshape(4, -1)[0], first, atol=1e-5)
    assert [len(row) for row in pooled.answers(kept, [question])] == [1, 1]


def test_training_asks_in_the_words_in_which_pictures_are_judged(decider):
    question = liking_question("age: 30-39")
    (picture,) = random_pictures(1)
    judged, learned = decider.prompt(picture, question), decider.about(question)
    assert torch.equal(judged.inputs["input_ids"], learned.inputs["input_ids"])
    assert judged.picture is not None
    assert learned.picture is None


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, llama, clip, world, trained):
    config = recipe(tmp_path, llama, clip, world)
    settings = load_settings(config)

    def stop(row):
        if (row["stage"], row["step"]) == (1, 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_profile_mllm(settings, "cpu", print, stop)
    resumed, _ = fit_profile_mllm(settings, "cpu")
    uninterrupted = torch.load(trained[0] / "checkpoint.pt", weights_only=True)["fusion"]
    assert all(torch.equal(value, uninterrupted[name]) for name, value in resumed.decider.fusion.state_dict().items())
    saved = json.loads((trained[0] / "config.json").read_text())["calibration"]
    assert list(resumed.decider.calibration.y) == saved["y"]


def test_another_training_in_the_same_folder_is_refused(trained, llama, clip, world):
    _, config, _ = trained
    other = config.with_name("other.yaml")
    other.write_text(config.read_text().replace("told: 0.7", "").replace("size: 64", "size: 48"))
    with pytest.raises(RewardError, match="begun with other size"):
        fit_profile_mllm(load_settings(other), "cpu")


def test_a_moved_weight_of_the_language_model_is_noticed(tmp_path, llama, clip, world, monkeypatch):
    short = [{"steps": 1, "lr": 0.003, "batch": 1, "describe": 1}]
    settings = load_settings(recipe(tmp_path, llama, clip, world, stages=short, watch=0))
    step = FusionTrainer._one_step

    def moved(self, stage):
        with torch.no_grad():
            self.llm.model.norm.weight.mul_(1.01)
        return step(self, stage)

    monkeypatch.setattr(FusionTrainer, "_one_step", moved)
    with pytest.raises(RewardError, match="frozen"):
        fit_profile_mllm(settings, "cpu")


def test_checkpoints_of_activations_change_nothing(tmp_path, llama, clip, world, trained):
    config = recipe(tmp_path, llama, clip, world, checkpointing=True, watch=0, calibration=0)
    fit_profile_mllm(load_settings(config), "cpu")
    ours, theirs = (
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        for folder in (tmp_path / "reward", trained[0])
    )
    tasks = ("describe", "rate")  # not the weights: AdamW makes whole steps of the rounding of gradients that are 0
    ours, theirs = ([row[task] for row in rows for task in tasks if task in row] for rows in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_another_language_model_than_that_of_the_training_is_refused(trained, tmp_path):
    out, _, _ = trained
    config = json.loads((out / "config.json").read_text())
    config["llm"]["fingerprint"] = "0" * 16
    (tmp_path / "config.json").write_text(json.dumps(config | {"eyes": config["eyes"]}))
    (tmp_path / "model.safetensors").write_bytes((out / "model.safetensors").read_bytes())
    config["llm"]["name"] = str((out / config["llm"]["name"]).resolve())
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RewardError, match="was made with the encoder 0000"):
        reward_models.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": [{"steps": 1, "lr": 0.1}]}, "needs a share of one task"),
        ({"descriptions": "nowhere.jsonl"}, "steer data describe"),
        ({"descriptions": None}, "wants descriptions"),
        ({"eyess": 3}, "eyess"),
        ({"fusion": {"blocks": 9}}, "4 blocks, so 9"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_one_line(tmp_path, llama, clip, world, changes, message):
    config = recipe(tmp_path, llama, clip, world, **changes)
    with pytest.raises(RewardError, match=message) as error:
        fit_profile_mllm(load_settings(config), "cpu")
    assert "\n" not in str(error.value)


def test_zero_shot_asks_about_unseen_people_by_level(trained, tmp_path, world):
    out, config, _ = trained
    rows = zero_shot(reward_models.load(out), load_ratings(world), most=5)
    assert [r.told for r in rows] == ["neutral", "coarse", "demographics", "traits", "words", "someone else's"]
    assert all(set(r.each) == {"p8", "p9"} for r in rows)
    neutral, coarse, _, traits, words, others = (r.each for r in rows)
    assert neutral != coarse
    assert words != traits
    assert words != others
    text = evaluate(reward_models.load(out), config, tmp_path, most=5)
    assert "| pamela | words |" in text
    saved = json.loads((tmp_path / "zero_shot.json").read_text())
    assert [r["n_people"] for r in saved["rows"]] == [2] * 6
    with pytest.raises(RewardError, match="no data sets"):
        evaluate(reward_models.load(out), out / "config.json", tmp_path)


class TestConformance(RewardConformance, ImaginationConformance):
    """With everybody taught."""

    @pytest.fixture(autouse=True)
    def _trained(self, trained):
        self.folder = trained[0]

    def make(self):
        model = reward_models.load(self.folder)
        for name in ("a", "b"):
            model.teacher.learn(name, Evidence([], [], demographics={"age": "30"}, profile=f"{name} light"))
        return model


class TestTeacher(TeacherConformance):
    """Cards and ratings."""

    @pytest.fixture(autouse=True)
    def _trained(self, trained):
        self.folder = trained[0]

    def make(self):
        model = reward_models.load(self.folder)
        kept = model.teacher.keep(self.pictures()[:2])  # which hold nobody's answers: a card is asked with the picture
        model.teacher.learn("a", Evidence([Seen(k) for k in kept], [0.9, 0.2]))
        return model


def test_a_stored_card_changes_the_score_with_no_rating(trained):
    model = reward_models.load(trained[0])
    pictures = random_pictures(2)
    lesson = model.teacher.learn("me", Evidence([], [], demographics={"trait_a": "9"}, profile="warm"))
    own = model.score(pictures, ["", ""], "me")
    np.testing.assert_array_equal(
        own.personal, model.score(pictures, ["", ""], Person(None, {"trait_a": "9"}, "warm")).personal
    )
    assert not np.array_equal(own.personal, own.population)
    assert lesson.open == 1.0
    assert model.teacher.reading([Seen(k) for k in model.teacher.keep(pictures)]).features().shape == (2, 32)
