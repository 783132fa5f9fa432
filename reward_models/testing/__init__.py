"""Conformance tests and fakes, for the package's own tests and for authors of plug-ins.

from reward_models.testing import RewardConformance

class TestMine(RewardConformance):
    def make(self):
        return MyReward()
"""

from reward_models.testing.conformance import (
    CriticConformance,
    EncoderConformance,
    ImaginationConformance,
    RewardConformance,
    ScorerConformance,
    TeacherConformance,
    WordsConformance,
)
from reward_models.testing.fakes import FakeReward, random_pictures

__all__ = [
    "CriticConformance",
    "EncoderConformance",
    "FakeReward",
    "ImaginationConformance",
    "RewardConformance",
    "ScorerConformance",
    "TeacherConformance",
    "WordsConformance",
    "random_pictures",
]
