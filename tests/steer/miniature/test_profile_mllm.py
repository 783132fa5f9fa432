"""The P-MLLM that ships: what is said of a person decides what it makes of pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import reward_models
from reward_models import Evidence
from reward_models.cards import PARTS, card
from reward_models.evaluation.statistics import spearman
from reward_models.prompted.question import liking_question
from reward_models.teaching import teacher_of
from steer.miniature.dataset import N_SEEN, N_VAL_UNSEEN
from steer.miniature.painter import paint
from steer.miniature.profiles import self_report
from steer.miniature.raters import simulated_people
from steer.miniature.world import scene_at
from trainers.profile_world import one_hot

PEOPLE, SCENES = 8, 40


@pytest.fixture(scope="module")
def reward():
    return reward_models.load("miniature/profile-mllm")


@pytest.fixture(scope="module")
def pictures():
    scenes = [scene_at(4711, i) for i in range(SCENES)]
    return one_hot(scenes), [paint(s) for s in scenes]


def told(person, report):
    return liking_question(card({**person.demographics, **report.fields()}, report.words(), PARTS))


def test_ones_own_card_tells_more_than_none_and_more_than_the_opposite_of_it(reward, pictures):
    """Of people that no reward was trained on, and pictures it never saw."""
    read, images = pictures
    people = list(simulated_people().values())[N_SEEN + N_VAL_UNSEEN :][:PEOPLE]
    reports = [self_report(p) for p in people]
    own = [told(p, r) for p, r in zip(people, reports, strict=True)]
    opposed = [told(p, r.opposed()) for p, r in zip(people, reports, strict=True)]
    reward.decider.batch_size = 20
    rows = reward.decider.answers(images, [*own, *opposed, liking_question("")])
    likings = np.array([[answer.liking for answer in row] for row in rows])
    found = [
        [spearman(likings[:, k], p.satisfaction(read)) for k in (i, PEOPLE + i, 2 * PEOPLE)]
        for i, p in enumerate(people)
    ]
    with_own, with_opposite, with_none = np.mean(found, axis=0)
    assert with_own > with_none + 0.08
    assert with_own > with_opposite + 0.08


def test_a_few_words_of_somebody_are_heeded(reward):
    teacher = teacher_of(reward)
    for name, said in (("fog", "fog, no night"), ("night", "night, no fog")):
        teacher.learn(name, Evidence([], [], profile=said))
    scenes = [replace(scene_at(4711, i), light=light) for light in ("fog", "night") for i in range(10)]
    reading = reward.read([paint(s) for s in scenes], [""] * len(scenes))
    fog, night = (scores.personal for scores in reward.judge_many(reading, ["fog", "night"]))
    apart = fog - night  # (scenes,): the foggy ones first
    assert apart[:10].mean() > apart[10:].mean() + 0.03
