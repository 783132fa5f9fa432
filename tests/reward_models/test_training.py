"""Training on made-up features whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reward_models.metrics import evaluate
from reward_models.pamela import PamelaConfig
from reward_models.training import RatingTable, neighbour_weights, profile, ranking_loss, train_member

FIELDS = ("age_binned", "gender", "nationality", "group", "style", "type")


@pytest.fixture(scope="module")
def world():
    """24 people with linear tastes of their own over 16 features, 200 pictures."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 16))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    tastes = rng.normal(size=(24, 16))
    people = [f"p{i}" for i in range(24)]
    rows = [(i, k) for k in range(24) for i in rng.choice(200, 120, replace=False)]
    picture = np.array([i for i, _ in rows])
    liking = np.array([1 / (1 + np.exp(-2 * features[i] @ tastes[k])) for i, k in rows])
    table = RatingTable(picture, np.array([people[k] for _, k in rows]), liking, np.zeros((len(rows), 6), int))
    config = PamelaConfig(16, width=48, people=people, vocabularies={f: ["x"] for f in FIELDS})
    return config, torch.from_numpy(features).float(), table


def predict(model, config, features, table, personal=True):
    who = torch.tensor([config.index("person", p) if personal else 0 for p in table.person])
    with torch.no_grad():
        x = features[table.picture]
        return model(x, torch.zeros_like(x), model.person.weight[who], torch.from_numpy(table.fields)).numpy()


def train(world, seed=0, epochs=30):
    config, features, table = world
    train_rows = np.arange(len(table)) % 4 != 0
    model = train_member(
        config, features, torch.zeros_like(features), table.where(train_rows), seed, epochs=epochs,
        people_per_batch=12, ratings_each=12, lr=3e-3,
    )  # fmt: skip
    return model, table.where(~train_rows)


def test_the_personal_model_beats_the_population_head(world):
    config, features, _ = world
    model, test = train(world)
    personal = evaluate(predict(model, config, features, test), test.liking, test.person)
    nobody = evaluate(predict(model, config, features, test, personal=False), test.liking, test.person)
    assert personal["srocc"] > nobody["srocc"] + 0.15


def test_one_seed_gives_one_model(world):
    one, _ = train(world, epochs=2)
    two, _ = train(world, epochs=2)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    other, _ = train(world, seed=1, epochs=2)
    assert not torch.equal(one.cls, other.cls)


def test_ranking_loss_falls_when_pairs_are_ordered_rightly():
    y = torch.tensor([0.1, 0.5, 0.9])
    assert ranking_loss(y, y, 3) < ranking_loss(torch.full((3,), 0.5), y, 3) < ranking_loss(1 - y, y, 3)
    assert float(ranking_loss(y, torch.full((3,), 0.4), 3)) == 0.0


def test_centred_profiles_tell_people_apart_and_raw_ones_do_not():
    rng = np.random.default_rng(2)
    common = rng.normal(size=12) * 3
    features = rng.normal(size=(60, 12)) + common
    likings = [1 / (1 + np.exp(-(features - common) @ rng.normal(size=12))) for _ in range(6)]

    def mean_cosine(centred):
        p = np.stack([profile(features, y, centred) for y in likings])
        p /= np.linalg.norm(p, axis=1, keepdims=True)
        return (p @ p.T)[np.triu_indices(6, 1)].mean()

    assert mean_cosine(False) > 0.95
    assert mean_cosine(True) < 0.6


def test_neighbours_are_the_nearest_and_their_weights_sum_to_one():
    profiles = np.eye(6)
    rows, weights = neighbour_weights(np.array([1.0, 0.6, 0.1, 0, 0, 0]), profiles, k=3)
    assert list(rows[:2]) == [0, 1]
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1] > weights[2]
