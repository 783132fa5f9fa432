"""What the paper's figures show, against tables small enough to see through."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from reward_models.pamela.evaluation import margin_curve
from reward_models.pamela.gallery import opposed, write_gallery
from reward_models.pamela.grid import grid
from reward_models.pamela.newcomers import NewPeople
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import build_corpus
from reward_models.ratings.sets import load_ratings


def table(likings):
    """Everybody rates pictures 0, 1, ...; ``likings``: by person."""
    each = [np.array(v, float) for v in likings.values()]
    return RatingTable(
        np.concatenate([np.arange(len(v)) for v in each]),
        np.zeros(sum(map(len, each)), int),
        np.repeat(np.array(list(likings)), [len(v) for v in each]),
        np.concatenate(each),
        np.zeros((sum(map(len, each)), 0), int),
    )


def test_the_margin_curve_of_a_perfect_predictor_is_flat_at_one():
    """a's ratings are far apart, b's all within .1: b has no pair above it, and is no reason to fall."""
    test = table({"a": [0, 0.25, 0.5, 0.75, 1], "b": [0.5, 0.52, 0.54, 0.56, 0.58], "few": [0, 1]})
    curve = margin_curve(test.liking, test, [0, 0.05, 0.2, 0.9])
    assert [m.pairwise for m in curve] == [1, 1, 1, 1]
    assert [(m.people, m.pairs) for m in curve] == [(2, 20), (2, 13), (1, 10), (1, 1)]
    (none,) = margin_curve(test.liking, test, [2])
    assert np.isnan(none.pairwise)
    assert (none.people, none.pairs) == (0, 0)


def test_opposite_orders_are_found_by_the_ratings_and_near_ties_are_left_out(tmp_path):
    test = table({"a": [0.1, 0.9, 0.5], "b": [0.8, 0.2, 0.5], "c": [0.1, 0.6, 0.5], "d": [0.55, 0.5, 0.5]})
    predicted = np.array([0.1, 0.9, 0.5, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    (case,) = opposed(predicted, test)  # a and b; c's is less clear and b is taken; d rates them alike
    assert case.people == ("a", "b")
    assert case.pictures == (0, 1)
    assert case.apart == pytest.approx(0.6)
    assert case.right == [True, False]
    assert opposed(predicted, test, margin=0.61) == []


def test_the_gallery_shows_pictures_ratings_and_predictions(trained, tmp_path):
    ratings = load_ratings(trained.root / "data")
    table = ratings.table.assign(prompt="<b>a fox</b>")
    corpus = build_corpus([(dataclasses.replace(ratings, table=table), 1.0)], trained.encoder, trained.root / "cache")
    test = corpus.tables["test_seen"]
    cases = opposed(test.liking, test)
    write_gallery(cases, corpus.frames["test_seen"], (1.0, 5.0), tmp_path / "gallery.html")
    html = (tmp_path / "gallery.html").read_text()
    assert html.count("data:image/jpeg;base64,") == 2 * len(cases) > 4
    assert "wrong" not in html  # the predictions are the ratings
    assert "&lt;b&gt;a fox" in html
    assert f"{1 + 4 * cases[0].rated[0][0]:.2f}" in html


def test_which_ratings_a_new_person_gives_is_drawn_and_not_the_files_order(trained):
    """Of a file that is sorted by colour, the first fifteen would all be of one or two."""
    ratings = load_ratings(trained.root / "data")
    sorted_ = dataclasses.replace(ratings, table=ratings.table.sort_values(["person", "style"]).reset_index(drop=True))
    corpus = build_corpus([(sorted_, 1.0)], trained.encoder, trained.root / "cache")
    ensemble, frame = trained.load().ensemble, corpus.frames["test_unseen"]
    draws = [NewPeople(corpus, ensemble, "test_unseen", seed=seed) for seed in (0, 0, 1)]
    first = [people.rows["p18"][:15] for people in draws]
    assert set(frame.loc[first[0], "style"]) == {"red", "green", "blue", "grey"}
    assert (first[0] == first[1]).all()
    assert set(first[0]) != set(first[2])
    alone = dataclasses.replace(corpus, tables=corpus.tables | {"test_unseen": corpus.tables["test_unseen"]})
    alone.tables["test_unseen"] = corpus.tables["test_unseen"].where(corpus.tables["test_unseen"].person == "p18")
    assert len(NewPeople(alone, ensemble, "test_unseen").rows["p18"]) == 30


def test_the_grid_has_a_row_for_each_setting_and_the_spread_over_draws(trained):
    corpus = build_corpus([(load_ratings(trained.root / "data"), 1.0)], trained.encoder, trained.root / "cache")
    ensemble = trained.load().ensemble
    rows = grid(corpus, ensemble, "test_unseen", (5, 15), (1, 5), (0.1,), draws=2)
    assert [(r["way"], r["ratings"], r["neighbours"], r["temperature"]) for r in rows] == [
        ("nothing given", 0, None, None),
        ("fitted", 5, None, None),
        ("neighbours", 5, 1, None),
        ("neighbours", 5, 5, 0.1),
        ("fitted", 15, None, None),
        ("neighbours", 15, 1, None),
        ("neighbours", 15, 5, 0.1),
    ]
    assert all(r["draws"] == 2 for r in rows)
    fitted = rows[4]
    assert fitted["srocc"] > 0.7 > rows[0]["srocc"]
    assert any(r["srocc_spread"] > 0 for r in rows)
    assert grid(corpus, ensemble, "test_unseen", (40,)) == []  # nobody has so many
