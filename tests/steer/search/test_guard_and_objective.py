"""Small pure parts."""

from __future__ import annotations

import math

import pytest

from steer.config import ObjectiveConfig
from steer.errors import UsageError
from steer.report.changes import word_changes
from steer.search.guard import Guard, explain
from steer.search.objective import fidelity_floor, objective
from steer.types import Candidate, Dropped, Rewrite, State
from steer.words import clean, kept_share


def test_clean_removes_control_and_format_characters():
    assert clean("a\tfox\n\u202ein\u200b snow\x07 ") == "a fox in snow"


def test_kept_share_counts_content_words():
    assert kept_share("a lighthouse by the sea", "lighthouse near stormy seas") == 1.0
    assert kept_share("a lighthouse by the sea", "a castle by the sea") == 0.5
    assert kept_share("the of", "anything") == 1.0


def test_guard_keeps_order_and_drops_case_variants():
    good, dropped = Guard("a fox").check([Rewrite("A fox B"), Rewrite("a FOX b"), Rewrite("the fox C")], {"x"})
    assert [r.text for r in good] == ["A fox B", "the fox C"]
    assert dropped == [("a FOX b", "already tried", "repeat")]


def test_a_guard_that_dropped_everything_is_named_and_repeats_are_not_its_doing():
    repeats = [Dropped("a fox", "already tried", "repeat")]
    unlike = [Dropped("a photo", "is 0.00 like the prompt, less than 0.10", "fidelity")]
    styled = [Dropped("a fox, sepia", "changes the style, which this strength leaves alone", "strength")]
    assert explain("a fox", repeats) == ""
    assert explain("a fox", unlike * 2) == "the fidelity guard dropped all 2 rewrites: they no longer say 'fox'"
    assert explain("", unlike).endswith(": the first one is 0.00 like the prompt, less than 0.10")
    told = explain("a fox", [*styled, *styled, *repeats])
    assert told.startswith("search.strength dropped 2 of 3 rewrites: the first one changes the style")


def candidate(fidelity, personal=0.5, **others):
    return Candidate(0, 0, Rewrite("x"), 0, State.SCORED, personal=personal, fidelity=fidelity, others=others)


GOAL = ObjectiveConfig()


def test_the_floor_is_a_share_of_what_the_prompt_reaches():
    assert fidelity_floor([candidate(0.8), candidate(0.6), candidate(math.nan)], GOAL, 0.9) == pytest.approx(0.63)
    assert fidelity_floor([], GOAL, 0.9) == 0.0


def test_only_fidelity_below_the_floor_costs():
    assert objective(candidate(0.9, 0.7), 0.6, GOAL) == 0.7
    assert objective(candidate(0.4, 0.7), 0.6, GOAL) == pytest.approx(0.5)
    assert math.isnan(objective(candidate(0.5, math.nan), 0.6, GOAL))
    assert math.isnan(objective(candidate(math.nan), 0.6, GOAL))


def test_a_reward_that_reads_no_texts_is_refused_unless_the_guard_is_off():
    with pytest.raises(UsageError, match=r"objective\.fidelity_weight=0"):
        fidelity_floor([candidate(math.nan)], GOAL, 0.9)
    free = ObjectiveConfig(fidelity_weight=0)
    assert fidelity_floor([candidate(math.nan)], free, 0.9) == 0
    assert objective(candidate(math.nan, 0.7), 0.0, free) == 0.7


def test_the_mix_is_a_weighted_mean_of_what_has_a_weight():
    goal = ObjectiveConfig(weights={"personal": 3, "quality": 1}, scorers={"quality": {"linear": [0, 1]}})
    assert objective(candidate(0.9, 0.8, quality=0.4), 0.6, goal) == pytest.approx(0.7)
    recorded = ObjectiveConfig(scorers={"quality": {"linear": [0, 1]}})
    assert objective(candidate(0.9, 0.8, quality=math.nan), 0.6, recorded) == pytest.approx(0.8)


def test_changes_word_by_word():
    assert word_changes("a fox in snow", "wide shot of a fox at dawn, sepia") == [
        ("added", "wide shot of"),
        ("same", "a fox"),
        ("removed", "in snow"),
        ("added", "at dawn, sepia"),
    ]
