"""New people are judged on pictures that others have rated and on new ones, and never on what was learnt from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reward_models.linear_hidden.new_people import two_questions
from reward_models.taste.learning import Rated
from reward_models.two_questions import CROWD, as_markdown, gain_in_words, judge

PEOPLE, PICTURES, NEW = 24, 60, 8


@pytest.fixture(scope="module")
def rated():
    """Everybody rates everything; tastes lie along two features, and pictures come in pairs of near-duplicates."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(PICTURES // 2, 5)), 2, axis=0) + 0.01 * rng.normal(size=(PICTURES, 5))
    tastes = rng.normal(size=(PEOPLE, 2))
    liking = 0.5 + 0.1 * x[:, 0] + 0.15 * tastes @ x[:, 1:3].T + 0.05 * rng.normal(size=(PEOPLE, PICTURES))
    person, picture = np.divmod(np.arange(PEOPLE * PICTURES), PICTURES)
    return Rated(x, picture, person, liking.ravel(), np.arange(PICTURES) // 2)


def test_what_knows_a_person_gains_and_what_guesses_hurts_in_words(rated):
    ratings = rated
    seen: list[set[int]] = []

    def learn(known):
        assert not set(known.person) & set(range(NEW))
        pictures = set(known.picture)
        assert not {p // 2 for p in pictures} & {p // 2 for p in set(range(PICTURES)) - pictures}
        seen.append(pictures)
        x, rng = ratings.x, np.random.default_rng(1)

        def crowd(given, liking, asked):
            assert set(given) <= pictures
            return 0.1 * x[asked, 0]

        def knows(given, liking, asked):
            solved = np.linalg.lstsq(x[given][:, :3], liking - 0.5, rcond=None)[0] if len(given) > 14 else [1, 0, 0]
            return x[asked][:, :3] @ solved

        def guesses(given, liking, asked):
            return crowd(given, liking, asked) + rng.normal(size=len(asked))

        def interval(given, liking, asked):
            return np.full(len(asked), 0.5), np.full(len(asked), 10.0)

        return {CROWD: crowd, "knows": knows, "guesses": guesses}, interval

    told = judge(ratings, ratings.person < NEW, learn, splits=3, draws=1)
    assert len(seen) == 3
    for question in ("new", "rated"):
        assert told.ways[question]["knows"][15]["gain"][1] > 0
        assert told.ways[question]["guesses"][15]["gain"][2] < 0
        assert told.ways[question][CROWD][15]["gain"] == [0, 0, 0]
    assert told.covered[15] == (1, 1)
    text = as_markdown(told, " of all")
    assert text.index("**New pictures**") < text.index("**Pictures that others have rated**")
    assert "hurts" in next(line for line in text.splitlines() if line.startswith("| guesses"))
    assert "hurts" not in next(line for line in text.splitlines() if line.startswith("| knows"))


def test_a_gain_is_said_to_hurt_only_where_its_whole_interval_does():
    assert gain_in_words(-0.01, -0.02, 0.001) == "-0.010 [-0.020, +0.001]"
    assert gain_in_words(-0.01, -0.02, -0.001) == "-0.010 [-0.020, -0.001] hurts"


def test_linear_hidden_is_judged_on_the_people_of_the_unseen_splits(rated):
    ratings = rated
    names = [f"{p}.jpg" for p in range(PICTURES)]
    table = pd.DataFrame(
        {
            "person": [f"p{p}" for p in ratings.person],
            "picture": [names[p] for p in ratings.picture],
            "score": ratings.liking,
            "split": np.where(ratings.person < NEW, "test_unseen", "train"),
            "picture_group": [f"g{p // 2}" for p in ratings.picture],
        }
    )
    told = two_questions(table, ratings.x, {n: i for i, n in enumerate(names)}, 1)
    assert told is not None
    assert told.ways["new"]["hierarchical"][27]["gain"][1] > 0
    assert told.ways["new"]["hierarchical"][27]["people"] == NEW
    assert two_questions(table[table["split"] == "train"], ratings.x, {}) is None
