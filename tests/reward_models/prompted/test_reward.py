"""The prompted reward: conformance, cards, ratings, what is asked and what is not."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

import reward_models
from reward_models import Person, RewardError
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.encoders.vlm import load_vlm
from reward_models.prompted.decider import Answer, Decider
from reward_models.prompted.local import LocalDecider
from reward_models.prompted.question import liking_question, match_question
from reward_models.prompted.reward import PromptedReward
from reward_models.protocols import Evidence, Seen
from reward_models.teaching import teach
from reward_models.testing import ImaginationConformance, RewardConformance, TeacherConformance
from reward_models.testing.fakes import random_pictures
from tests.reward_models.shipped import SIGLIP
from tests.reward_models.tiny_vlms import save_qwen

WORDS = "warm light, no neon"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_qwen(tmp_path_factory.mktemp("qwen"))


def _pictures(n=5):
    return [p.resize((64, 64)) for p in random_pictures(n)]


def _reward(folder, **told):
    return PromptedReward(LocalDecider(load_vlm(folder), 64), size=64, background=lambda: random_pictures(8), **told)


class _Scripted(Decider):
    """Answers by the brightness of a picture, raised by a word on the card; counts what it is asked."""

    name = "scripted"

    def __init__(self, off=0.0, refuse=()):
        self.off, self.refuse, self.asked = off, refuse, []

    def answers(self, subjects, questions):
        self.asked.append((len(subjects), tuple(questions)))
        return [[self._answer(s, q) for q in questions] for s in subjects]

    def _answer(self, subject, question):
        if any(word in question.instructions for word in self.refuse):
            return Answer(reason="the model refused to answer")
        bright = len(subject) / 50 if isinstance(subject, str) else np.asarray(subject).mean() / 255
        if "neon" in question.instructions:
            bright = 1 - bright
        at = np.arange(5) / 4
        weights = np.exp(-8 * (at - bright) ** 2)
        if question.levels[0][1] != "dislikes it strongly" and "like" in question.levels[0][1]:
            weights = weights[::-1]  # asked in reverse
        return Answer.of(weights.tolist(), self.off)

    def fingerprint(self):
        return "scripted"


class TestConformance(RewardConformance, TeacherConformance, ImaginationConformance):
    """On a tiny Qwen3-VL."""

    @pytest.fixture(autouse=True)
    def _folder(self, folder):
        self.folder = folder

    def pictures(self):
        return _pictures()

    def make(self):
        reward = _reward(self.folder)
        teach(reward, "me", _pictures(3), [""] * 3, [0.9, 0.1, 0.5])
        return reward


def test_a_card_changes_the_score_and_a_person_without_one_is_the_population(folder):
    reward, pictures = _reward(folder), _pictures(3)
    reading = reward.read(pictures, ["a fox"] * 3)
    plain, told = reward.judge_many(reading, [Person(), Person(profile=WORDS)])
    np.testing.assert_array_equal(plain.personal, plain.population)
    assert np.abs(told.personal - plain.personal).max() > 1e-5
    np.testing.assert_array_equal(told.population, plain.population)


def test_demographics_are_told_only_when_they_may_be(folder):
    young = Person(demographics={"age": "18-29"})
    reading = _reward(folder).read(_pictures(2), ["", ""])
    silent, open_ = _reward(folder), _reward(folder, share_about=True)
    np.testing.assert_array_equal(silent.judge(reading, young).personal, silent.judge(reading, Person()).personal)
    assert silent.person(young).card == ""
    assert open_.person(young).card == "age: 18-29"
    assert silent.fingerprint() != open_.fingerprint()


def test_everything_about_a_picture_is_asked_once_and_together():
    decider = _Scripted()
    reward = PromptedReward(decider)
    reading = reward.read(_pictures(3), ["a fox"] * 3)
    assert decider.asked == []
    people = [Person(), Person(profile=WORDS), Person(profile="fog")]
    scores = reward.judge_many(reading, people)
    ((n, questions),) = decider.asked
    assert n == 3
    assert len(questions) == 4  # nobody, two cards, and how much it shows of the prompt
    reward.judge_many(reading.rows([2, 0]), people)
    assert len(decider.asked) == 1
    assert match_question("a fox") in questions
    assert np.isfinite(scores[0].fidelity).all()


def test_a_text_is_asked_about_for_the_person_alone():
    decider = _Scripted()
    reward = PromptedReward(decider)
    scores = reward.judge(reward.imagination.read(["a fox", "a very bright castle in the sun"]), Person(profile="fog"))
    assert decider.asked == [(2, (liking_question('In their own words: "fog"'),))]
    assert scores.personal[1] > scores.personal[0]
    assert np.isnan(scores.population).all()


def test_a_refusal_is_a_reason_in_its_row():
    reward = PromptedReward(_Scripted(refuse=("fog",)))
    reading = reward.read(_pictures(2), ["", ""])
    refused, fine = reward.judge_many(reading, [Person(profile="fog"), Person()])
    assert np.isnan(refused.personal).all()
    assert refused.reasons == dict.fromkeys((0, 1), "the model refused to answer")
    assert fine.reasons == {}


def test_probability_on_no_level_is_said_once(caplog):
    reward = PromptedReward(_Scripted(off=0.8))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            reward.score(_pictures(2), ["", ""], Person())
    assert [r.message for r in caplog.records if "80 %" in r.message] == [caplog.records[0].message]


def test_asked_in_both_orders_a_habit_of_labels_cancels_out():
    class Habit(_Scripted):
        def _answer(self, subject, question):
            return Answer((0.6, 0.2, 0.1, 0.05, 0.05))  # always mostly the first label

    once, twice = (PromptedReward(Habit(), orders=n) for n in (1, 2))
    assert once.score(_pictures(1), [""], Person()).personal[0] < 0.25
    assert twice.score(_pictures(1), [""], Person()).personal[0] == pytest.approx(0.5)
    assert once.fingerprint() != twice.fingerprint()


def test_ratings_correct_the_answer_on_hidden_states(folder):
    """Somebody who likes what the model knows nothing of; the more ratings, the nearer."""
    reward, pictures = _reward(folder), _pictures(40)
    seen = [Seen(kept) for kept in reward.teacher.keep(pictures)]
    x = reward.teacher.reading(seen).features()
    direction = np.linalg.svd(x - x.mean(0), full_matrices=False)[2][0]
    taste = (x - x.mean(0)) @ direction
    likings = 0.5 + 0.4 * taste / np.abs(taste).max()
    apart, shares = [], []
    for n in (0, 5, 30):
        lesson = reward.teacher.learn("me", Evidence(seen[:n], likings[:n].tolist()))
        scores = reward.judge(reward.teacher.reading(seen[30:]), "me")
        apart.append(np.mean((scores.personal - likings[30:]) ** 2))
        shares.append(1 - lesson.open)
    assert apart[2] < apart[1] < apart[0]
    assert shares[0] == 0 < shares[1] < shares[2]


def test_with_a_thumbnail_a_rating_is_beside_the_answer_for_the_persons_card(folder):
    reward, pictures = _reward(folder), _pictures(3)
    seen = [Seen(kept) for kept in reward.teacher.keep(pictures)]
    plain = reward.teacher.learn("me", Evidence(seen, [0.9, 0.1, 0.5], profile=WORDS))
    beside = reward.teacher.learn("me", Evidence(seen, [0.9, 0.1, 0.5], profile=WORDS, thumbnails={1: pictures[1]}))
    from safetensors.torch import load

    first, second = load(plain.data)["p"].numpy(), load(beside.data)["p"].numpy()
    np.testing.assert_array_equal(first[[0, 2]], second[[0, 2]])
    ((answer,),) = reward.asker.decider.answers([pictures[1]], [reward_question(WORDS)])
    np.testing.assert_allclose(second[1], answer.probabilities, atol=1e-6)
    assert np.abs(first[1] - second[1]).max() > 1e-5


def reward_question(words):
    return liking_question(f'In their own words: "{words}"')


def test_an_encoder_gives_fidelity_and_the_space_of_texts():
    encoder = SiglipEncoder(SIGLIP)
    decider = _Scripted()
    reward = PromptedReward(decider, encoder, background=lambda: random_pictures(8))
    pictures = _pictures(3)
    scores = reward.score(pictures, ["a fox", "a castle", ""], Person())
    vectors, texts = encoder.images(pictures), encoder.texts(["a fox", "a castle", ""])
    np.testing.assert_allclose(scores.fidelity[:2], encoder.agreement(vectors, texts)[:2], atol=1e-5)
    assert np.isnan(scores.fidelity[2])
    assert all(q.levels[0][1] == "dislikes it strongly" for _, asked in decider.asked for q in asked)
    assert reward.text_features(["a fox"]).shape == (1, encoder.width)
    assert PromptedReward(decider).text_features(["a fox"]) is None
    lesson = teach(reward, "me", pictures, [""] * 3, [0.9, 0.1, 0.5])
    assert lesson.open < 1


def test_a_folder_of_settings_is_a_reward(folder, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"family": "prompted", "model": str(folder), "size": 64}))
    reward = reward_models.load(tmp_path)
    assert reward.score(_pictures(1), [""], Person()).personal.shape == (1,)
    (tmp_path / "config.json").write_text(json.dumps({"family": "prompted", "model": str(folder), "sice": 64}))
    with pytest.raises(RewardError, match="sice"):
        reward_models.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"family": "prompted", "model": "m", "backend": "telegraph"}))
    with pytest.raises(RewardError, match="no backend 'telegraph'"):
        reward_models.load(tmp_path)


def test_both_orders_are_asked_for_nobody_in_particular_too(folder):
    reward, (picture,) = _reward(folder, orders=2), _pictures(1)
    question = liking_question()
    ((forward, backward),) = reward.asker.decider.answers([picture], [question, question.reversed()])
    expected = (np.array(forward.probabilities) + np.array(backward.probabilities[::-1])) / 2
    scores = reward.score([picture], [""], Person())
    assert scores.population[0] == pytest.approx(float(np.arange(5) @ expected) / 4, abs=1e-6)


def test_words_alone_cost_no_look_at_the_background(folder):
    def background():
        raise AssertionError("nothing was rated")

    reward = PromptedReward(LocalDecider(load_vlm(folder), 64), size=64, background=background)
    assert reward.teacher.learn("me", Evidence(profile=WORDS)).open == 1
    assert np.isfinite(reward.score(_pictures(1), [""], "me").personal).all()
