"""What is learned about people whose taste is known."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from steer import Steerer
from steer.errors import UsageError
from steer.lexicon import Lexicon
from steer.miniature.raters import simulated_people
from steer.miniature.world import ATTRIBUTES
from steer.report.beliefs import draw_beliefs, lines
from steer.users.beliefs import Beliefs, Leaning, Surprise, beliefs
from steer.users.interview import Interview

STYLES = {"photo": "photo", "sepia": "sepia", "neon": "neon", "pixel art": "pixel art", "watercolour": "watercolor"}


def test_what_is_sure_is_mostly_so(miniature):
    """Of 12 people the reward was trained on: the sign of each sure leaning in style and light is that of the true
    taste."""
    right = []
    for user in [f"u{i}" for i in range(1, 13)]:
        truth = simulated_people()[user].main
        for leaning in beliefs(miniature.parts.reward, user, Lexicon.load("miniature")).leanings:
            if leaning.kind not in ("style", "light") or not leaning.sure:
                continue
            names = list(ATTRIBUTES[leaning.kind])
            found = [i for i, n in enumerate(names) if n in leaning.phrase or leaning.phrase in n]
            if len(found) == 1:
                right.append(np.sign(leaning.mean) == np.sign(truth[leaning.kind][found[0]]))
    assert len(right) > 40
    assert np.mean(right) > 0.85


def test_a_newcomer_is_uncertain_and_surprises_are_found(miniature, store, questions, ratings_of):
    truth = ratings_of("u190")
    store.add("me")
    steerer = Steerer("miniature", store=store, reward=miniature.parts.reward)
    interview = Interview(store, miniature.parts.reward, "me", questions)
    nothing = beliefs(miniature.parts.reward, "me", Lexicon.load("miniature"), store, interview.enrolled)
    assert nothing.known == pytest.approx(0, abs=0.02)
    for question in interview.pictures[:25]:
        interview.rate(question, truth[question.hash])
    odd = max(interview.pictures[25:], key=lambda q: truth[q.hash])
    interview.rate(odd, 1)
    some = beliefs(miniature.parts.reward, "me", Lexicon.load("miniature"), store, steerer.parts.roster.learn("me"))
    assert some.known > 0.3
    assert odd.hash in {s.picture for s in some.surprises}
    widths = [np.mean([x.high - x.low for x in b.leanings]) for b in (nothing, some)]
    assert widths[1] < 0.8 * widths[0]
    assert len(some.similar) == 5
    json.dumps(some.plain())


def test_as_lines_and_as_a_picture(miniature):
    found = beliefs(miniature.parts.reward, "u17", Lexicon.load("miniature"))
    text = "\n".join(lines(found))
    assert "u17: " in text
    assert "in fog" in text
    picture = draw_beliefs(found)
    assert picture.width == 860
    assert len(picture.getcolors(10**6)) > 50
    colours = {c for _, c in picture.getcolors(10**6)}
    assert {(46, 125, 90), (178, 70, 60), (214, 150, 20)} <= colours  # liked, disliked, the average person


def test_a_picture_of_nothing_and_of_odd_texts():
    assert draw_beliefs(Beliefs("me", 0.0, [], [], [])).width == 860
    one = Leaning("style", "costs $5 or $6", 0.3, 0.31, 0.5, 0.0)  # a mean may lie outside its percentiles
    surprise = Surprise("a $x^{ $ fox", "0" * 64, 1, 4.2)
    assert draw_beliefs(Beliefs("me", 0.5, [one], [("u1", 0.9)], [surprise])).height > 200


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UsageError, match=r"steer-t2i\[study\]"):
        draw_beliefs(Beliefs("me", 0.0, [], [], []))
