"""Further scorers in the objective of a run."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from reward_models.scorers.base import SCORERS, Scorer
from reward_models.testing import FakeReward, random_pictures
from steer.config import load_config, parse_config
from steer.errors import SteerError, UsageError
from steer.judging.judge import answered
from steer.parts import Parts


class Brightness(Scorer):
    """A scorer of one's own."""

    def __init__(self, scale=255.0):
        self.scale = scale

    def score(self, images, prompts):
        return np.array([np.asarray(i.convert("L"), dtype=float).mean() / self.scale for i in images])

    def fingerprint(self):
        return f"brightness/{self.scale}"


SCORERS.add("brightness", Brightness)


def test_a_run_climbs_the_mix_and_keeps_every_part_of_it(fake_steerer, tmp_path):
    settings = [
        "objective.weights={personal: 1, bright: 3}",
        "objective.scorers={bright: {kind: brightness, linear: [0, 1]}}",
    ]
    steerer = fake_steerer(settings)
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
        (
            "objective.weights={taste: 1}",
            "^the setting objective.weights={taste: 1}: there is no part 'taste'; known: personal, population",
        ),
        ("objective.weights={personal: 0}", "^the setting objective.weights={personal: 0}: all are 0"),
        ("objective.scorers={q: {kind: classifier}}", "give either linear"),
    ],
)
def test_wrong_mixes_are_one_line(setting, message):
    with pytest.raises(UsageError, match=message):
        load_config("miniature", [setting])


def test_the_steerer_builds_the_scorers_of_its_config(tmp_path):
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16
    )
    ViTForImageClassification(config).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    config = parse_config(
        {
            "name": "mixed",
            "objective": {
                "scorers": {"q": {"settings": {"model": str(tmp_path), "label": "LABEL_0"}, "gaussian": [0.5, 0.1]}}
            },
        }
    )
    parts = Parts(config, reward=FakeReward())
    scores = parts.judge(parts.roster.people("u17")).score(random_pictures(2), "a fox")
    assert scores.others["q"].shape == (2,)
    assert "q=" in parts.panel.fingerprint()


def test_memory_that_does_not_suffice_to_score_is_one_line():
    with (
        pytest.raises(SteerError, match=r"does not suffice to score the pictures.*--set reward\.device=cpu"),
        answered(),
    ):
        raise torch.cuda.OutOfMemoryError
    with pytest.raises(RuntimeError, match="shapes"), answered():
        raise RuntimeError("shapes cannot be multiplied")
