"""The oldest Python and the oldest packages: what they must be able to do, and that the two lists of them agree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import torch
from transformers import CLIPTextModel

from reward_models.encoders.vision import AutoImageProcessor
from steer.config import DiffusersConfig
from steer.renderers.ready import Loaded
from steer.resources import miniature_weights

ROOT = Path(__file__).parents[2]


def test_python_3_10_is_refused_in_one_line():
    code = "import sys, runpy; sys.version_info = (3, 10, 13); runpy.run_module('steer', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: steer needs Python 3.11 or newer, not 3.10.13\n"


def test_the_floors_are_the_versions_that_make_floors_installs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for name in ("train", "study", "lora") for one in project["optional-dependencies"][name]]
    floors = dict(one.split(">=") for one in project["dependencies"] + extras)
    tried = dict(re.findall(r"^([\w-]+)==(.+)$", (ROOT / "requirements-floor.txt").read_text(), re.MULTILINE))
    assert tried.keys() == floors.keys()
    for name, version in tried.items():
        assert re.fullmatch(re.escape(floors[name]) + r"(\.0)*", version), name


def test_a_pipeline_is_loaded_in_the_precision_asked_for(klein):
    pipeline = Loaded(DiffusersConfig(model=str(klein), dtype="bfloat16"), "cpu").pipeline
    assert pipeline.transformer.dtype == torch.bfloat16


def test_every_weight_of_the_text_encoder_is_read():
    _, told = CLIPTextModel.from_pretrained(miniature_weights("pipeline") / "text_encoder", output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]


def test_an_image_processor_loads_without_torchvision():
    assert AutoImageProcessor.from_pretrained(miniature_weights("held-out") / "encoder").size
