"""A tiny CALM model of the real classes, which has learned nothing."""

from __future__ import annotations

import torch

from reward_models.calm.model import build
from reward_models.calm.reward import CalmReward
from reward_models.calm.settings import ModelSetting
from tests.reward_models.tiny_vlms import save_clip_eyes, save_llama


def tiny_setting(llama, clip):
    """Of a model of tiny parts."""
    told = {
        "tower": {"name": str(clip)},
        "llm": {"name": str(llama), "positions": 1024},
        "alignment": {"queries": 3, "width": 16, "heads": 2},
    }
    return ModelSetting.model_validate(told)


def loud(model):
    """The same model with pictures that are heard above the words: a new one's answers differ by rounding alone."""
    with torch.no_grad():
        for name, value in model.alignment.named_parameters():
            if name.startswith("thematic") or ".out." in name:
                value.mul_(3)
        model.llm.get_output_embeddings().weight.mul_(20)
    return model


def tiny_reward(folder, kind=CalmReward):
    """A reward that has learned nothing; ``kind``: the class of it."""
    return kind(build(tiny_setting(save_llama(folder / "llama", layers=2), save_clip_eyes(folder / "clip"))))
