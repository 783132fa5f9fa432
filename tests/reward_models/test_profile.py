"""What people say of their taste, as statements."""

from __future__ import annotations

import pytest

from reward_models.profile import as_ratings, statements


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("warm light", [("warm light", True)]),
        ("I really hate crowds", [("crowds", False)]),
        ("Please no neon. Never blurry", [("neon", False), ("blurry", False)]),
        ("always more fog and less people", [("fog", True), ("people", False)]),
        ("I can't stand red but I absolutely love blue", [("red", False), ("blue", True)]),
        (" , ; .", []),
    ],
)
def test_statements_are_for_or_against(text, found):
    assert statements(text) == found


def test_a_long_statement_is_cut_and_a_word_that_begins_like_one_is_whole():
    assert statements("x" * 500) == [("x" * 200, True)]
    assert statements("notable skies, nothingness") == [("notable skies", True), ("nothingness", True)]


def test_ratings_of_statements_are_within_the_scale():
    phrases, likings = as_ratings("warm light, no neon")
    assert phrases == ["warm light", "neon"]
    assert 0 < likings[1] < 0.5 < likings[0] < 1
    assert as_ratings("") == ([], [])
