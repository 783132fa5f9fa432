"""Descriptions of a data set's pictures by a real vision-language class; a killed call goes on."""

from __future__ import annotations

import json

import pytest

from reward_models import RewardError
from reward_models.describing import write_descriptions
from reward_models.encoders.vlm import load_vlm
from reward_models.profile_mllm.examples import read_descriptions
from reward_models.testing.fakes import random_pictures
from tests.reward_models.tiny_vlms import save_llama, save_qwen


def test_every_picture_gets_a_line_once(tmp_path, monkeypatch):
    monkeypatch.setattr("reward_models.describing.MOST_TOKENS", 3)
    vlm = load_vlm(save_qwen(tmp_path / "vlm"))
    names = ["a.png", "b.png", "torn.png"]
    for name, image in zip(names, random_pictures(3), strict=True):
        image.save(tmp_path / name)
    (tmp_path / "torn.png").write_bytes((tmp_path / "torn.png").read_bytes()[:200])
    target = tmp_path / "descriptions.jsonl"
    assert write_descriptions(vlm, tmp_path, names[:1], target, 64) == 0
    first = target.read_text()
    target.write_text(first + '{"picture": "b.png", "te')  # killed while it wrote
    assert write_descriptions(vlm, tmp_path, names, target, 64) == 1
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [r["picture"] for r in rows] == ["a.png", "b.png"]
    assert target.read_text().startswith(first)
    assert read_descriptions(target).keys() == {"a.png", "b.png"}


def test_a_model_that_does_not_see_is_one_line(tmp_path):
    vlm = load_vlm(save_llama(tmp_path / "llm"))
    with pytest.raises(RewardError, match="reads no pictures"):
        write_descriptions(vlm, tmp_path, ["a.png"], tmp_path / "d.jsonl")
