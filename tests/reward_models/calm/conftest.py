"""Tiny towers and a tiny Llama of the real classes, and a model of them that has learned nothing."""

from __future__ import annotations

import pytest
import torch

from reward_models.calm.model import build
from reward_models.calm.reward import CalmReward
from reward_models.calm.settings import ModelSetting
from tests.reward_models.tiny_vlms import save_clip_eyes, save_llama


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return save_clip_eyes(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def setting(llama, clip):
    """Of the tiny model, before any change."""
    told = {
        "tower": {"name": str(clip)},
        "llm": {"name": str(llama), "positions": 1024},
        "alignment": {"queries": 3, "width": 16, "heads": 2},
    }
    return ModelSetting.model_validate(told)


@pytest.fixture(scope="session")
def model(setting):
    """For tests that leave it as it is."""
    return loud(build(setting))


@pytest.fixture(scope="session")
def reward(model):
    """For tests that teach it people of their own."""
    return CalmReward(model, batch_size=2, sets=2)


def loud(model):
    """The same model with pictures that are heard above the words: a new one's answers differ by rounding alone."""
    with torch.no_grad():
        for name, value in model.alignment.named_parameters():
            if name.startswith("thematic") or ".out." in name:
                value.mul_(3)
        model.llm.get_output_embeddings().weight.mul_(20)
    return model
