"""Answers are brought to people's scale, and no ranking changes."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models.profile_mllm.calibration import Calibration, tilted
from reward_models.prompted.decider import Answer


def test_a_model_that_rates_too_high_is_corrected_and_ranks_as_before():
    rng = np.random.default_rng(0)
    truth = rng.random(600)
    answered = 0.6 + 0.3 * truth
    line = Calibration.fitted(answered, truth + 0.1 * rng.normal(size=600))
    grid = np.linspace(0, 1, 201)
    assert np.all(np.diff(line(grid)) > 0)
    assert np.abs(line(answered) - truth).mean() < 0.05 < np.abs(answered - truth).mean()


def test_a_calibrated_answer_has_the_wanted_mean_and_stays_a_distribution():
    line = Calibration((0.0, 0.5, 1.0), (0.0, 0.2, 1.0))
    answer = line.answer(Answer.of([0.1, 0.2, 0.3, 0.3, 0.1], 0.25))
    assert answer.liking == pytest.approx(float(line(np.array([0.525]))[0]), abs=1e-9)
    assert sum(answer.probabilities) == pytest.approx(1)
    assert answer.off == 0.25
    assert line.answer(Answer(reason="none")).reason == "none"
    assert Calibration().answer(answer) is answer


@pytest.mark.parametrize("mean", [0.001, 0.3, 0.999])
def test_tilting_reaches_any_mean(mean):
    assert np.linspace(0, 1, 5) @ tilted([0.9, 0.02, 0.02, 0.03, 0.03], mean) == pytest.approx(mean, abs=1e-6)


def test_answers_that_hardly_differ_still_make_a_line():
    rng = np.random.default_rng(1)
    line = Calibration.fitted(0.51 + 1e-5 * rng.random(40), rng.random(40))
    assert np.all(np.diff(line(np.linspace(0, 1, 101))) > 0)


def test_too_little_or_constant_answers_change_nothing():
    assert Calibration.fitted(np.full(100, 0.4), np.random.default_rng(0).random(100)) == Calibration()
    assert Calibration.fitted(np.array([0.1, 0.2]), np.array([0.1, 0.2])) == Calibration()


@pytest.mark.parametrize(
    "corners", [((0.0, 1.0), (0.5,)), ((0.0, 0.0), (0.1, 0.2)), ((0.0, 1.0), (0.3, 0.2)), ((0.5,), (0.5,))]
)
def test_corners_that_make_no_sense_are_refused(corners):
    with pytest.raises(ValueError, match="rising corners"):
        Calibration(*corners)
