"""No code that comes with weights runs, whoever loads them and whatever stands on standard input."""

from __future__ import annotations

import ast
import io
import json
import sys
from pathlib import Path
from unittest import mock

import pytest

from reward_models.base import RewardError
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.encoders.vision import VisionEncoder
from reward_models.encoders.vlm import load_vlm
from reward_models.scorers.classifier import ClassifierScorer
from reward_models.scorers.clip import ClipScorer

ROOT = Path(__file__).parents[2]
LOADERS = {
    "siglip": SiglipEncoder,
    "vision": VisionEncoder,
    "hidden states": HiddenPools,
    "vlm": load_vlm,
    "classifier": ClassifierScorer,
    "clip": ClipScorer,
}
AUTO = {
    name: "evil.Evil"
    for name in (
        "AutoConfig",
        "AutoModel",
        "AutoModelForCausalLM",
        "AutoModelForImageClassification",
        "AutoModelForImageTextToText",
        "AutoProcessor",
        "AutoImageProcessor",
        "AutoTokenizer",
    )
}


@pytest.fixture
def evil(tmp_path):
    """A folder whose every part asks for its own code, which leaves a mark when it runs."""
    folder, mark = tmp_path / "evil", tmp_path / "ran"
    folder.mkdir()
    (folder / "evil.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Evil: pass\n")
    for name in ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json"):
        (folder / name).write_text(json.dumps({"model_type": "evil", "auto_map": AUTO}))
    return folder, mark


@pytest.mark.parametrize("kind", LOADERS)
def test_a_models_own_code_is_refused_in_one_line_though_the_answer_would_be_yes(kind, evil):
    folder, mark = evil
    yes = mock.patch.object(sys, "stdin", io.StringIO("y\n" * 9))
    with yes, pytest.raises(RewardError, match="custom code") as said:
        LOADERS[kind](str(folder))
    assert not mark.exists()
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("package", ["steer", "reward_models"])
def test_nothing_is_loaded_in_another_way(package):
    """A call of from_pretrained elsewhere would pass nothing on, and transformers would ask."""
    found = []
    for path in (ROOT / package).rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        for call in calls:
            told = {k.arg: ast.unparse(k.value) for k in call.keywords}
            name = ast.unparse(call.func)
            if name.endswith(".from_pretrained") and told.get("trust_remote_code") != "False":
                found.append(f"{path.relative_to(ROOT)}: {name}")
    assert sorted(found) == sorted(KNOWN[package])


KNOWN = {
    "steer": [],
    "reward_models": [
        "reward_models/pamela/ensemble.py: nn.Embedding.from_pretrained",  # a tensor
        "reward_models/prompted/local.py: DecisionConfig.from_pretrained",  # a dataclass, read from JSON
        "reward_models/trusted.py: kind.from_pretrained",
    ],
}
