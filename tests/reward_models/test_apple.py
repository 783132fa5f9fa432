"""Every reward on an Apple GPU: read, judged, learned, asked about and criticised with nothing that it lacks."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
import yaml

import reward_models
from reward_models import Evidence, Person, Seen
from reward_models.encoders.base import precision_for
from reward_models.encoders.load import load_encoder
from reward_models.encoders.vlm import load_vlm
from reward_models.linear_hidden.fit import fit_linear_hidden
from reward_models.linear_hidden.settings import load_settings
from reward_models.pamela.model import PamelaConfig
from reward_models.pamela.training import TrainingSettings, predict, train_member
from reward_models.prompted.local import LocalDecider
from reward_models.prompted.reward import PromptedReward
from reward_models.ratings.arrays import RatingTable
from reward_models.scorers.classifier import ClassifierScorer
from tests.fake_mps import MPS, AppleGpu
from tests.reward_models.shipped import SIGLIP, WEIGHTS, pictures
from tests.reward_models.tiny_vlms import save_gemma, save_qwen
from tests.reward_models.worlds import save_vit

N = 6


@pytest.fixture
def gpu():
    with AppleGpu() as found:
        yield found


def everything(reward, known=None):
    """All that steer asks of a reward: (likings, what was learned of a person)."""
    images, prompts = pictures(N)
    reading = reward.read(images, prompts)
    people = [Person(), *([known] if known else [])]
    scores = reward.judge_many(reading, people)
    teacher = reward.teacher
    seen = [Seen(k, p) for k, p in zip(teacher.keep(images), prompts, strict=True)]
    evidence = Evidence(
        seen,
        [0.9, 0.1, 0.7, 0.3, float("nan"), float("nan")],
        [(4, 5)],
        {"gender": "female"},
        "warm light, no neon",
        dict(enumerate(images)),
    )
    for some in (Evidence(), evidence):
        lesson = teacher.learn("me", some)
    teacher.recall("me", lesson.data, {"gender": "female"})
    mine = reward.judge(reading, Person("me"))
    questions = teacher.ask("me", seen)
    assert np.isfinite(questions.worth).all()
    assert np.isfinite(questions.pairs(np.array([[0, 1]]))).all()
    drawn = teacher.draws("me", teacher.reading(seen), 8)
    assert drawn is None or np.isfinite(drawn).all()
    teacher.likeness("me")
    teacher.open_share("me")
    reward.text_features(["a fox", "a castle"])
    if reward.imagination is not None:
        imagined = reward.judge(reward.imagination.read(["a fox in the snow"]), Person("me"))
        assert np.isfinite(imagined.personal).all()
    if reward.words is not None:
        reward.words.reasons(reading, Person("me"))
    if reward.critic is not None:
        reward.critic.critique(images[0], prompts[0], Person("me"))
    assert np.isfinite([*scores[-1].personal, *mine.personal, *mine.uncertainty]).all()
    return [s.personal for s in scores], lesson


@pytest.mark.parametrize(
    ("folder", "known"), [("reward", "u17"), pytest.param("linear-hidden/reward", "u17", marks=pytest.mark.slow)]
)
def test_a_trained_reward(folder, known, gpu):
    on_gpu, _ = everything(reward_models.load(WEIGHTS / folder, device="mps"), known)
    assert {"aten::addmm", "aten::mm"} & gpu.used
    gpu.__exit__(None, None, None)
    on_cpu, _ = everything(reward_models.load(WEIGHTS / folder), known)
    gpu.__enter__()
    for a, b in zip(on_gpu, on_cpu, strict=True):
        assert a == pytest.approx(b, abs=0.05)  # bf16 there


@pytest.mark.parametrize(("save", "features"), [(save_qwen, None), (save_gemma, SIGLIP)])
def test_the_prompted_reward_and_its_correction(save, features, tmp_path, gpu):
    decider = LocalDecider(load_vlm(save(tmp_path), device="mps"), 64)
    encoder = load_encoder(features, device="mps") if features else None
    everything(PromptedReward(decider, encoder, background=lambda: pictures(4)[0]))
    assert "aten::addmm" in gpu.used or "aten::mm" in gpu.used


def test_a_classifier_and_a_vision_encoder(tmp_path, gpu):
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    config = ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32)
    config.id2label = {0: "good", 1: "bad"}
    ViTForImageClassification(config).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    assert np.isfinite(ClassifierScorer(str(tmp_path), "good", device="mps").score(*pictures(2))).all()
    assert load_encoder(save_vit(tmp_path / "vit"), "vision", "mps").images(pictures(2)[0]).device == MPS


def test_precision_by_device():
    assert precision_for("cpu") == torch.float32
    assert {precision_for(d) for d in ("cuda", "cuda:1", "mps")} == {torch.bfloat16}


class Training:
    """What training asks of an accelerator, on an Apple GPU."""

    device = MPS

    def prepare(self, model, optimizer):
        for group in optimizer.param_groups:
            group["params"].clear()
        model = model.to(self.device)
        optimizer.param_groups[0]["params"].extend(model.parameters())
        return model, optimizer

    def unwrap_model(self, model):
        return model

    def autocast(self):
        return nullcontext()

    def backward(self, loss):
        loss.backward()

    def clip_grad_norm_(self, parameters, norm):
        torch.nn.utils.clip_grad_norm_(parameters, norm, foreach=False)


def test_training_pamela(gpu):
    rng = np.random.default_rng(0)
    people = np.array([f"p{i}" for i in range(4) for _ in range(12)])
    table = RatingTable(
        rng.integers(0, 20, 48), rng.integers(0, 4, 48), people, rng.random(48), rng.integers(0, 2, (48, 2))
    )
    config = PamelaConfig(
        8,
        16,
        1,
        2,
        demographics=["age"],
        metadata=["style"],
        people=[f"p{i}" for i in range(4)],
        vocabularies={"age": ["old"], "style": ["plain"]},
    )
    pictures_, prompts = torch.randn(20, 8), torch.randn(4, 8)
    settings = TrainingSettings(epochs=2, people_per_batch=4, ratings_each=6)
    member = train_member(config, pictures_, prompts, table, 0, settings, table, accelerator=Training())
    assert np.isfinite(predict([member], pictures_, prompts, table)).all()
    assert gpu.used


@pytest.mark.slow
def test_fitting_linear_hidden(trained, tmp_path, gpu):
    """Its ridges are exact, its features come from the GPU."""
    values = {
        "family": "linear-hidden",
        "data": [{"source": str(trained.root / "data")}],
        "vlm": str(save_qwen(tmp_path / "vlm")),
        "pools": ["LT_2"],
        "size": 64,
        "fidelity": trained.encoder.name,
        "out": str(tmp_path / "reward"),
    }
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    reward, _ = fit_linear_hidden(load_settings(tmp_path / "train.yaml"), "mps")
    assert np.isfinite(reward.judge(reward.read(*pictures(2)), "p0").personal).all()
