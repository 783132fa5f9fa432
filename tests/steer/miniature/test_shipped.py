"""The shipped weights: they load by plain means, they work, and damage is noticed."""

from __future__ import annotations

import json
import os
import random
import shutil

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, FluxPipeline
from scipy.stats import spearmanr
from transformers import AutoModel, AutoProcessor, SiglipModel

from reward_models import Person
from reward_models.pamela.reward import PamelaReward
from steer import resources
from steer.config import load_config
from steer.errors import MissingWeights
from steer.miniature.eye import load_eye
from steer.miniature.painter import paint
from steer.miniature.raters import simulated_people
from steer.miniature.words import caption
from steer.miniature.world import ATTRIBUTES
from steer.renderers.diffusion import DiffusersRenderer
from steer.resources import MINIATURE_WEIGHTS, miniature_weights
from steer.testing import RendererConformance, RewardConformance
from trainers.data import scene_at


@pytest.fixture(scope="module")
def renderer():
    return DiffusersRenderer(load_config("miniature", ["renderer.steps=2"]).renderer)


@pytest.fixture(scope="module")
def unseen():
    """200 painted scenes of combinations that were never trained on."""
    scenes = [scene_at(99, i, unseen=True) for i in range(200)]
    return scenes, [paint(s) for s in scenes]


class TestPipeline(RendererConformance):
    @pytest.fixture(autouse=True)
    def _renderer(self, renderer):
        self.renderer = renderer

    def make(self):
        return self.renderer

    def test_a_candidate_is_bit_equal_at_every_place_of_a_batch(self):
        prompts = ["a fox in snow"] * 6
        seeds = [5, 6, 7, 5, 8, 5]
        pictures = self.renderer.render(prompts, seeds)
        assert pictures[0].tobytes() == pictures[3].tobytes() == pictures[5].tobytes()

    def test_unknown_words_do_not_break_it(self):
        (picture,) = self.renderer.render(["a fox, xyzzy 日本 🦊 " + "word " * 100], [1])
        assert picture.size == (128, 128)


class TestReward(RewardConformance):
    @pytest.fixture(autouse=True)
    def _reward(self, miniature):
        self.reward = miniature.parts.reward

    def make(self):
        return self.reward


