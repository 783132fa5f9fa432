"""What simulated people say of themselves, and the crowd."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from reward_models.profile import statements
from reward_models.ratings.profiles import described_people
from reward_models.ratings.sets import load_ratings
from steer.miniature.crowd import write_crowd, write_descriptions
from steer.miniature.profiles import SCALES, self_report
from steer.miniature.raters import simulated_people
from steer.miniature.words import read_prompt
from steer.miniature.world import ATTRIBUTES


@pytest.mark.parametrize("world", [1, 2])
def test_more_people_leave_the_first_200_as_they_are(world):
    few, many = simulated_people(world=world), simulated_people(220, world=world)
    assert list(many)[:200] == list(few)

    def digest(people):
        told = [(p.id, p.traits.tobytes(), p.bias, *(m.tobytes() for m in p.main.values())) for p in people]
        return hashlib.sha256(repr(told).encode()).hexdigest()

    assert digest(few.values()) == digest(list(many.values())[:200])


def test_scales_follow_the_traits_with_noise_and_are_always_the_same():
    people = list(simulated_people(300).values())
    reports = [self_report(p) for p in people]
    assert reports[3] == self_report(people[3])
    scales = np.array([[r.scales[s] for s in SCALES] for r in reports])
    assert scales.min() >= 1
    assert scales.max() <= 10
    for k in range(len(SCALES)):
        agreement = np.corrcoef(scales[:, k], [p.traits[k] for p in people])[0, 1]
        assert 0.8 < agreement < 0.97


@pytest.mark.parametrize("world", [1, 2])
def test_phrases_are_mostly_true_and_read_as_liked_and_disliked(world):
    right = []
    for person in list(simulated_people(240, world=world).values())[200:]:
        report = self_report(person)
        said = statements(report.words())
        assert [liked for _, liked in said] == [True, True, False, False]
        for (attribute, value), sign in [*((v, 1) for v in report.liked), *((v, -1) for v in report.disliked)]:
            right.append(sign * person.main[attribute][ATTRIBUTES[attribute].index(value)] > 0)
        for (phrase, _), (attribute, value) in zip(said, [*report.liked, *report.disliked], strict=True):
            assert read_prompt(phrase).get(attribute, value) == value
    assert 0.6 < np.mean(right) < 0.99


def test_an_opposed_report_says_the_opposite_and_a_paraphrase_the_same():
    report = self_report(simulated_people()["u17"])
    opposed = report.opposed()
    assert all(opposed.scales[s] == 11 - report.scales[s] for s in SCALES)
    assert (opposed.liked, opposed.disliked) == (report.disliked, report.liked)
    assert opposed.opposed() == report
    assert report.words(1) != report.words()
    assert {liked for _, liked in statements(report.words(1))} == {True, False}


def test_the_crowd_is_a_data_set_of_others(tmp_path):
    dataset, crowd = tmp_path / "set", tmp_path / "crowd"
    (dataset / "images").mkdir(parents=True)
    files = [f"images/{i}.png" for i in range(12)]
    for file in files:
        Image.new("RGB", (8, 8)).save(dataset / file)
    rng = np.random.default_rng(0)
    read = {name: rng.dirichlet(np.ones(len(values)), len(files)) for name, values in ATTRIBUTES.items()}
    write_crowd(dataset, crowd, {"train": files[:8], "val": files[8:]}, read, people=20)
    write_descriptions(crowd, files, read)
    ratings = load_ratings(crowd)
    ids = set(ratings.table["person"])
    assert ids == {f"u{i}" for i in range(201, 221)}
    assert set(ratings.split("val_unseen")["person"]) == {"u219", "u220"}
    assert not set(ratings.split("train")["picture"]) & set(ratings.split("val_seen", "val_unseen")["picture"])
    person = described_people(ratings)["u201"]
    report = self_report(simulated_people(201)["u201"])
    assert person.profile == report.words()
    assert person.demographics["trait_a"] == str(report.scales["a"])
    texts = [json.loads(line) for line in (crowd / "descriptions.jsonl").read_text().splitlines()]
    assert [t["picture"] for t in texts] == files
