"""New people from few ratings, in a world of people whose tastes share three traits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reward_models.evaluation.metrics import evaluate
from reward_models.pamela.model import PamelaConfig
from reward_models.pamela.people import fit_person, person_prior
from reward_models.pamela.training import TrainingSettings, train_member
from reward_models.ratings.arrays import RatingTable

FIELDS = ("age_binned", "gender", "nationality", "group", "style", "type")
SEEN, NEW = 60, 24


@pytest.fixture(scope="module")
def world():
    """Trained on 60 people; 24 new ones. The first trait follows from the first demographic field."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 16))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    traits = rng.normal(size=(3, 16)) * 2
    young = rng.integers(0, 2, SEEN + NEW)
    weights = rng.normal(size=(SEEN + NEW, 3))
    weights[:, 0] = np.where(young, 1.5, -1.5) + 0.3 * rng.normal(size=SEEN + NEW)
    tastes = weights @ traits
    liking = 1 / (1 + np.exp(-features @ tastes.T))  # (pictures, people)
    people = [f"p{i}" for i in range(SEEN)]
    config = PamelaConfig(16, width=48, people=people, vocabularies={f: ["a", "b"] for f in FIELDS})

    def table(who, pictures):
        rows = [(i, k) for k in who for i in rng.choice(pictures, 80, replace=False)]
        fields = np.zeros((len(rows), 6), int)
        fields[:, 0] = [young[k] + 1 for _, k in rows]
        y = np.array([liking[i, k] for i, k in rows]) + 0.05 * rng.normal(size=len(rows))
        nothing = np.zeros(len(rows), int)
        return RatingTable(
            np.array([i for i, _ in rows]), nothing, np.array([f"p{k}" for _, k in rows]), y.clip(0, 1), fields
        )

    train, new = table(range(SEEN), np.arange(200)), table(range(SEEN, SEEN + NEW), np.arange(200, 300))
    x = torch.from_numpy(features).float()
    settings = TrainingSettings(epochs=40, people_per_batch=20, ratings_each=12, lr=3e-3)
    member = train_member(config, x, torch.zeros(1, 16), train, 0, settings)
    young_rows = np.array([[young[k] + 1, 0, 0] for k in range(SEEN)])
    table = member.person.weight.detach()
    prior = person_prior(table[1:], table[0], young_rows, (2, 2, 2), axes=8)
    return member, prior, x, new


def srocc(world, n, demographics=True):
    """Within-person SROCC on the last 40 ratings of each new person, from their first n."""
    member, prior, x, new = world
    predicted, rated, who = [], [], []
    for p in np.unique(new.person):
        rows = np.flatnonzero(new.person == p)
        given, later = rows[:n], new.picture[rows[40:]]
        shown = new.fields[rows[0], :3].tolist() if demographics else [0, 0, 0]
        pictures = x[new.picture[given]]
        person = fit_person(
            member,
            prior,
            pictures,
            torch.zeros_like(pictures),
            torch.from_numpy(new.liking[given]).float(),
            shown,
            0.08,
        )
        row = torch.tensor([*shown, 0, 0, 0]).expand(40, -1)
        with torch.no_grad():
            predicted.append(member(x[later], torch.zeros(40, 16), person.vector.expand(40, -1), row).numpy())
        rated.append(new.liking[rows[40:]])
        who += [p] * 40
    return evaluate(np.concatenate(predicted), np.concatenate(rated), who, 1)["srocc"]


def test_more_ratings_teach_more(world):
    none, five, fifteen, forty = (srocc(world, n, demographics=False) for n in (0, 5, 15, 40))
    assert none < five < fifteen < forty
    assert fifteen > none + 0.3


def test_demographics_help_before_the_first_rating(world):
    assert srocc(world, 0) > srocc(world, 0, demographics=False) + 0.1


def test_uncertainty_falls_with_ratings_and_starts_at_the_prior(world):
    member, prior, x, new = world
    spreads = []
    for n in (0, 5, 40):
        liking = torch.from_numpy(new.liking[:n]).float()
        fitted = fit_person(member, prior, x[new.picture[:n]], torch.zeros(n, 16), liking)
        spreads.append(float(fitted.covariance.trace()))
    assert spreads[0] == len(prior.axes) > spreads[1] > spreads[2]


def test_fitting_a_person_leaves_the_member_alone(world):
    member, prior, x, _ = world
    before = {k: v.clone() for k, v in member.state_dict().items()}
    fit_person(member, prior, x[:15], torch.zeros(15, 16), torch.linspace(0, 1, 15))
    assert all(torch.equal(v, before[k]) for k, v in member.state_dict().items())
