"""What an answer is worth, against the posterior that it would give."""

from __future__ import annotations

import pytest
import torch

from reward_models.questions import gains, open_variance, pair_gains

NOISE = 0.2


@pytest.fixture
def belief():
    """Slopes of 9 pictures along 4 axes of 2 members, and their covariances."""
    generator = torch.Generator().manual_seed(0)
    slope = torch.randn(2, 9, 4, generator=generator, dtype=torch.float64)
    root = torch.randn(2, 4, 4, generator=generator, dtype=torch.float64)
    return slope, root @ root.transpose(1, 2) * 0.05


def after(slope, covariance, along, noise):
    """The covariances (M, K, K) after an observation with slopes ``along`` (M, K)."""
    precision = torch.linalg.inv(covariance) + along[:, :, None] * along[:, None, :] / noise**2
    return torch.linalg.inv(precision)


def test_a_ratings_worth_is_the_variance_that_it_takes_away(belief):
    slope, covariance = belief
    worth, before = gains(slope, covariance, NOISE), open_variance(slope, covariance) * 9
    for i in range(9):
        left = open_variance(slope, after(slope, covariance, slope[:, i], NOISE)) * 9
        assert float(worth[i]) == pytest.approx(before - left, rel=1e-6)


def test_a_choices_worth_is_that_of_a_rating_of_the_difference_less_what_a_word_says_less(belief):
    """An even choice tells 2 / pi of what the difference itself would, whose noise is that of two ratings."""
    slope, covariance = belief
    pairs = torch.tensor([[0, 1], [5, 2], [2, 5]])
    worth, before = pair_gains(slope, covariance, NOISE, pairs), open_variance(slope, covariance) * 9
    for (i, j), found in zip(pairs.tolist(), worth, strict=True):
        noise = NOISE * 2**0.5 * (torch.pi / 2) ** 0.5
        left = open_variance(slope, after(slope, covariance, slope[:, i] - slope[:, j], noise)) * 9
        assert float(found) == pytest.approx(before - left, rel=1e-6)
    assert float(worth[1]) == pytest.approx(float(worth[2]))


def test_what_is_known_is_worth_nothing(belief):
    slope, covariance = belief
    assert gains(slope, covariance * 0, NOISE).tolist() == [0] * 9
    assert open_variance(slope, covariance * 0) == 0
    assert pair_gains(slope, covariance, NOISE, torch.tensor([[3, 3]])).tolist() == [0]


def test_a_shift_of_everything_ranks_nothing(belief):
    """An axis along which all pictures move alike is not asked about."""
    _, covariance = belief
    alike = torch.ones(2, 9, 4, dtype=torch.float64)
    assert gains(alike, covariance, NOISE) == pytest.approx(0)
    assert open_variance(alike, covariance) == pytest.approx(0)
