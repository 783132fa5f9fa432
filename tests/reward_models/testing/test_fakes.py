"""The fake keeps every protocol it stands in for."""

from __future__ import annotations

from reward_models import testing
from reward_models.testing import FakeReward


class TestFakeReward(
    testing.RewardConformance,
    testing.TeacherConformance,
    testing.ImaginationConformance,
    testing.WordsConformance,
    testing.CriticConformance,
):
    def make(self):
        return FakeReward()
