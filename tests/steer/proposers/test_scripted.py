"""The script in a language model's place."""

from __future__ import annotations

import pytest

from steer.config import ScriptedConfig
from steer.errors import ProposerBudgetSpent
from steer.proposers import build_proposer
from steer.testing import ProposerConformance
from steer.types import History, SteerRequest


class TestScripted(ProposerConformance):
    def make(self):
        return build_proposer(ScriptedConfig())


def test_its_calls_are_bounded_as_a_models():
    proposer = build_proposer(ScriptedConfig(max_calls=1))
    proposer.propose(SteerRequest("a fox", "u1"), History(), 2)
    with pytest.raises(ProposerBudgetSpent, match="1 calls"):
        proposer.propose(SteerRequest("a fox", "u1"), History(), 2)
