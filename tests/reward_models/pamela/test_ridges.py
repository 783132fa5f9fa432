"""PAMELA's ridges on scikit-learn against the closed forms they replaced."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reward_models.pamela.evaluation import ridge
from reward_models.pamela.newcomers import NAIVE, NewPeople
from reward_models.pamela.people import PENALTIES, _ridge, person_prior
from reward_models.ratings.arrays import RatingTable


def of_demographics(x, y):
    """``_ridge`` by hand: leave-one-out errors from the leverages, a penalty a column."""
    tables, errors = [], []
    for penalty in PENALTIES:
        inverse = torch.linalg.inv(x.T @ x + penalty * torch.eye(x.shape[1]))
        leverage = (x @ inverse * x).sum(1)
        tables.append(inverse @ x.T @ y)
        errors.append((((y - x @ tables[-1]) / (1 - leverage).clamp(min=1e-3)[:, None]) ** 2).mean(0))
    best = torch.stack(errors).argmin(0)
    return torch.stack(tables)[best, :, torch.arange(y.shape[1])].T, best


@pytest.mark.parametrize(("people", "axes"), [(200, 24), (60, 5), (12, 1)])
def test_what_demographics_say_of_the_axes(people, axes):
    """To 1e-5: it was in float32."""
    generator = torch.Generator().manual_seed(people)
    fields = torch.randint(0, 4, (people, 3), generator=generator)
    x = torch.cat([torch.nn.functional.one_hot(f, 4).float() - 0.25 for f in fields.T], 1)  # (N, classes)
    truth = torch.randn(12, axes, generator=generator) * torch.linspace(0, 1, axes)
    y = x @ truth + torch.randn(people, axes, generator=generator)
    expected, best = of_demographics(x, y)
    if axes > 1:
        assert len(best.unique()) > 1  # the columns want different penalties
    assert _ridge(x, y).shape == (12, axes)
    assert _ridge(x, y).dtype == torch.float32
    assert (_ridge(x, y) - expected).abs().max() < 1e-5


def test_people_without_demographics_have_a_prior():
    vectors = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    prior = person_prior(vectors, torch.zeros(8), np.zeros((20, 0), int), [])
    assert prior.table.shape == (0, len(prior.axes))
    assert prior.guess([]).abs().max() == 0
    alike = person_prior(torch.zeros(20, 8), torch.zeros(8), np.ones((20, 1), int), [2])
    assert alike.table.shape == (2, 0)


@pytest.mark.parametrize(("n", "d"), [(200, 30), (40, 64)])
def test_the_baseline_of_features(n, d):
    """To 1e-6; a constant feature counts for nothing."""
    rng = np.random.default_rng(d)
    x, new = (rng.normal(size=(m, d)) * rng.uniform(0.1, 2, d) for m in (n, 50))
    x[:, 3] = 0.5
    y = x @ rng.normal(size=d) + rng.normal(size=n)
    mean, spread = x.mean(0), x.std(0) + 1e-8
    a = (x - mean) / spread
    weight = np.linalg.solve(a.T @ a + n / 100 * np.eye(d), a.T @ (y - y.mean()))
    assert ridge(x, y, new) == pytest.approx((new - mean) / spread @ weight + y.mean(), abs=1e-6 * y.std())


@pytest.mark.parametrize("given", [1, 2, 15])
def test_the_naive_ridge(given):
    """To 1e-6, two people with ratings of their own; from one rating everything is liked as much."""
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(80, 48))
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    zeros, liking = np.zeros(80, int), rng.uniform(size=80)
    table = RatingTable(np.arange(80), zeros, np.repeat(["a", "b"], 40), liking, np.zeros((80, 0), int))
    people = NewPeople.__new__(NewPeople)
    people.corpus, people.table = SimpleNamespace(pictures=torch.from_numpy(pictures)), table
    people.rows = {"a": np.arange(40), "b": np.arange(40, 80)}
    parts = []
    for rows in people.rows.values():
        x, new, y = pictures[rows[:given]], pictures[rows[20:]], liking[rows[:given]]
        mean = x.mean(0)
        x, new = (x - mean) * 48**0.5, (new - mean) * 48**0.5
        dual = np.linalg.solve(x @ x.T + NAIVE * np.eye(given), y - y.mean())
        parts.append(new @ (x.T @ dual) + y.mean())
    assert people.naive(given, 20) == pytest.approx(np.concatenate(parts), abs=1e-6)
