"""Conformance tests and fakes, for steer's own tests and for authors of plug-ins.

from steer.testing import RendererConformance

class TestMine(RendererConformance):
    def make(self):
        return MyRenderer()
"""

from steer.testing.conformance import ProposerConformance, RendererConformance, RewardConformance
from steer.testing.fakes import FakeProposer, FakeRenderer, FakeReward, random_pictures

__all__ = [
    "FakeProposer",
    "FakeRenderer",
    "FakeReward",
    "ProposerConformance",
    "RendererConformance",
    "RewardConformance",
    "random_pictures",
]
