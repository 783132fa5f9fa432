"""Conformance tests and fakes, for steer's own tests and for authors of plug-ins.

from steer.testing import RendererConformance

class TestMine(RendererConformance):
    def make(self):
        return MyRenderer()
"""

from reward_models.testing import FakeReward, RewardConformance, random_pictures
from steer.testing.conformance import ProposerConformance, RendererConformance
from steer.testing.fakes import FakeProposer, FakeRenderer

__all__ = [
    "FakeProposer",
    "FakeRenderer",
    "FakeReward",
    "ProposerConformance",
    "RendererConformance",
    "RewardConformance",
    "random_pictures",
]
