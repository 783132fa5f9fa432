"""What a run believes of its texts and pictures, and what follows: the choice, the promise, the end."""

from __future__ import annotations

import numpy as np
import pytest

from steer.lexicon import Lexicon
from steer.search.allocation import second_looks
from steer.search.belief import LEFT, MISJUDGED, MOST, REAL, Belief, Prior, counting, gain
from steer.types import PICTURE_NOISE, Candidate, History, Rewrite, State, StopReason

LEXICON = Lexicon.load("miniature")


def text(**changes):
    return Rewrite(LEXICON.compose("a fox", changes), changes)


def drawn(*pictures):
    """A history of (rewrite, objectives of its pictures)."""
    rows = [(r, seed, y) for r, ys in pictures for seed, y in enumerate(ys)]
    return History([Candidate(i, 1, r, s, State.SCORED, objective=y) for i, (r, s, y) in enumerate(rows)])


DAWN, NIGHT, SEPIA = text(light="at dawn"), text(light="at night"), text(style="sepia")
PLAIN = Rewrite("a fox")


def test_texts_that_share_a_liked_phrase_are_expected_to_be_liked():
    history = drawn((PLAIN, [0.5, 0.5]), (DAWN, [0.8]), (NIGHT, [0.2]), (SEPIA, [0.5]))
    both, other = text(light="at dawn", style="neon"), text(light="at night", style="neon")
    mean, covariance = Belief(Prior("a fox"), history).texts([both, other])
    assert mean[0] > mean[1] + 0.1
    assert 0 < covariance[0, 0] < Belief(Prior("a fox"), History()).texts([both])[1][0, 0]


def test_texts_without_named_phrases_are_alike_by_their_words():
    dawn, night = Rewrite("a fox at golden dawn"), Rewrite("a fox by gloomy night")
    belief = Belief(Prior("a fox"), drawn((dawn, [0.9]), (night, [0.1])))
    mean, _ = belief.texts([Rewrite("a fox at golden dawn, sepia"), Rewrite("a fox by gloomy night, sepia")])
    assert mean[0] > mean[1] + 0.1


def test_the_expected_gain_is_that_of_many_draws():
    draws = 0.5 + 0.1 * np.random.default_rng(0).standard_normal(200_000)
    expected = np.maximum(draws - 0.55, 0).mean()
    assert gain(np.array([0.5]), np.array([0.1]), 0.55)[0] == pytest.approx(expected, abs=5e-4)


def test_what_is_promised_of_the_best_is_what_is_felt():
    """Worlds of the belief's own kind: the best score of 30 is far too good, what is believed of the best is not."""
    rng, (styles, lights) = np.random.default_rng(1), (g.phrases for g in LEXICON.groups[:2])
    texts = [text(style=s, light=li) for s in styles for li in lights]
    prior = Prior("a fox")
    root = np.linalg.cholesky(prior.kinship.covariance(texts, texts) + 1e-9 * np.eye(len(texts)))
    raw, believed = [], []
    for _ in range(60):
        worth = 0.5 + root @ rng.standard_normal(len(texts))
        deviation = PICTURE_NOISE * rng.standard_normal(len(texts))
        felt = worth + REAL * deviation
        history = drawn(*((r, [y]) for r, y in zip(texts, worth + deviation, strict=True)))
        values = Belief(prior, history).pictures(counting(history))
        raw.append(max(worth + deviation) - felt[np.argmax(worth + deviation)])
        believed.append(values.max() - felt[np.argmax(values)])
    assert np.mean(raw) > 0.06
    assert abs(np.mean(believed)) < 0.025


def test_what_only_the_reward_sees_in_pictures_is_not_promised():
    """Worlds in which most of what pictures say against the imagination is the reward's own error."""
    rng, (styles, lights) = np.random.default_rng(2), (g.phrases for g in LEXICON.groups[:2])
    texts = [text(style=s, light=li) for s in styles for li in lights]
    kinship = Prior("a fox", imagine=np.zeros_like).kinship
    root = np.linalg.cholesky(kinship.covariance(texts, texts) + 1e-9 * np.eye(len(texts)))
    apart, chosen = [], []
    for _ in range(80):
        imagined = dict(zip((r.text for r in texts), 0.5 + 0.1 * rng.standard_normal(len(texts)), strict=True))

        def imagine(asked, known=imagined):
            return np.array([known.get(t, 0.5) for t in asked]), np.zeros(len(asked))

        prior, values = Prior("a fox", imagine=imagine), np.array([imagined[r.text] for r in texts])
        felt = values + np.sqrt(LEFT[0] - MISJUDGED) * root @ rng.standard_normal(len(texts))
        shown = felt + np.sqrt(MISJUDGED) * root @ rng.standard_normal(len(texts))
        history = drawn(*((r, list(y + 0.02 * rng.standard_normal(4))) for r, y in zip(texts, shown, strict=True)))
        belief = Belief(prior, history)
        mean, covariance = belief.texts(texts)
        best = int(np.argmax(mean))
        apart.append(mean[best] - felt[best])
        chosen.append(felt[best] - felt[np.argmax(shown)])
        assert belief.felt == pytest.approx(1 - MISJUDGED / LEFT[0])
        assert covariance[best, best] < 0.1 * kinship.covariance([texts[best]], [texts[best]], LEFT[0])[0, 0]
    assert abs(np.mean(apart)) < 0.005
    assert np.mean(chosen) > 0.003  # and better ones are found


