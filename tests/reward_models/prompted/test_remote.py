"""Score questions over real HTTP: three dialects, what it costs, and every kind of bad answer."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from PIL import Image

from reward_models import Person, RewardError
from reward_models.prompted.family import Settings, make
from reward_models.prompted.openai_api import OpenAIDecider
from reward_models.prompted.question import liking_question
from reward_models.prompted.remote import GIVEN_UP
from reward_models.prompted.reward import PromptedReward
from reward_models.prompted.servers import ChatDecider, SystemOneDecider
from reward_models.remote import LARGEST
from tests.reward_models.prompted.decision_server import DecisionServer, probabilities

KINDS = {"decisions": OpenAIDecider, "systemone": SystemOneDecider, "chat": ChatDecider}
QUESTIONS = [liking_question(), liking_question("neon")]
KEY = "sk-very-secret"


@pytest.fixture
def server():
    found = DecisionServer()
    yield found
    found.close()


@pytest.fixture(params=KINDS)
def decider(request, server):
    return _decider(request.param, server)


def _decider(kind, server, **told):
    return KINDS[kind]("judge-1", KEY, "MY_KEY", server.url, **{"size": 64, "timeout_s": 2, "retries": 1, **told})


def _grey(level):
    return Image.new("RGB", (200, 100), (level,) * 3)


def test_pictures_and_texts_are_answered_for_every_card(decider):
    pictures = [_grey(40), _grey(200)]
    found = decider.answers([*pictures, "a fox"], QUESTIONS)
    for level, row in zip((40, 200), found, strict=False):
        for question, answer in zip(QUESTIONS, row, strict=True):
            np.testing.assert_allclose(
                answer.probabilities, probabilities(level / 255, question.instructions), atol=1e-6
            )
    assert found[0][0].liking < found[1][0].liking
    assert found[0][1].liking > found[1][1].liking
    assert len(found[2]) == 2


def test_all_questions_about_a_picture_go_together(server):
    for kind, requests in (("decisions", 3), ("systemone", 3), ("chat", 6)):
        server.requests.clear()
        _decider(kind, server).answers([_grey(1), _grey(2), _grey(3)], QUESTIONS)
        assert len(server.requests) == requests, kind
    many = [liking_question(str(i)) for i in range(70)]
    server.requests.clear()
    (row,) = _decider("systemone", server).answers([_grey(1)], many)
    assert sorted(len(r["body"]["questions"]) for r in server.requests) == [6, 64], "they go side by side, in any order"
    assert len(row) == 70


def test_the_person_is_named_in_the_question_and_nowhere_else(server):
    reward = PromptedReward(_decider("decisions", server))
    reward.score([_grey(100)], ["a fox"], Person(demographics={"age": "18-29"}, profile="warm light"))
    (request,) = server.requests
    told = [q["instructions"] for q in request["body"]["questions"]]
    assert sum("warm light" in t for t in told) == 1
    assert "18-29" not in str(request)
    assert sum("a fox" in t for t in told) == 1


def test_mass_on_no_level_is_told_by_a_chat_server(server):
    ((answer,),) = _decider("chat", server).answers([_grey(100)], QUESTIONS[:1])
    assert answer.off == pytest.approx(0.1)
    assert sum(answer.probabilities) == pytest.approx(1)


def test_what_it_costs_is_counted(server):
    decider = _decider("decisions", server, price=0.1)
    decider.answers([_grey(1), _grey(2)], QUESTIONS)
    spent = decider.meter.spent()
    assert (spent["calls"], spent["input_tokens"], spent["cached_tokens"], spent["failed_calls"]) == (2, 600, 200, 0)
    assert spent["cost"] == pytest.approx(60e-6)
    decider.meter.start({"calls": 5})
    assert decider.meter.spent()["calls"] == 5


DEEP = b'{"answers": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"


def _scores(**changes):
    good = [{"label": str(i + 1), "probability": 0.2, "value": i} for i in range(5)]
    answer = {"type": "score", "name": "q0", "score": 1.0, "confidence": 1.0, "probabilities": good, **changes}
    return {"answers": [answer], "model": "m", "usage": {"input_tokens": 1}}


BAD = {
    "no JSON": b"<html>Sorry</html>",
    "cut JSON": b'{"answers": [',
    "a number": 17,
    "nested without end": DEEP,
    "no answers": {"answers": []},
    "answers that are text": {"answers": "good"},
    "an answer that is text": {"answers": ["good"]},
    "probabilities that are text": _scores(probabilities="high"),
    "too few levels": _scores(probabilities=[{"label": "1", "probability": 1.0, "value": 0}]),
    "negative": _scores(probabilities=[{"label": str(i + 1), "probability": -0.2, "value": i} for i in range(5)]),
    "all zero": _scores(probabilities=[{"label": str(i + 1), "probability": 0.0, "value": i} for i in range(5)]),
    "a number without end": _scores(
        probabilities=[{"label": str(i + 1), "probability": 10**400, "value": i} for i in range(5)]
    ),
    "no numbers": _scores(probabilities=[{"label": str(i + 1), "probability": "x", "value": i} for i in range(5)]),
    "unknown labels": _scores(probabilities=[{"label": "z", "probability": 0.2, "value": i} for i in range(5)]),
    "another question's name": _scores(name="q7"),
    "usage that is text": {**_scores(probabilities=None), "usage": "lots"},
    "a refusal": {"answers": [{"type": "refusal", "name": "q0"}], "model": "m", "usage": {}},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD)
def test_a_bad_answer_is_a_reason_and_never_a_crash(server, body):
    for kind in KINDS:
        server.queue[:] = [(200, body), (200, body)]
        ((answer,),) = _decider(kind, server).answers([_grey(100)], QUESTIONS[:1])
        assert answer.reason, kind
        assert "\n" not in answer.reason
        server.queue.clear()
    ((answer,),) = _decider("decisions", server).answers([_grey(100)], QUESTIONS[:1])
    assert answer.probabilities


@pytest.mark.parametrize(
    "turn", [(500, {}), (429, {}, {"Retry-After": "0"}), ("hang", 3), ("drip", b"{}"), (503, b"<html>")], ids=str
)
def test_a_fault_that_passes_is_asked_again(server, turn):
    server.queue[:] = [turn]
    ((answer,),) = _decider("decisions", server, timeout_s=1).answers([_grey(100)], QUESTIONS[:1])
    assert answer.probabilities
    assert len(server.requests) == 2


def test_a_refusal_is_counted_and_the_others_are_answered(server):
    proper = server.answer("/v1/decisions", _body(server))
    refused = {**proper, "answers": [{"type": "refusal", "name": "q0"}, *proper["answers"][1:]]}
    server.queue[:] = [(200, refused)]
    decider = _decider("decisions", server)
    ((first, second),) = decider.answers([_grey(100)], QUESTIONS)
    assert first.reason == "the model refused to answer"
    assert second.probabilities
    assert decider.meter.spent()["refused"] == 1


def _body(server):
    _decider("decisions", server).answers([_grey(100)], QUESTIONS)
    return server.requests[-1]["body"]


def test_what_will_not_pass_ends_it_with_one_line(server):
    for status, said in ((401, "refused the key in MY_KEY"), (403, "refused the key"), (404, "no model 'judge-1'")):
        server.queue[:] = [(status, {"error": {"message": f"bad key {KEY}"}})]
        with pytest.raises(RewardError, match=said) as caught:
            _decider("decisions", server).answers([_grey(100)], QUESTIONS)
        assert KEY not in str(caught.value)
    server.queue[:] = [(501, {"error": {"message": "this model has no decision head"}})]
    with pytest.raises(RewardError, match="this model has no decision head"):
        _decider("systemone", server).answers([_grey(100)], QUESTIONS[:1])
    without = server.answer("/v1/chat/completions", _chat_body(server))
    without["choices"][0]["logprobs"] = None
    server.queue[:] = [(200, without)]
    with pytest.raises(RewardError, match="gives no logprobs"):
        _decider("chat", server).answers([_grey(100)], QUESTIONS[:1])


def _completion(server, top):
    body = server.answer("/v1/chat/completions", _chat_body(server))
    body["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = [{"token": t, "logprob": p} for t, p in top]
    return body


@pytest.mark.parametrize("value", [10**400, 2.5, "Infinity", None], ids=str)
def test_a_logarithm_that_is_none_is_a_reason(server, value):
    server.queue[:] = [(200, _completion(server, [("5", value)]))] * 2
    ((answer,),) = _decider("chat", server).answers([_grey(100)], QUESTIONS[:1])
    assert answer.reason


def test_a_certain_answer_may_be_rounded_above_one(server):
    """Some servers give the likeliest word a logarithm slightly above 0."""
    server.queue[:] = [(200, _completion(server, [("5", 1e-7), ("1", -16.0)]))]
    ((answer,),) = _decider("chat", server).answers([_grey(100)], QUESTIONS[:1])
    assert answer.liking > 0.99
    assert answer.off == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_without_end_is_not_read(server, packed):
    """Neither as it comes nor unpacked from little; an error's body neither."""
    data = b" " * (2 * LARGEST)
    sent = (gzip.compress(data), {"Content-Encoding": "gzip"}) if packed else (data, {})
    for status in (200, 400):
        server.queue[:] = [(status, *sent)]
        ((answer,),) = _decider("decisions", server, retries=0).answers([_grey(100)], QUESTIONS[:1])
        assert answer.reason == "the answer is larger than 8 MB"


