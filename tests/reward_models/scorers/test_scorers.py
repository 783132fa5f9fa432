"""Further scorers beside the personal reward: a real classifier of transformers, scales, weights, the registry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from reward_models import Person, RewardError
from reward_models.scorers.base import SCORERS, Scorer, load_scorer
from reward_models.scorers.panel import Panel
from reward_models.scorers.scales import Gaussian, Linear, weighted
from reward_models.testing import FakeReward, ScorerConformance, random_pictures


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A tiny random ViT with labels good and bad, as a folder."""

    def make(labels):
        folder = tmp_path_factory.mktemp("vit")
        torch.manual_seed(0)
        config = ViTConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            image_size=32,
            patch_size=8,
            id2label=dict(enumerate(labels)),
            label2id={v: i for i, v in enumerate(labels)},
            initializer_range=0.3,
        )
        ViTForImageClassification(config).save_pretrained(folder)
        ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
        return str(folder)

    return make


class Brightness(Scorer):
    """A scorer of one's own."""

    def __init__(self, scale=255.0):
        self.scale = scale

    def score(self, images, prompts):
        return np.array([np.asarray(i.convert("L"), dtype=float).mean() / self.scale for i in images])

    def fingerprint(self):
        return f"brightness/{self.scale}"


SCORERS.add("brightness", Brightness)


def test_a_classifier_scores_by_the_probability_of_a_label_each_picture_by_itself(classifier):
    folder = classifier(["bad", "good"])
    good, bad = (load_scorer("classifier", model=folder, label=name, batch_size=4) for name in ("good", "bad"))
    pictures = random_pictures(6)
    scores = good.score(pictures, [""] * 6)
    assert np.ptp(scores) > 1e-4
    assert np.allclose(scores + bad.score(pictures, [""] * 6), 1, atol=1e-6)
    assert np.allclose(scores[2:3], good.score(pictures[2:3], [""]), atol=1e-6)
    assert good.fingerprint() != bad.fingerprint()


def test_a_regression_gives_its_output_as_it_is_and_a_broken_picture_no_number(classifier, tmp_path):
    scorer = load_scorer("classifier", model=classifier(["score"]))
    (tmp_path / "broken.png").write_bytes(_png_head())
    scores = scorer.score([*random_pictures(2), Image.open(tmp_path / "broken.png")], [""] * 3)
    assert np.isfinite(scores[:2]).all()
    assert np.isnan(scores[2])


def _png_head():
    import io

    whole = io.BytesIO()
    random_pictures(1)[0].save(whole, "PNG")
    return whole.getvalue()[:2000]


def test_wrong_labels_kinds_and_settings_say_what_there_is(classifier):
    with pytest.raises(RewardError, match="it knows: bad, good"):
        load_scorer("classifier", model=classifier(["bad", "good"]), label="great")
    with pytest.raises(RewardError, match="Did you mean 'brightness'"):
        load_scorer("brightnes")
    with pytest.raises(RewardError, match="does not take these settings"):
        load_scorer("brightness", size=3)
    with pytest.raises(RewardError, match="cannot load the classifier"):
        load_scorer("classifier", model="no/such/folder")


def test_scales_bring_raw_scores_to_the_unit_interval_each_by_itself():
    raw = np.array([-1.0, 1.0, 5.5, 10.0, 12.0, np.nan])
    assert Linear(1, 10)(raw)[:5].tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert np.isnan(Linear(1, 10)(raw)[5])
    gaussian = Gaussian.of(np.array([4.0, 6.0, np.nan]))
    assert gaussian == Gaussian(5.0, 1.0)
    assert gaussian(np.array([5.0, 6.0])) == pytest.approx([0.5, 0.8413], abs=1e-4)
    with pytest.raises(RewardError):
        Linear(2, 1)
    with pytest.raises(RewardError):
        Gaussian.of(np.ones(3))


def test_weights_make_a_mean_and_must_have_their_component():
    assert float(weighted({"personal": 3.0, "fidelity": 1.0}, personal=0.8, fidelity=0.4)) == pytest.approx(0.7)
    assert float(weighted({"personal": 1.0, "population": -1.0}, personal=0.8, population=0.4)) == pytest.approx(0.2)
    assert np.isnan(weighted({"a": 1.0, "b": 1.0}, a=np.nan, b=0.5))
    assert float(weighted({"a": 0.0, "b": 1.0}, a=np.nan, b=0.5)) == 0.5
    with pytest.raises(RewardError, match="no component 'c'; known: a"):
        weighted({"c": 1.0}, a=0.5)
    with pytest.raises(RewardError, match="all weights"):
        weighted({"a": 0.0}, a=0.5)


class TestClassifier(ScorerConformance):
    @pytest.fixture(autouse=True)
    def _classifier(self, classifier):
        self.scorer = load_scorer("classifier", model=classifier(["bad", "good"]), label="good")

    def make(self):
        return self.scorer


def test_a_panel_is_the_reward_with_more_said():
    base, pictures = FakeReward(), random_pictures(5)
    panel = Panel(base, {"bright": (Brightness(1.0), Linear(0, 255))})
    look = panel.read(pictures, ["x"] * 5)
    scores, alone = panel.judge(look, Person("u1")), base.score(pictures, ["x"] * 5, Person("u1"))
    assert np.array_equal(scores.personal, alone.personal)
    assert np.allclose(scores.others["bright"], Brightness().score(pictures, []))
    some = panel.judge(look.rows([4, 0]), Person("u1"))
    assert np.array_equal(some.others["bright"], scores.others["bright"][[4, 0]])
    assert panel.fingerprint() != Panel(base, {"bright": (Brightness(1.0), Linear(0, 256))}).fingerprint()
    with pytest.raises(RewardError, match="cannot be called 'fidelity'"):
        Panel(base, {"fidelity": (Brightness(), Linear(0, 1))})