def test_without_an_imagination_pictures_say_all():
    assert Belief(Prior("a fox"), drawn((DAWN, [0.9]))).felt == 1


def test_an_imagination_that_is_wrong_is_left_behind():
    """It thinks that night is best; eight pictures say the opposite, and texts that nobody drew follow them."""
    wrong = {"at night": 0.8}

    def imagine(texts):
        return np.array([next((v for k, v in wrong.items() if k in t), 0.5) for t in texts]), np.zeros(len(texts))

    prior = Prior("a fox", imagine=imagine)
    asked = [text(light="at night", style="neon"), text(light="at dawn", style="neon")]
    before, _ = Belief(prior, History()).texts(asked)
    styles, likings = ("sepia", "pixel art", "watercolour", "photo"), {"at night": 0.1, "at dawn": 0.7}
    seen = [(text(light=li, style=s), [y]) for s in styles for li, y in likings.items()]
    after, _ = Belief(prior, drawn(*seen)).texts(asked)
    assert before[0] > before[1]
    assert after[0] < after[1]


def test_chosen_together_texts_differ():
    one, far = text(light="at sunset"), text(place="by the sea")
    same = Rewrite("a fox, at sunset", one.changes)
    belief = Belief(Prior("a fox"), drawn((PLAIN, [0.5]), (DAWN, [0.5])))
    assert set(belief.choose([one, same, far], 2)) not in ({0, 1}, {1, 0})


def test_a_decision_rests_on_no_more_texts_after_any_history():
    rng = np.random.default_rng(0)
    rows = [(Rewrite(f"a fox {i}", {"light": str(i % 9), "style": str(i)}), [rng.random()]) for i in range(400)]
    rows[7] = (rows[7][0], [5.0])
    belief = Belief(Prior("a fox"), drawn(*rows))
    assert len(belief.seen) == MOST
    assert rows[7][0] in belief.rewrites  # the best is not forgotten
    assert rows[-1][0] in belief.rewrites


def test_a_second_look_goes_to_what_promises_more_than_the_new_texts():
    belief = Belief(Prior("a fox"), drawn((PLAIN, [0.5, 0.5]), (DAWN, [0.9]), (NIGHT, [0.2])))
    looks = second_looks(belief, [text(light="at night", style="neon")], [0, 1, 2], 2, "a fox")
    assert looks == [(DAWN, 1)]
    assert second_looks(belief, [text(light="at dawn", style="neon")], [0], 2, "a fox") == []  # no seed is left


def test_a_promise_grows_with_pictures_and_falls_with_what_is_known():
    belief = Belief(Prior("a fox"), drawn((PLAIN, [0.5]), (DAWN, [0.6])))
    assert 0 < belief.promise([SEPIA], 2) < belief.promise([SEPIA], 20) < 0.5
    sure = Belief(Prior("a fox"), drawn((PLAIN, [0.5] * 9), (DAWN, [0.9] * 9), (NIGHT, [0.1] * 9)))
    assert sure.promise([text(light="at night", style="sepia")], 20) < 0.01


def test_a_run_ends_where_more_pictures_are_not_worth_it(fake_steerer, tmp_path):
    cut = fake_steerer(["search.worth=0.05"]).run("a fox", "u1", out=tmp_path / "cut")
    whole = fake_steerer(["search.worth=0"]).run("a fox", "u1", out=tmp_path / "whole")
    assert cut.stop is StopReason.WORTH
    assert cut.why.startswith("20 pictures more would add about 0.")
    assert len(cut.candidates) < len(whole.candidates) == 48
    again = fake_steerer(["search.worth=0.05"]).resume(tmp_path / "cut")
    assert [c.facts() for c in again.candidates] == [c.facts() for c in cut.candidates]