def test_all_weights_are_small_safetensors_and_listed():
    files = [p for p in MINIATURE_WEIGHTS.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 75e6
    weights = {str(p.relative_to(MINIATURE_WEIGHTS)) for p in files if p.suffix == ".safetensors"}
    assert weights == set(json.loads((MINIATURE_WEIGHTS / "hashes.json").read_text()))
    assert not [p for p in files if p.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt")]


def test_the_models_load_by_plain_means():
    assert isinstance(DiffusionPipeline.from_pretrained(MINIATURE_WEIGHTS / "pipeline"), FluxPipeline)
    assert isinstance(AutoModel.from_pretrained(MINIATURE_WEIGHTS / "siglip"), SiglipModel)
    processor = AutoProcessor.from_pretrained(MINIATURE_WEIGHTS / "siglip")
    assert (
        processor(text=["a fox"], images=[paint(scene_at(1, 0))], return_tensors="pt")["pixel_values"].shape[-1] == 128
    )


@pytest.mark.parametrize("name", ["eye", "judge"])
def test_eyes_read_unseen_scenes(name, unseen):
    scenes, pictures = unseen
    read = load_eye(miniature_weights(name)).read(pictures)
    for k, attribute in enumerate(ATTRIBUTES):
        right = read[attribute].argmax(1) == np.array([s.indices()[k] for s in scenes])
        assert right.mean() > (0.9 if name == "eye" else 0.85), attribute


def test_a_picture_shows_what_its_prompt_says():
    """The real preset, read by the eye that never trained anything; prompts of combinations never trained on."""
    rng = random.Random(0)
    scenes = [scene_at(97, i, unseen=True) for i in range(28)]
    renderer = DiffusersRenderer(load_config("miniature").renderer)
    pictures = renderer.render([caption(s, rng, full=True) for s in scenes], list(range(28)))
    read = load_eye(miniature_weights("judge")).read(pictures)
    for k, attribute in enumerate(ATTRIBUTES):
        right = read[attribute].argmax(1) == np.array([s.indices()[k] for s in scenes])
        assert right.mean() > (0.6 if attribute == "subject" else 0.75), attribute


def test_siglip_finds_the_picture_of_a_text(miniature, unseen):
    scenes, pictures = unseen
    rng = random.Random(0)
    encoder = miniature.parts.reward.encoder
    images = encoder.images(pictures[:100])
    texts = encoder.texts([caption(s, rng, full=True) for s in scenes[:100]])
    found = (texts @ images.T).argmax(1) == torch.arange(100)
    assert found.float().mean() > 0.85


def test_fidelity_falls_with_the_wrong_subject_and_not_with_another_light(miniature):
    encoder = miniature.parts.reward.encoder
    scores = {"right": [], "other light": [], "other subject": []}
    for i in range(40):
        scene = scene_at(98, i, unseen=True).with_(style="photo", framing="medium")
        prompt = f"a {scene.subject}"
        other_light = scene.with_(light="dawn" if scene.light != "dawn" else "day")
        other_subject = scene.with_(subject="teapot" if scene.subject != "teapot" else "fox")
        texts = encoder.texts([prompt] * 3)
        images = encoder.images([paint(scene), paint(other_light), paint(other_subject)])
        for name, value in zip(scores, encoder.agreement(images, texts).tolist(), strict=True):
            scores[name].append(value)
    means = {k: np.mean(v) for k, v in scores.items()}
    assert means["other light"] > 0.8 * means["right"]
    assert means["other subject"] < 0.5 * means["right"]


def test_the_reward_knows_people_apart(miniature, unseen):
    """Against the truth through the eye that never trained it: personal beats population."""
    _, pictures = unseen
    read = load_eye(miniature_weights("judge")).read(pictures)
    personal, population = [], []
    people = [f"u{i}" for i in range(1, 157, 8)]
    reward = miniature.parts.reward
    everybody = reward.judge_many(reward.read(pictures, [""] * len(pictures)), [Person(u) for u in people])
    for person, scores in zip(people, everybody, strict=True):
        truth = simulated_people()[person].satisfaction(read)
        personal.append(spearmanr(scores.personal, truth).statistic)
        population.append(spearmanr(scores.population, truth).statistic)
    assert np.mean(personal) > np.mean(population) + 0.1


def test_the_same_run_twice_is_the_same_picture_for_picture(miniature, tmp_path):
    def go(name):
        result = miniature.run("a lighthouse by the sea", "u17", budget=10, seed=4, out=tmp_path / name)
        return [(c.facts(), (tmp_path / name / c.picture).read_bytes()) for c in result.candidates]

    one, two = go("one"), go("two")
    assert [f for f, _ in one] == [f for f, _ in two]
    from PIL import Image

    for c, _ in one:
        a, b = (Image.open(tmp_path / n / c["picture"]).tobytes() for n in ("one", "two"))
        assert a == b


def test_another_encoder_is_refused(tmp_path):
    for name in ("reward", "siglip"):
        shutil.copytree(MINIATURE_WEIGHTS / name, tmp_path / name)
    model = SiglipModel.from_pretrained(tmp_path / "siglip")
    with torch.no_grad():
        model.logit_scale += 1
    model.save_pretrained(tmp_path / "siglip")
    from reward_models import RewardError

    with pytest.raises(RewardError, match="was made with the encoder"):
        PamelaReward.from_folder(tmp_path / "reward")


@pytest.mark.parametrize("damage", ["corrupt", "missing", "no list"])
@pytest.mark.parametrize(
    "name",
    [
        "pipeline/vae/diffusion_pytorch_model.safetensors",
        "siglip/model.safetensors",
        "reward/model.safetensors",
        "eye/model.safetensors",
    ],
)
def test_damaged_weights_are_noticed(tmp_path, monkeypatch, name, damage):
    copy = tmp_path / "weights"
    shutil.copytree(MINIATURE_WEIGHTS, copy, copy_function=os.link)
    victim = copy / name
    if damage == "missing":
        victim.unlink()
    elif damage == "no list":
        (copy / "hashes.json").unlink()
    else:
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.unlink()
        victim.write_bytes(bytes(data))
    monkeypatch.setattr(resources, "MINIATURE_WEIGHTS", copy)
    with pytest.raises(MissingWeights, match="reinstall steer") as caught:
        miniature_weights(name.split("/")[0])
    assert "\n" not in str(caught.value)