@pytest.mark.parametrize(("status", "requests"), [(402, 1), (413, 1), (409, 2), (429, 2)])
def test_the_servers_own_reason_is_said(server, status, requests):
    server.queue[:] = [(status, {"error": {"message": "no credit left, refused"}}, {"Retry-After": "0"})] * 2
    decider = _decider("decisions", server)
    ((answer,),) = decider.answers([_grey(100)], QUESTIONS[:1])
    assert f"HTTP {status}, no credit left" in answer.reason
    assert (len(server.requests), decider.meter.spent()["refused"]) == (requests, 0)


def test_no_part_of_a_key_is_shown_where_the_line_is_cut(server):
    server.queue[:] = [(400, {"error": {"message": "y" * 190 + KEY}})]
    ((answer,),) = _decider("decisions", server).answers([_grey(100)], QUESTIONS[:1])
    assert KEY[:4] not in answer.reason


def test_a_model_that_refuses_every_picture_has_answered(server):
    server.queue[:] = [(200, {"answers": [{"type": "refusal", "name": "q0"}]})] * (GIVEN_UP + 1)
    decider = _decider("decisions", server)
    found = decider.answers([_grey(i) for i in range(GIVEN_UP + 1)], QUESTIONS[:1])
    assert {row[0].reason for row in found} == {"the model refused to answer"}
    assert decider.meter.spent()["refused"] == GIVEN_UP + 1


