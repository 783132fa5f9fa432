"""A reward that begins with another's answer from the card, and corrects it as ratings arrive."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models import Evidence, Person, RewardError, Seen, teach
from reward_models.prior_mean import WithPrior
from reward_models.testing import ImaginationConformance, RewardConformance, TeacherConformance, WordsConformance
from reward_models.testing.fakes import FakeReward, random_pictures
from tests.reward_models import shipped

CARD = {"age_binned": "30-39", "gender": "female"}


@pytest.fixture(scope="module")
def prior():
    """PAMELA again, which reads demographics; nobody teaches this one."""
    return shipped.reward()


@pytest.fixture
def both(prior):
    return WithPrior(shipped.reward(), prior)


class TestConformance(RewardConformance, TeacherConformance, ImaginationConformance, WordsConformance):
    def make(self):
        return WithPrior(FakeReward(), FakeReward())


def test_before_any_rating_the_prior_answers_from_the_card(both, prior):
    pictures = random_pictures(3)
    told = prior.score(pictures, [""] * 3, Person(None, CARD)).personal
    assert not np.array_equal(told, prior.score(pictures, [""] * 3, Person()).personal)
    np.testing.assert_allclose(both.score(pictures, [""] * 3, Person(None, CARD)).personal, told, atol=1e-6)
    teach(both, "me", demographics=CARD)
    np.testing.assert_allclose(both.score(pictures, [""] * 3, "me").personal, told, atol=1e-3)


def test_of_whom_nothing_is_said_the_reward_judges_alone(both):
    pictures, alone = random_pictures(4), shipped.reward()
    for model in (both, alone):
        teach(model, "me", pictures, [""] * 4, [0.9, 0.1, 0.8, 0.2])
    ours, theirs = (m.score(pictures, [""] * 4, "me").personal for m in (both, alone))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    known = alone.people()[0]
    np.testing.assert_allclose(
        both.score(pictures, [""] * 4, known).personal, alone.score(pictures, [""] * 4, known).personal, atol=1e-6
    )


def test_ratings_that_the_prior_foretold_teach_nothing_and_others_correct_it(both):
    pictures = random_pictures(6)
    told = both.score(pictures, [""] * 6, Person(None, CARD)).personal
    teach(both, "as told", pictures, [""] * 6, told.tolist(), demographics=CARD)
    teach(both, "nothing", demographics=CARD)
    as_told, nothing = (both.score(pictures, [""] * 6, p).personal for p in ("as told", "nothing"))
    np.testing.assert_allclose(as_told, nothing, atol=0.02)
    high = np.clip(told + np.array([0.3, -0.3] * 3), 0, 1)
    teach(both, "other", pictures, [""] * 6, high.tolist(), demographics=CARD)
    moved = both.score(pictures, [""] * 6, "other").personal - nothing
    assert np.corrcoef(moved, high - told)[0, 1] > 0.5


def test_a_lesson_brings_back_the_card(both, prior):
    pictures = random_pictures(4)
    lesson = teach(both, "me", pictures, [""] * 4, [0.9, 0.1, 0.8, 0.2], demographics=CARD, profile="warm light")
    again = WithPrior(shipped.reward(), prior)
    again.teacher.recall("me", lesson.data, {})
    ours, theirs = (m.score(pictures, [""] * 4, "me").personal for m in (both, again))
    np.testing.assert_array_equal(ours, theirs)
    for torn in (b"", b"\x00", lesson.data[:20]):
        with pytest.raises(ValueError, match="lesson"):
            again.teacher.recall("me", torn, {})


def test_torn_bytes_of_a_picture_are_refused(both):
    assert not both.teacher.fits(b"\x00\x00\x10\x00abc")
    with pytest.raises(RewardError, match="torn"):
        both.teacher.learn("me", Evidence([Seen(b"\x00\x00\x10\x00abc")], [0.5]))


def test_a_reward_that_learns_nobody_has_no_prior():
    fixed = FakeReward()
    fixed.teacher = None
    with pytest.raises(RewardError, match="learns no new people"):
        WithPrior(fixed, FakeReward())
