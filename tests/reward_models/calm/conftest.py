"""Tiny towers and a tiny Llama of the real classes, and a model of them that has learned nothing."""

from __future__ import annotations

import pytest

from reward_models.calm.model import build
from reward_models.calm.reward import CalmReward
from tests.reward_models.calm.tiny import loud, tiny_setting
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
    return tiny_setting(llama, clip)


@pytest.fixture(scope="session")
def model(setting):
    """For tests that leave it as it is."""
    return loud(build(setting))


@pytest.fixture(scope="session")
def reward(model):
    """For tests that teach it people of their own."""
    return CalmReward(model, batch_size=2, sets=2)
