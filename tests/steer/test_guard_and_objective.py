"""Small pure parts."""

from __future__ import annotations

import math

import pytest

from steer.guard import clean, guard, kept_share
from steer.objective import fidelity_floor, objective
from steer.report.changes import word_changes
from steer.types import Candidate, Rewrite


def test_clean_removes_control_and_format_characters():
    assert clean("a\tfox\n\u202ein\u200b snow\x07 ") == "a fox in snow"


def test_kept_share_counts_content_words():
    assert kept_share("a lighthouse by the sea", "lighthouse near stormy seas") == 1.0
    assert kept_share("a lighthouse by the sea", "a castle by the sea") == 0.5
    assert kept_share("the of", "anything") == 1.0


def test_guard_keeps_order_and_drops_case_variants():
    good, dropped = guard("a fox", [Rewrite("A fox B"), Rewrite("a FOX b"), Rewrite("the fox C")], {"x"})
    assert [r.text for r in good] == ["A fox B", "the fox C"]
    assert dropped == [("a FOX b", "already tried")]


def candidate(fidelity):
    return Candidate(0, 0, Rewrite("x"), 0, fidelity=fidelity)


def test_the_floor_is_a_share_of_what_the_prompt_reaches():
    assert fidelity_floor([candidate(0.8), candidate(0.6), candidate(math.nan)], 0.9) == pytest.approx(0.63)
    assert fidelity_floor([], 0.9) == 0.0


def test_only_fidelity_below_the_floor_costs():
    assert objective(0.7, 0.9, 0.6, 1.0) == 0.7
    assert objective(0.7, 0.4, 0.6, 1.0) == pytest.approx(0.5)
    assert math.isnan(objective(math.nan, 0.5, 0.6, 1.0))
    assert math.isnan(objective(0.5, math.nan, 0.6, 1.0))


def test_changes_word_by_word():
    assert word_changes("a fox in snow", "wide shot of a fox at dawn, sepia") == [
        ("added", "wide shot of"), ("same", "a fox"), ("removed", "in snow"), ("added", "at dawn, sepia"),
    ]  # fmt: skip
