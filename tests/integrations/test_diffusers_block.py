"""The custom block in diffusers' own modular pipelines."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from steer import Steerer
from steer.config import load_config
from steer.testing import FakeProposer, FakeRenderer, FakeReward

FILE = Path(__file__).resolve().parents[2] / "integrations/diffusers/block.py"


@pytest.fixture
def block(monkeypatch):
    spec = importlib.util.spec_from_file_location("steer_block", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    fakes = {"proposer": FakeProposer(), "renderer": FakeRenderer(), "reward": FakeReward()}
    steerer = Steerer(load_config("miniature", ["search.screen=1"]), **fakes)
    monkeypatch.setattr(module, "steerer", lambda config: steerer)
    return module.RewriteForPerson


def test_the_prompt_is_rewritten_and_what_was_typed_stays(block):
    rewrite = block().init_pipeline()
    state = rewrite(prompt="a fox", user="u17")
    assert state.get("typed_prompt") == "a fox"
    assert state.get("prompt") != "a fox"
    assert "a fox" in state.get("prompt")
    assert state.get("expected_liking") is None  # the fake reward reads no texts


def test_it_goes_before_the_blocks_of_another_pipeline(block):
    from diffusers.modular_pipelines import InputParam, ModularPipelineBlocks, OutputParam, SequentialPipelineBlocks

    class Draws(ModularPipelineBlocks):
        @property
        def inputs(self):
            return [InputParam("prompt", required=True)]

        @property
        def intermediate_outputs(self):
            return [OutputParam("drawn")]

        def __call__(self, components, state):
            inner = self.get_block_state(state)
            inner.drawn = f"picture of {inner.prompt}"
            self.set_block_state(state, inner)
            return components, state

    both = SequentialPipelineBlocks.from_blocks_dict({"rewrite": block(), "draw": Draws()})
    drawn = both.init_pipeline()(prompt="a fox", user="u17", output="drawn")
    assert drawn.startswith("picture of a fox variation")
