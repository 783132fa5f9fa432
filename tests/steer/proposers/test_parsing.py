"""Answers of all shapes that chat models give."""

from __future__ import annotations

import json
import time

import pytest

from steer.proposers.parsing import MAX_TEXT, parse_answer, parse_lists

TWO = ["a fox A", "a fox B"]


@pytest.mark.parametrize(
    "answer",
    [
        '{"rewrites": ["a fox A", "a fox B"]}',
        '["a fox A", "a fox B"]',
        '{"rewrites": [{"text": "a fox A"}, {"prompt": "a fox B", "why": "warm"}]}',
        '{"answer": {"variants": ["a fox A", "a fox B"]}}',
        '{"1": "a fox A", "2": "a fox B"}',
        '{"rewrite 1": "a fox A", "rewrite 2": "a fox B"}',
        'Sure! Here you are:\n```json\n{"rewrites": ["a fox A", "a fox B"]}\n```\nEnjoy.',
        '<think>hmm, {"rewrites": ["no"]}</think>{"rewrites": ["a fox A", "a fox B", "  "]}',
        "<Thinking>\nfirst\n</Thinking>\n1. a fox A\n2. a fox B",
        'I {think} so: {"rewrites": ["a fox A", "a fox B"]} and {more}',
        '{"rewrites": ["a fox A", "a fox B", "a fox A"]}',
        '{"rewrites": ["a fox A", "a fox B", "a fox C that is cut o',
        '```json\n{"rewrites": [\n "a fox A",\n "a fox B",\n "a f',
        '{"rewrites": [{"text": "a fox A"}, {"text": "a fox B"}, {"text": "a',
        '{"rewrites": ["a fox A", "a fox B",]}',
        '1. "a fox A"\n2. a fox B\n',
        "(1) a fox A\n(2) a fox B",
        "1) **a fox A**\n2) *a fox B*",
        "Here are two:\n- a fox A\n* a fox B\nHope it helps!",
        "a) “a fox A”\nb) „a fox B“",
        '"a fox A",\n"a fox B"',
        "a fox A\na fox B",
        "Rewrites:\n\na fox A\n\na fox B\n",
        "1. a fox A\r\n2. a fox B\r\n",
    ],
)
def test_two_rewrites_in_any_shape(answer):
    assert parse_answer(answer) == TWO


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "   ",
        "I cannot help with that.",
        "I'm sorry, but I can't.",
        '{"rewrites": 3}',
        '{"rewrites": []}',
        "<think>forever",
        '{"rewrites": ["I cannot help with that."]}',
        "[",
        "{",
        '{"a": {"b": ' * 50,
        "As an AI model\nI have no taste",
        "Here they are:",
    ],
)
def test_nothing_usable_is_nothing(answer):
    assert parse_answer(answer) == []


def test_escapes_in_cut_json_are_read_and_bad_ones_left_out():
    assert parse_answer('{"rewrites": ["a \\"red\\" fox", "caf\\u00e9 fox", "bad \\x fox", "cut') == [
        'a "red" fox',
        "café fox",
    ]


def test_a_text_without_end_is_no_rewrite():
    assert parse_answer(json.dumps({"rewrites": ["a fox " + "x" * MAX_TEXT, "a fox"]})) == ["a fox"]


@pytest.mark.parametrize(
    "answer", ["[" * 100_000, "{" * 100_000, '{"a":' * 30_000, '"' * 100_000, "<think>" * 20_000, "1. " * 50_000]
)
def test_hostile_answers_are_read_to_their_end(answer):
    begun = time.monotonic()
    parse_answer(answer)
    parse_lists(answer)
    assert time.monotonic() - begun < 120  # milliseconds; a quadratic reader takes hours


def test_lists_before_the_cut_count():
    assert parse_lists('x {"rewrites": [["at dawn", 3, "sepia"], ["bad], ["in fog"], ["li') == [
        ["at dawn", "sepia"],
        ["in fog"],
    ]
