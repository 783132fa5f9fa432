"""Training on made-up features whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reward_models.evaluation.metrics import evaluate
from reward_models.pamela.model import PamelaConfig
from reward_models.pamela.training import (
    Told,
    TrainingSettings,
    neighbour_weights,
    predict,
    profile,
    ranking_loss,
    train_member,
)
from reward_models.ratings.arrays import RatingTable

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
    nothing = np.zeros(len(rows), int)
    table = RatingTable(picture, nothing, np.array([people[k] for _, k in rows]), liking, np.zeros((len(rows), 6), int))
    config = PamelaConfig(16, width=48, people=people, vocabularies={f: ["x"] for f in FIELDS})
    return config, torch.from_numpy(features).float(), table


NO_PROMPT = torch.zeros(1, 16)


def train(world, seed=0, epochs=30, **more):
    config, features, table = world
    rows = np.arange(len(table)) % 4 != 0
    settings = TrainingSettings(
        epochs=epochs, people_per_batch=12, ratings_each=12, lr=3e-3, **more.pop("settings", {})
    )
    model = train_member(config, features, NO_PROMPT, table.where(rows), seed, settings, **more)
    return model, table.where(~rows)


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_the_personal_model_beats_the_population_head(world):
    _, features, _ = world
    model, test = train(world)
    personal = evaluate(predict([model], features, NO_PROMPT, test), test.liking, test.person)
    nobody = evaluate(predict([model], features, NO_PROMPT, test, personal=False), test.liking, test.person)
    assert personal["srocc"] > nobody["srocc"] + 0.15


def test_predictions_do_not_depend_on_the_batch_or_the_order_of_people(world):
    _, features, _ = world
    model, test = train(world, epochs=2)
    whole = predict([model], features, NO_PROMPT, test)
    assert np.allclose(whole, predict([model], features, NO_PROMPT, test, batch=7), atol=1e-5)
    order = np.random.default_rng(0).permutation(len(test))
    assert np.allclose(whole[order], predict([model], features, NO_PROMPT, test.where(order)), atol=1e-5)


def test_a_resumed_training_ends_at_the_same_weights(world, tmp_path):
    whole, _ = train(world, epochs=4, checkpoint=tmp_path / "whole.pt")

    def killed(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(world, epochs=4, checkpoint=tmp_path / "cut.pt", told=Told(killed))
    torch.manual_seed(99)
    epochs = []
    resumed, _ = train(
        world, epochs=4, checkpoint=tmp_path / "cut.pt", told=Told(lambda row: epochs.append(row["epoch"]))
    )
    assert epochs == [3, 4]
    assert same(whole, resumed)


def test_training_stops_early_and_returns_its_best_epoch(world):
    config, features, table = world
    rows = np.arange(len(table)) % 4 != 0
    noise = table.where(~rows)
    noise.liking = np.random.default_rng(1).random(
        len(noise)
    )  # nothing to be learnt of it: no epoch is better for long
    seen = []
    settings = TrainingSettings(epochs=60, people_per_batch=12, ratings_each=12, patience=3)
    model = train_member(config, features, NO_PROMPT, table.where(rows), 0, settings, noise, told=Told(seen.append))
    scores = [row["val_srocc"] for row in seen]
    best = int(np.argmax(scores))
    assert len(seen) == best + 4 < 60
    again = evaluate(predict([model], features, NO_PROMPT, noise), noise.liking, noise.person, 1)["srocc"]
    assert again == pytest.approx(scores[best], abs=1e-6)


def test_people_are_drawn_by_weight(world):
    config, features, table = world
    table = table.where(np.arange(len(table)))
    table.weight = np.where(table.person == "p0", 1.0, 0.0)  # only this one is ever drawn
    settings = TrainingSettings(epochs=1, people_per_batch=1, ratings_each=12, weight_decay=0.0, id_dropout=0.0)
    before = train_member(config, features, NO_PROMPT, table, 0, TrainingSettings(epochs=0))
    after = train_member(config, features, NO_PROMPT, table, 0, settings)
    moved = (before.person.weight - after.person.weight).detach().abs().sum(1)
    assert moved[config.index("person", "p0")] > 0
    assert moved.count_nonzero() == 1


def test_one_seed_gives_one_model(world):
    one, _ = train(world, epochs=2)
    two, _ = train(world, epochs=2)
    assert same(one, two)
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
