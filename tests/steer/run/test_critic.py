"""A reward with words and a critic, in a run: why is said, and what to change reaches the proposer."""

from __future__ import annotations

from steer import Steerer
from steer.config import load_config
from tests.steer.command import steer_here


def test_a_critique_reaches_the_writer_and_reasons_the_report(tmp_path):
    settings = [
        "renderer=painter",
        "reward=miniature/linear-hidden",
        "proposer=scripted",
        "proposer.template=reflect",
        "search.budget=8",
        "search.screen=2",
    ]
    steerer = Steerer(load_config("miniature", settings))
    asked, backend = [], steerer.parts.proposer.backend
    real = backend._answer
    backend._answer = lambda question, rng: asked.append(question) or real(question, rng)
    result = steerer.run("a fox", "u17", out=tmp_path / "run")
    assert len(result.candidates) == 8
    assert set(result.explained) == {"original", "best"}
    names = set(steerer.parts.reward.words.names)
    assert {words.removeprefix("little ") for words in result.explained["best"]} <= names
    assert "Why, in the reward" in (tmp_path / "run" / "report.html").read_text()
    shown = steer_here("show", tmp_path / "run").stdout
    assert "why       best: " in shown
    assert any("A critic on the best picture" in q and ("more " in q or "less " in q) for q in asked)
