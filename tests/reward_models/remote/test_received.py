"""The door: any JSON becomes one of our types, or Malformed."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings

from reward_models.outside import one_line, readable
from reward_models.prompted.answers import answer_of, answer_of_logprobs
from reward_models.prompted.decider import Answer
from reward_models.prompted.question import liking_question
from reward_models.remote import Completion, Malformed, Tokens, completion_of, json_of, picture_of, tokens_of
from tests.answers import ANY_JSON, ANY_TEXT, damaged

FEW = settings(max_examples=60, derandomize=True, deadline=None)
MANY = settings(max_examples=3000, deadline=None, database=None)

COMPLETION = {
    "choices": [
        {
            "finish_reason": "stop",
            "message": {
                "content": [{"type": "text", "text": "a fox"}, {"type": "refusal", "refusal": "no"}],
                "refusal": None,
                "tool_calls": [{"function": {"name": "rewrites", "arguments": '{"rewrites": ["a fox"]}'}}],
            },
            "logprobs": {"content": [{"token": "3", "top_logprobs": [{"token": "3", "logprob": -0.1}]}]},
        }
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 1}},
}
PICTURE = {"data": [{"b64_json": base64.b64encode(b"x").decode(), "url": "https://example.org/x.png"}]}
QUESTION = liking_question()
SCORES = {"type": "score", "probabilities": [{"label": str(i + 1), "probability": 0.2} for i in range(5)]}


def _completion(value):
    try:
        found = completion_of(value)
    except Malformed:
        return
    assert isinstance(found, Completion)
    (found.text + found.refusal).encode()
    assert found.refusal == one_line(found.refusal)
    if found.next_words is not None:
        assert isinstance(answer_of_logprobs(found.next_words, QUESTION), Answer)


def _tokens(value):
    found = tokens_of(value)
    assert isinstance(found, Tokens)
    assert all(type(n) is int and n >= 0 for n in (found.read, found.written, found.cached))


def _picture(value):
    try:
        found = picture_of(value)
    except Malformed:
        return
    assert isinstance(found, bytes) or found.encode().startswith((b"http", b"/"))


def _score(value):
    found = answer_of(value, QUESTION)
    assert found.reason or abs(sum(found.probabilities) - 1) < 1e-6


DOORS = {
    "completion": (_completion, COMPLETION),
    "tokens": (_tokens, COMPLETION),
    "picture": (_picture, PICTURE),
    "score": (_score, SCORES),
}


@pytest.mark.parametrize("name", DOORS)
def test_any_json_is_one_of_our_types_or_malformed(name):
    door, proper = DOORS[name]
    FEW(given(ANY_JSON | damaged(proper))(door))()


@pytest.mark.slow
@pytest.mark.parametrize("name", DOORS)
def test_any_json_is_one_of_our_types_or_malformed_at_length(name):
    door, proper = DOORS[name]
    MANY(given(damaged(proper))(door))()


@given(ANY_TEXT)
@FEW
def test_any_text_from_outside_can_be_written_and_shown(text):
    readable(text).encode()
    assert readable(text) == text or any("\ud800" <= c <= "\udfff" for c in text)
    assert one_line(text).isprintable()


@pytest.mark.parametrize(
    ("message", "text", "refusal"),
    [
        ({"content": "a"}, "a", ""),
        ({"content": None}, "", ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "output_text", "text": "b"}, "c"]}, "abc", ""),
        ({"content": [{"type": "text", "text": {"value": "a"}}]}, "a", ""),
        ({"content": [{"type": "thinking", "thinking": [1]}, {"type": "text", "text": "a"}]}, "a", ""),
        ({"content": {"type": "text", "text": "a"}}, "a", ""),
        ({"content": None, "refusal": "I will\nnot \ud83e\x1b[31m"}, "", "I will not [31m"),
        ({"content": [{"type": "refusal", "refusal": "no"}]}, "", "no"),
        ({"content": None, "tool_calls": [{"function": {"arguments": "{}"}}]}, "{}", ""),
        ({"content": "", "tool_calls": [{"function": {"arguments": {"rewrites": []}}}]}, '{"rewrites": []}', ""),
        ({"content": "a", "tool_calls": [3]}, "a", ""),
        ({"content": "a", "tool_calls": "no"}, "a", ""),
        ({"content": "half \ud83e"}, "half ", ""),
    ],
)
def test_what_servers_really_send_is_read(message, text, refusal):
    found = completion_of({"choices": [{"message": message}]})
    assert (found.text, found.refusal) == (text, refusal)


@pytest.mark.parametrize("content", [5, True, [5], [[{"text": "a"}]]], ids=str)
def test_a_content_that_is_no_text_is_malformed(content):
    with pytest.raises(Malformed):
        completion_of({"choices": [{"message": {"content": content}}]})


def test_a_filtered_answer_is_a_refusal_and_a_long_one_is_cut():
    assert completion_of({"choices": [{"message": {}, "finish_reason": "content_filter"}]}).refusal
    assert not completion_of({"choices": [{"message": {"content": "a"}, "finish_reason": "content_filter"}]}).refusal
    assert completion_of({"choices": [{"message": {}, "finish_reason": "length"}]}).cut


def test_an_answer_that_is_called_text_is_json_all_the_same():
    assert completion_of(json.dumps(COMPLETION)) == completion_of(COMPLETION)
    for text in ("", "<html>", "[" * 100_000, "9" * 9999):
        with pytest.raises(Malformed):
            json_of(text)
    assert picture_of({"data": [{"url": "data:image/png;base64,eA=="}]}) == b"x"


def test_what_is_no_number_of_tokens_counts_as_none():
    for usage in ("lots", [1], 7, None, {"prompt_tokens": "5"}, {"prompt_tokens": -1}, {"prompt_tokens": 10**400}):
        assert tokens_of({"usage": usage}) == Tokens()
    assert tokens_of(COMPLETION) == Tokens(5, 6, 1)
