"""The nodes for ComfyUI: their schema, what they compute, and what comfy-cli says of the folder.

ComfyUI is not on the package index: ``comfy_api`` here is a stand-in that keeps what a node declares.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from steer import Steerer
from steer.config import load_config
from steer.testing import FakeProposer, FakeRenderer, FakeReward
from steer.users.store import UserStore

FOLDER = Path(__file__).resolve().parents[2] / "integrations/comfyui"


class Declared:
    """An input or output: its type, name and options."""

    def __init__(self, kind, name="", **options):
        self.kind, self.name, self.options = kind, name, options


def stand_in():
    """The names of ``comfy_api.latest`` that the nodes use."""
    io = types.SimpleNamespace(ComfyNode=object, Input=Declared)
    for kind in ("String", "Int", "Float", "Image"):
        declared = types.SimpleNamespace(
            Input=lambda name, kind=kind, **options: Declared(kind, name, **options),
            Output=lambda kind=kind, **options: Declared(kind, options.get("display_name", ""), **options),
        )
        setattr(io, kind, declared)
    io.Schema = lambda **declared: types.SimpleNamespace(**declared)
    io.NodeOutput = lambda *values: values
    latest = types.ModuleType("comfy_api.latest")
    latest.io, latest.ComfyExtension = io, object
    return {"comfy_api": types.ModuleType("comfy_api"), "comfy_api.latest": latest}


@pytest.fixture
def nodes(monkeypatch, tmp_path):
    """The extension as ComfyUI loads it: a package by its path."""
    for name, module in stand_in().items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("steer_nodes", FOLDER / "__init__.py")
    package = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "steer_nodes", package)
    spec.loader.exec_module(package)
    monkeypatch.setitem(
        sys.modules, "steer_nodes.nodes", package.RewriteForPerson.__module__ and sys.modules["steer_nodes.nodes"]
    )
    store = UserStore(tmp_path / "users.db")
    store.add("me")
    fakes = {"proposer": FakeProposer(), "renderer": FakeRenderer(), "reward": FakeReward(), "store": store}
    steerer = Steerer(load_config("miniature", ["search.screen=1"]), **fakes)
    inner = sys.modules.pop("steer_nodes.nodes")  # the next test loads it anew
    monkeypatch.setattr(inner, "steerer", lambda config: steerer)
    return package, steerer


def test_every_input_of_the_schema_is_an_argument(nodes):
    package, _ = nodes
    found = asyncio.run(asyncio.run(package.comfy_entrypoint()).get_node_list())
    assert [node.define_schema().display_name for node in found] == [
        "Rewrite for a person",
        "Score and keep the best",
        "Rate",
    ]
    for node in found:
        names = [each.name for each in node.define_schema().inputs]
        code = node.execute.__func__.__code__
        assert names == list(code.co_varnames[1 : code.co_argcount])
    assert len({node.define_schema().node_id for node in found}) == 3


def test_rewrite_score_and_rate(nodes):
    package, steerer = nodes
    texts, expected = package.RewriteForPerson.execute("a fox", "u17", "miniature", 2, 0)
    assert len(texts) == len(expected) == 2
    assert all("a fox" in text for text in texts)
    red, blue = torch.zeros(4, 8, 8, 3), torch.zeros(1, 8, 8, 3)
    red[2, ..., 0], blue[..., 2] = 1.0, 1.0
    best, liking = package.KeepBestForPerson.execute(red, "a fox", "u17", "miniature", 1)
    assert np.argmax(liking) == 2
    assert torch.equal(best, red[2:3])
    assert package.KeepBestForPerson.execute(blue, "a fox", "blue", "miniature", 1)[1] == [1.0]
    package.RatePicture.execute(red[:2], "a fox", "me", "miniature", 2.0)
    assert steerer.parts.store.get("me").ratings == 1  # both are black: the same picture


@pytest.mark.slow
def test_comfy_cli_validates_the_folder(tmp_path):
    command = [sys.executable, "-m", "comfy_cli", "--skip-prompt", "--no-enable-telemetry", "node", "validate"]
    home = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, cwd=FOLDER, env=home, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All validation checks passed" in done.stdout + done.stderr