def _chat_body(server):
    _decider("chat", server).answers([_grey(100)], QUESTIONS[:1])
    return server.requests[-1]["body"]


def test_a_server_that_never_answers_is_given_up(server):
    decider = _decider("decisions", server, retries=0, parallel=1)
    server.queue[:] = [(400, {"error": {"message": "no\n such \x1b[31m thing " + "x" * 500}})] * (GIVEN_UP + 5)
    pictures = [_grey(i) for i in range(GIVEN_UP - 1)]
    found = decider.answers(pictures, QUESTIONS[:1])
    assert all(
        row[0].reason.startswith("the server does not take the request: HTTP 400, no such [31m thing") for row in found
    )
    assert len(found[0][0].reason) < 300
    with pytest.raises(RewardError, match=f"not answered {GIVEN_UP} times in a row"):
        decider.answers(pictures[:1], QUESTIONS[:1])


def test_a_server_may_call_the_length_of_an_answer_otherwise(server):
    message = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    )
    server.queue[:] = [(400, {"error": {"message": message}})]
    decider = _decider("chat", server)
    ((answer,),) = decider.answers([_grey(100)], QUESTIONS[:1])
    assert answer.probabilities
    assert [list(r["body"]).count("max_tokens") for r in server.requests] == [1, 0]
    decider.answers([_grey(100)], QUESTIONS[:1])
    assert len(server.requests) == 3


def test_an_address_that_is_none_is_one_line_without_its_password():
    with pytest.raises(RewardError, match=r"the reward's server: 'http://\*\*\*@host/v1' holds a name or password"):
        ChatDecider("m", base_url="http://me:hush@host/v1")
    with pytest.raises(RewardError, match="the reward's server: 'host/v1' is no address"):
        make(Settings("m", "chat", base_url="host/v1"))


def test_only_a_server_elsewhere_is_remote(server):
    assert not _decider("decisions", server).remote
    assert OpenAIDecider("m", "k").remote
    assert ChatDecider("m", "", "", "https://example.org/v1").remote


def test_a_reward_by_settings(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    reward = make(Settings("judge-1", "decisions", base_url=server.url, api_key_env="MY_KEY", size=64, price=0.1))
    scores = reward.score([_grey(30), _grey(220)], ["", ""], Person(profile="neon"))
    assert scores.personal[0] > scores.personal[1]
    assert scores.population[0] < scores.population[1]
    assert server.keys[-1] == f"Bearer {KEY}"
    assert reward.meter.spent()["calls"] == 2
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(RewardError, match="key in the environment variable MY_KEY"):
        make(Settings("gpt-6-luna", "openai", api_key_env="MY_KEY"))
    with pytest.raises(RewardError, match="needs the address of a server"):
        make(Settings("m", "systemone"))
