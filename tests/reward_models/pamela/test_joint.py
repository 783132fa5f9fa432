"""Several data sets trained together: to the end, with a table, an early stop and people of each."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from reward_models.base import Person
from reward_models.evaluation.metrics import evaluate
from reward_models.families import Work, family_of
from reward_models.pamela.fit import load_corpus
from reward_models.pamela.reward import PamelaReward
from reward_models.pamela.settings import RewardTraining
from reward_models.pamela.training import predict
from reward_models.ratings.classes import DECADES, on_one_scale
from reward_models.ratings.corpus import build_corpus
from reward_models.ratings.sets import load_ratings
from reward_models.ratings.table import DataError
from tests.reward_models.worlds import PEOPLE, write_set


def write_ages(root, ages):
    """Give the people of a set these ages, in turn."""
    for file in (root / "annotations").glob("*.json"):
        rows = json.loads(file.read_text())
        for row in rows:
            row["user_demographics"]["age_binned"] = ages[int(row["participant_id"][1:]) % len(ages)]
        file.write_text(json.dumps(rows))


@pytest.fixture(scope="module")
def joint(siglip, tmp_path_factory):
    """A reward trained on two sets that call their people alike and write ages in other ways."""
    root = tmp_path_factory.mktemp("joint")
    sets = {"first": ["20-29", "50-59"], "second": ["24", "61"]}
    for name, ages in sets.items():
        write_set(root / name)
        write_ages(root / name, ages)
    settings = {
        "data": [{"source": str(root / n), "name": n, "share": s} for n, s in (("first", 3.0), ("second", 1.0))],
        "encoder": {"name": siglip.name},
        "model": {"width": 32, "layers": 1, "demographics_by": "text"},
        "training": {"epochs": 3, "people_per_batch": 6, "ratings_each": 12, "lr": 0.005},
        "seeds": [0],
        "device": "cpu",
        "cache": str(root / "cache"),
        "out": str(root / "reward"),
    }
    (root / "train.yaml").write_text(json.dumps(settings))
    family_of(root / "train.yaml").train(root / "train.yaml", Work(say=lambda line: None))
    return root


def test_each_set_has_its_own_table_and_people(joint):
    report = json.loads((joint / "reward" / "evaluation.json").read_text())
    assert report["data sets"] == ["first", "second"]
    assert report["splits left out"] == ["first val_unseen", "second val_unseen"]
    for name in ("first", "second"):
        assert report["table"][f"{name} test_seen: personal"]["n_people"] == PEOPLE
        assert report["table"][f"{name} test_unseen: 15 ratings: fitted"]["n_people"] == 6
        assert "personal" in report["splits"][f"{name} test_seen"]["population level"]
    people = pd.read_csv(joint / "reward" / "people.csv")
    of_first = people[people["split"] == "first test_seen"]["person"]
    assert set(of_first) == {f"first-p{k}" for k in range(PEOPLE)}
    assert "first test_seen" in (joint / "reward" / "evaluation.md").read_text()
    assert (joint / "reward" / "gallery.html").stat().st_size > 10_000


def test_the_first_set_decides_when_to_stop(joint, siglip):
    settings = RewardTraining.model_validate(json.loads((joint / "train.yaml").read_text()))
    corpus, _ = load_corpus(settings, "cpu", lambda line: None)
    assert corpus.first.datasets == ["first"]
    assert all(p.startswith("first-") for p in corpus.first.tables["val_seen"].person)
    assert len(corpus.first.tables["val_seen"]) * 2 == len(corpus.tables["val_seen"])
    lines = [json.loads(line) for line in (joint / "reward" / "curves.jsonl").read_text().splitlines()]
    best = max(lines, key=lambda row: row["val_srocc"])
    members = PamelaReward.from_folder(joint / "reward", encoder=siglip).ensemble.members
    val = corpus.first.tables["val_seen"]
    predicted = predict(members, corpus.pictures, corpus.prompts, val)
    assert evaluate(predicted, val.liking, val.person, 1)["srocc"] == pytest.approx(best["val_srocc"], abs=0.01)


def test_people_are_called_by_their_set_and_the_reward_knows_which_there_are(joint, siglip):
    reward = PamelaReward.from_folder(joint / "reward", encoder=siglip)
    assert "second-p3" in reward.people()
    assert reward.datasets == ("first", "second")
    settings = RewardTraining.model_validate(json.loads((joint / "train.yaml").read_text()))
    one, two = (load_ratings(d.source) for d in settings.data)
    with pytest.raises(DataError, match="two data sets are called 'pamela'; give one of them another name"):
        build_corpus([(one, 1.0), (two, 1.0)], siglip, joint / "cache")


def test_the_same_age_is_one_class_and_what_was_written_stays_beside_it(joint):
    settings = RewardTraining.model_validate(json.loads((joint / "train.yaml").read_text()))
    corpus, _ = load_corpus(settings, "cpu", lambda line: None)
    frame = corpus.frames["train"].drop_duplicates("person").set_index("person")
    assert frame.loc["first-p0", "age_binned"] == frame.loc["second-p0", "age_binned"] == "20-29"
    assert frame.loc["second-p0", "age_written"] == "24"
    assert frame.loc["second-p1", "age_binned"] == "60-69"
    assert corpus.vocabularies["age_binned"] == list(DECADES)
    written = pd.DataFrame({"person": list("abcd"), "age_binned": ["18-29", "50+", "30-34", None], "gender": "F"})
    common = on_one_scale(written, {"b": "61"})
    assert common["age_binned"].fillna("").tolist() == ["20-29", "60-69", "30-39", ""]
    assert set(common["gender"]) == {"female"}


def test_a_class_that_nobody_is_in_lies_between_its_neighbours(trained, tmp_path):
    """20-29 and 50-59 are there; 30-39 and 40-49 are a third and two thirds of the way."""
    from reward_models.pamela.fit import fit_members
    from reward_models.pamela.people import priors
    from reward_models.pamela.unseen import prior_of_unseen

    ratings = load_ratings(trained.root / "data")
    ages = ratings.table["person"].map(lambda p: ("20-29", "50-59")[int(p[1:]) % 2])
    table = dataclasses.replace(ratings, table=ratings.table.assign(age_binned=ages))
    corpus = build_corpus([(table, 1.0)], trained.encoder, trained.root / "cache")
    settings = RewardTraining.model_validate(
        {
            "data": [{"source": "x"}],
            "model": {"width": 16, "heads": 2, "layers": 1},
            "training": {"epochs": 1},
            "seeds": [0],
            "out": str(tmp_path),
        }
    )
    (member,) = fit_members(corpus, settings)
    age = member.fields[0].weight.detach()
    twenties, fifties = age[2], age[5]
    assert torch.allclose(age[3], (2 * twenties + fifties) / 3, atol=1e-6)
    assert torch.allclose(age[4], (twenties + 2 * fifties) / 3, atol=1e-6)
    assert torch.equal(age[1], twenties)
    assert torch.equal(age[9], fifties)
    train = corpus.tables["train"]
    prior = prior_of_unseen(priors([member], train)[0], member.config, train)
    assert torch.allclose(prior.table[3], (prior.table[1] + 2 * prior.table[4]) / 3, atol=1e-6)


def test_demographics_in_words_answer_for_a_class_that_training_never_saw(joint, siglip):
    reward = PamelaReward.from_folder(joint / "reward", encoder=siglip)
    features = torch.nn.functional.normalize(torch.randn(4, siglip.width, generator=torch.Generator().manual_seed(0)))
    asked = [Person(None, {"nationality": n} if n else {}) for n in ("", "Martian", "Venusian")]
    reward.ensemble.hear(asked, siglip)
    nobody, one, two = reward.ensemble.predict(features, torch.zeros_like(features), asked)[0]
    assert np.abs(one - nobody).max() > 1e-4
    assert np.abs(one - two).max() > 1e-6
    assert reward.ensemble.config.vocabularies["nationality"] == ["Martian", "Venusian"]
    fitted = reward.ensemble.fit_people(
        features, torch.zeros_like(features), np.full(4, 0.9), np.zeros(4, int), [{"nationality": "Martian"}]
    )
    assert torch.isfinite(fitted[0][0].vector).all()
