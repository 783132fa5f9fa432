"""The store as a data set: who agreed and to what, and a reward that trains on it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from reward_models.pamela.fit import fit_reward, load_corpus
from reward_models.pamela.settings import RewardTraining
from steer.errors import UsageError
from steer.resources import miniature_weights
from steer.users.data_set import write_data_set
from steer.users.records import picture_hash
from steer.users.store import UserStore
from tests.steer.command import steer_here

FACTS = {"age_binned": "30-39", "gender": "female"}


@pytest.fixture
def store(tmp_path):
    """Three people who rated ten plain colours: anna agreed to all, ben to ratings, cleo to nothing."""
    found = UserStore(tmp_path / "users.db")
    pictures = [Image.new("RGB", (16, 16), (25 * i, 0, 255 - 25 * i)) for i in range(10)]
    for k, name in enumerate(("anna", "ben", "cleo")):
        found.add(name, FACTS, "no neon", keep_pictures=True)
        for i, image in enumerate(pictures):
            found.rate(name, picture_hash(image), 1 + (4 * i / 9 if k else 4 - 4 * i / 9), "a colour")
        found.keep_small(name, {picture_hash(p): p for p in pictures[: 10 if k else 8]})
    found.set_shares("anna", "about")
    found.set_shares("ben", "ratings")
    return found


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_only_what_people_agreed_to_is_written(store, tmp_path):
    found = write_data_set(store, tmp_path / "set")
    assert (found.people, found.ratings, found.pictures, found.left_out, found.silent) == (2, 18, 10, 2, 1)
    rows = rows_of(found.file)
    by_person = {p: [r for r in rows if r["person"] == p] for p in ("p1", "p2")}
    anna, ben = sorted(by_person.values(), key=len)
    assert [len(anna), len(ben)] == [8, 10]
    assert {r["demographics.age_binned"] for r in anna} == {"30-39"}
    assert {r["profile.words"] for r in anna} == {"no neon"}
    assert {(r["demographics.age_binned"], r["demographics.gender"], r["profile.words"]) for r in ben} == {("", "", "")}
    text = found.file.read_text()
    assert "anna" not in text
    assert "ben" not in text
    assert len(list((tmp_path / "set" / "images").iterdir())) == 10


def test_with_hashes_no_picture_is_written(store, tmp_path):
    found = write_data_set(store, tmp_path / "set", "hashes")
    assert (found.ratings, found.left_out) == (20, 0)
    assert not (tmp_path / "set" / "images").exists()


def test_nobody_is_taken_without_being_asked(store, tmp_path):
    store.set_shares("anna", "")
    store.set_shares("ben", "")
    with pytest.raises(UsageError, match="nobody in the store has agreed"):
        write_data_set(store, tmp_path / "set")
    assert not (tmp_path / "set").exists()
    store.set_shares("ben", "ratings")
    store.set_keep_pictures("ben", False)
    with pytest.raises(UsageError, match="have 10 ratings, and no small copy of a picture was kept"):
        write_data_set(store, tmp_path / "set")


def test_a_reward_trains_on_it(store, tmp_path):
    found = write_data_set(store, tmp_path / "set")
    settings = RewardTraining.model_validate(
        {
            "data": [{"source": str(found.file)}],
            "encoder": {"name": str(miniature_weights("siglip")), "batch_size": 8},
            "model": {"width": 16, "heads": 2, "layers": 1},
            "training": {"epochs": 1, "people_per_batch": 2, "ratings_each": 4},
            "seeds": [0],
            "device": "cpu",
            "cache": str(tmp_path / "cache"),
            "out": str(tmp_path / "reward"),
        }
    )
    corpus, encoder = load_corpus(settings, "cpu", lambda line: None)
    reward = fit_reward(corpus, encoder, settings, "cpu")
    scores = reward.score([Image.new("RGB", (16, 16), (225, 0, 30))], ["a colour"], reward.people()[0])
    assert np.isfinite(scores.personal).all()
    assert corpus.demographics == ["age_binned", "gender"]


def test_the_commands_ask_and_remember(store, tmp_path):
    path = tmp_path / "users.db"
    asked = steer_here("user", "share", "cleo", "--about", "--store", path, stdin="n\n")
    assert asked.returncode == 0, asked.stderr
    said = " ".join((asked.stdout + asked.stderr).split())
    assert "May what 'cleo' rated become part of data sets" in said
    assert "nothing of cleo may be part of data sets" in said
    agreed = steer_here("user", "share", "cleo", "--yes", "--store", path)
    assert "ratings of cleo may be part of data sets" in agreed.stdout + agreed.stderr
    assert UserStore(path).user("cleo").shares == "ratings"
    written = steer_here("data", "from-store", tmp_path / "set", "--store", path)
    assert written.returncode == 0, written.stderr
    assert "wrote 28 ratings of 10 pictures by 3 people" in written.stdout
    assert steer_here("data", "check", tmp_path / "set" / "ratings.csv").returncode == 0
    again = steer_here("data", "from-store", tmp_path / "set", "--store", path)
    assert again.returncode == 2
    assert "has a 'images' already" in " ".join(again.stderr.split())
    both = steer_here("user", "share", "cleo", "--yes", "--no", "--store", path)
    assert both.returncode == 2


def test_a_second_rating_counts_and_the_first_is_kept_for_test_and_retest(store):
    rating = store.ratings("anna")[0]
    assert store.retests("anna") == []
    store.rate("anna", rating.picture, 3)
    store.rate("anna", rating.picture, 2)
    assert store.retests("anna") == [(rating.picture, rating.score, 2.0)]
    assert len(store.ratings("anna")) == 10
    store.rename("anna", "anne")
    assert len(store.retests("anne")) == 1
    store.reset("anne")
    assert store.retests("anne") == []
    assert json.dumps(store.told("anne").user.demographics) == json.dumps(FACTS)
