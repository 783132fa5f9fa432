"""Further scorers beside the personal reward: a real classifier of transformers, scales, weights, the registry."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from reward_models import Person, RewardError
from reward_models.scorers.classifier import load_scorer, register
from reward_models.scorers.scales import Gaussian, Linear, MixedReward, weighted
from steer import Steerer
from steer.config import load_config, parse_config
from steer.errors import UsageError
from steer.judging.load import with_scorers
from steer.testing import FakeReward, random_pictures


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


class Brightness:
    """A scorer of one's own."""

    def __init__(self, scale=255.0):
        self.scale = scale

    def score(self, images, prompts):
        return np.array([np.asarray(i.convert("L"), dtype=float).mean() / self.scale for i in images])

    def fingerprint(self):
        return f"brightness/{self.scale}"


register("brightness", Brightness)


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


def test_a_mixed_reward_is_the_reward_with_more_said():
    base, pictures = FakeReward(), random_pictures(5)
    mixed = MixedReward(base, {"bright": (Brightness(1.0), Linear(0, 255))})
    scores, alone = mixed.score(pictures, ["x"] * 5, Person("u1")), base.score(pictures, ["x"] * 5, Person("u1"))
    assert np.array_equal(scores.personal, alone.personal)
    assert np.allclose(scores.others["bright"], Brightness().score(pictures, []))
    assert mixed.people() == base.people()
    assert mixed.fingerprint() != MixedReward(base, {"bright": (Brightness(1.0), Linear(0, 256))}).fingerprint()
    with pytest.raises(RewardError, match="cannot be called 'fidelity'"):
        MixedReward(base, {"fidelity": (Brightness(), Linear(0, 1))})


def test_a_run_climbs_the_mix_and_keeps_every_part_of_it(fake_steerer, tmp_path):
    settings = [
        "objective.weights={personal: 1, bright: 3}",
        "objective.scorers={bright: {kind: brightness, linear: [0, 1]}}",
    ]
    steerer = fake_steerer(settings, reward=None)
    steerer.reward = with_scorers(FakeReward(), steerer.config)
    result = steerer.run("a fox", "u1", budget=12, out=tmp_path / "run")
    c = result.candidates[0]
    assert c.objective == pytest.approx((c.personal + 3 * c.others["bright"]) / 4, abs=1e-5)
    rows = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert all("bright" in r["others"] for r in rows if r.get("state") == "SCORED")
    again = steerer.resume(tmp_path / "run")
    assert [x.others for x in again.candidates] == [x.others for x in result.candidates]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("objective.weights={taste: 1}", "there is no component 'taste'; known: personal, population, fidelity"),
        ("objective.weights={personal: 0}", "all are 0"),
        ("objective.scorers={q: {kind: classifier}}", "give either linear"),
    ],
)
def test_wrong_mixes_are_one_line(setting, message):
    with pytest.raises(UsageError, match=message):
        load_config("miniature", [setting])


def test_the_steerer_builds_the_scorers_of_its_config(classifier):
    config = parse_config(
        {
            "name": "mixed",
            "objective": {
                "scorers": {
                    "q": {"settings": {"model": classifier(["bad", "good"]), "label": "good"}, "gaussian": [0.5, 0.1]}
                }
            },
        }
    )
    steerer = Steerer(config)
    scores = steerer.reward.score(random_pictures(2), ["a fox"] * 2, Person("u17"))
    assert scores.others["q"].shape == (2,)
    assert "q=" in steerer.reward.fingerprint()
