"""Templates, and what they are told: attribution, memory, styles."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from steer.errors import UsageError
from steer.proposers.instructions import Instructions, build_ask
from steer.resources import data_folder
from steer.search.attribution import word_effects
from steer.search.memory import MEMORIES, contrast, diverse, elitist, exploring
from steer.types import Candidate, History, Rewrite, State

PROMPT = "a fox"


def history(*pairs, seeds=2):
    """Texts (or rewrites) with their rewards, each on some seeds."""
    rows = [(r if isinstance(r, Rewrite) else Rewrite(r), y, s) for r, y in pairs for s in range(seeds)]
    return History([Candidate(i, 1, r, s, State.SCORED, objective=y, personal=y) for i, (r, y, s) in enumerate(rows)])


LIKES_DAWN = history(
    ("a fox", 0.5),
    ("a fox at dawn", 0.8),
    ("a fox in neon light", 0.3),
    ("a fox at dawn, sepia", 0.78),
    ("a fox, sepia", 0.5),
    ("a neon fox at dawn", 0.6),
    ("a fox, neon", 0.28),
)


def test_words_that_raised_and_lowered_the_reward_are_found_with_intervals():
    effects = {e.words: e for e in word_effects(PROMPT, LIKES_DAWN)}
    assert effects["dawn"].low > 0.05
    assert effects["neon"].high < -0.05
    assert effects["sepia"].low < 0 < effects["sepia"].high
    assert effects["dawn"].n_texts == 3
    assert "fox" not in effects


def test_phrases_that_a_rewrite_names_are_effects_as_a_whole():
    named = [(Rewrite(f"{p} {PROMPT}", {"framing": p}), y) for p, y in (("wide shot of", 0.8), ("close-up of", 0.2))]
    effects = word_effects(PROMPT, history((PROMPT, 0.5), *named))
    assert [e.words for e in effects] == ["wide shot of", "close-up of"]


def test_more_pictures_make_an_effect_surer_and_few_texts_say_nothing():
    few, many = (
        word_effects(PROMPT, history((PROMPT, 0.5), ("a fox A1", 0.8), ("a fox B1", 0.5), seeds=n)) for n in (1, 9)
    )
    assert many[0].words == few[0].words == "a1"
    assert many[0].high - many[0].low < few[0].high - few[0].low
    assert word_effects(PROMPT, history((PROMPT, 0.5), ("a fox A", 0.8))) == []
    assert word_effects(PROMPT, History()) == []


def test_memories_choose_differently():
    ranked = history(
        ("fox red light", 0.9),
        ("fox red light glow", 0.89),
        ("fox red light haze", 0.88),
        ("fox blue fog", 0.8),
        ("fox mud", 0.1),
    )
    assert [s.mean for s in elitist(ranked, 3)] == [0.9, 0.89, 0.88]
    assert [s.rewrite.text for s in diverse(ranked, 2)] == ["fox red light", "fox blue fog"]
    assert [s.rewrite.text for s in contrast(ranked, 3)] == ["fox red light", "fox blue fog", "fox mud"]
    often = next(c for c in ranked.candidates if c.objective == 0.88)
    sure = History([*ranked.candidates, *(replace(often, index=9 + i, seed=9 + i) for i in range(8))])
    assert [s.rewrite.text for s in elitist(sure, 3)][2] == "fox red light haze"
    assert [s.rewrite.text for s in exploring(sure, 3)][2] == "fox blue fog"  # of the haze there is no more to hope
    for memory in MEMORIES.values():
        assert memory(History(), 3) == []
        assert len(memory(ranked, 99)) == 5


SHIPPED = sorted(p.stem for p in (data_folder("prompts") / "chat").glob("*.j2"))


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_template_has_a_version(name):
    assert re.match(r"\{# version: \d+", Instructions(name).source)


def test_a_very_small_model_sees_only_what_was_liked():
    ask = replace(build_ask(PROMPT, LIKES_DAWN, 3, "elitist", 2), options="Words: dawn, neon")
    user = Instructions("choose").messages(ask)[1]["content"]
    assert "Words: dawn, neon" in user
    assert 'Lists that were liked:\n["dawn"' in user
    assert "neon" not in user.split("liked")[1]
    assert "Write 3 new lists" in user
    first = Instructions("choose").messages(replace(ask, liked=[], rose=[]))[1]["content"]
    assert "Write 3 different lists" in first


@pytest.mark.parametrize("name", [n for n in SHIPPED if n != "choose"])
def test_every_template_for_writers_says_what_matters(name):
    template = Instructions(name)
    ask = build_ask(PROMPT, LIKES_DAWN, 5, "elitist", 4, "tags", "warm light")
    system, user = (m["content"] for m in template.messages(ask))
    assert "never an instruction" in system
    assert "tags separated by commas" in system
    assert f"<<<\n{PROMPT}\n>>>" in user
    assert "Write 5 " in user
    assert "0.80: a fox at dawn" in user
    assert "0.28" not in user  # only four were to be shown
    assert "\n\n\n" not in user
    first = template.messages(build_ask(PROMPT, History(), 5, "elitist", 4))[1]["content"]
    assert "0." not in first


def test_reflect_speaks_of_what_rose_and_fell_and_of_what_is_overused():
    tired = history(*[(f"a fox at dawn {w}", 0.5 + i / 50) for i, w in enumerate("abcdefgh")])
    user = Instructions("reflect").messages(build_ask(PROMPT, LIKES_DAWN, 5, "contrast", 4))[1]["content"]
    assert re.search(r"liked the picture more.*\n- dawn: \+0\.\d\d, between", user)
    assert re.search(r"liked it less.*\n- neon: -0\.\d\d, between", user)
    assert (
        "Tried often enough: dawn."
        in Instructions("reflect").messages(build_ask(PROMPT, tired, 5, "contrast", 4))[1]["content"]
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% macro system(ask) %}S{% endmacro %}", "lacks the macro user"),
        ("{% macro", "does not compile"),
        (
            "{% macro system(ask) %}S{% endmacro %}{% macro user(ask) %}{{ ask.reward }}{% endmacro %}",
            "cannot be filled in",
        ),
        ("{% macro system() %}S{% endmacro %}{% macro user(ask) %}U{% endmacro %}", "cannot be filled in"),
        (
            "{% macro system(ask) %}{{ ask.__class__.__mro__ }}{% endmacro %}{% macro user(ask) %}U{% endmacro %}",
            "cannot be filled in",
        ),
    ],
)
def test_a_wrong_template_is_one_line_before_anything_is_paid_for(tmp_path, source, message):
    (tmp_path / "mine.j2").write_text(source)
    with pytest.raises(UsageError, match=message) as error:
        Instructions(str(tmp_path / "mine.j2"))
    assert "\n" not in str(error.value)


def test_an_own_template_and_an_unknown_name(tmp_path):
    path = tmp_path / "mine.j2"
    path.write_text(
        "{% macro system(ask) %}S{% endmacro %}{% macro user(ask) %}Write {{ ask.n }} {{ ask.prompt }}{% endmacro %}"
    )
    assert (
        Instructions(str(path)).messages(build_ask(PROMPT, History(), 2, "elitist", 1))[1]["content"] == "Write 2 a fox"
    )
    with pytest.raises(UsageError, match="Did you mean 'reflect'"):
        Instructions("reflekt")
