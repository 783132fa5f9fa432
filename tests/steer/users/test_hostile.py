"""Two people in one store: whatever one of them imports, the other stays the same to the bit."""

from __future__ import annotations

import base64
import io
import json
import shutil
import sqlite3

import numpy as np
import pytest
from PIL import Image

from steer import Steerer
from steer.config import load_config
from steer.users.pictures import pictures_in
from steer.users.store import UserStore
from tests.steer.command import steer_here

HIDDEN = "reward=miniature/linear-hidden"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a store in which a victim has rated four shipped pictures and four photographs, and kept copies."""
    folder = tmp_path_factory.mktemp("hostile")
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    for i in range(4):
        small = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8))
        small.resize((96, 96)).save(folder / "photos" / f"{i}.png")
    store = folder / "users.db"
    answers = {"stdin": "1\n5\n2\n4\nq\n", "cwd": folder}
    for options in ([], ["--pictures", "photos"]):
        done = steer_here(
            "user", "rate", "victim", "--terminal", "--keep-pictures", "--store", store, *options, **answers
        )
        assert done.returncode == 0, done.stderr
    done = steer_here("user", "export", "victim", "--with-pictures", "--store", store, cwd=folder)
    assert done.returncode == 0, done.stderr
    UserStore(store).close()
    return folder


def state(path, reward):
    """All that a reward makes of the victim, learned from nothing: vectors, and scores of pictures with their order."""
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM vectors WHERE user = 'victim'")
    db.close()
    store = UserStore(path)
    roster = Steerer("miniature", store=store, reward=reward).parts.roster
    learned = roster.learn("victim")
    images = [q.image for q in pictures_in(path.parent / "photos")]
    scores = reward.score(images, ["a fox"] * len(images), roster.person("victim"))
    lesson = store.lesson("victim", reward.fingerprint())
    store.close()
    return lesson.data, learned.uncertainty, scores.personal.tobytes(), scores.uncertainty.tobytes()


def rows(path, *but):
    """Everything in the store as text, but for some tables."""
    with sqlite3.connect(path) as db:
        found = [line for line in db.iterdump() if not any(f'INTO "{table}"' in line for table in but)]
    db.close()
    return found


def encoded(change):
    def each(told):
        for kept in told["features"].values():
            for name, value in kept.items():
                kept[name] = base64.b64encode(change(base64.b64decode(value))).decode()

    return each


def numbers(change):
    return encoded(lambda data: change(np.frombuffer(data, np.float16)).astype(np.float16).tobytes())


def swapped(told):
    """The features of one picture for another."""
    for kept in told["features"].values():
        kept.update(zip(kept, [*list(kept.values())[1:], next(iter(kept.values()))], strict=True))


def other_words(told):
    """The victim's pictures under other prompts."""
    for rating in told["ratings"]:
        rating["prompt"] = "a nightmare in neon"


def other_thumbnails(told):
    """Black in place of the small copies."""
    data = io.BytesIO()
    Image.new("RGB", (64, 64)).save(data, "JPEG")
    told["thumbnails"] = dict.fromkeys(told["thumbnails"], base64.b64encode(data.getvalue()).decode())
    told["features"] = {}


def of_every_encoder(told):
    """Rubbish for whatever encoder there is."""
    (key, kept), *_ = told["features"].items()
    told["features"] = {key: {h: "AAAA" for h in kept}, "hidden": {h: "AAAA" for h in kept}}


ATTACKS = {
    "too short": encoded(lambda data: data[:2]),
    "odd length": encoded(lambda data: data + b"x"),
    "other signs": numbers(lambda x: -x),
    "NaN": numbers(lambda x: x * np.nan),
    "huge": numbers(lambda x: x * 0 + 65000),
    "zeros": numbers(lambda x: x * 0),
    "swapped": swapped,
    "other words": other_words,
    "other thumbnails": other_thumbnails,
    "every encoder": of_every_encoder,
}


def attack(home, folder, name, user="evil"):
    """The victim's own export, changed, under another id."""
    told = json.loads((home / "outputs" / "victim.json").read_text())
    told["id"] = user
    ATTACKS[name](told)
    path = folder / f"{user}.json"
    path.write_text(json.dumps(told))
    return path


@pytest.fixture(scope="module")
def rewards(miniature):
    return {"pamela": miniature.parts.reward, "hidden": Steerer(load_config("miniature", [HIDDEN])).parts.reward}


@pytest.fixture(scope="module")
def untouched(home, rewards):
    """The victim as each reward learns them without anybody else."""
    path = home / "untouched.db"
    shutil.copy(home / "users.db", path)
    return {name: state(path, reward) for name, reward in rewards.items()}


def imported(file, path):
    done = steer_here("user", "import", file, "--with-pictures", "--store", path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_is_imported_moves_somebody_else(home, rewards, untouched, tmp_path, name):
    for photo in (home / "photos").iterdir():
        (tmp_path / "photos").mkdir(exist_ok=True)
        shutil.copy(photo, tmp_path / "photos")
    path = tmp_path / "users.db"
    shutil.copy(home / "users.db", path)
    before = rows(path)
    imported(attack(home, tmp_path, name), path)
    of = ["hidden"] if name == "other thumbnails" else ["pamela"]  # which has not seen the photographs yet
    for each in of:  # the attacker is learned first
        Steerer("miniature", store=UserStore(path), reward=rewards[each]).parts.roster.learn("evil")
        assert state(path, rewards[each]) == untouched[each]
    assert steer_here("user", "delete", "evil", "--yes", "--store", path, cwd=tmp_path).returncode == 0
    of_rewards = ("vectors", "features", "own_features")  # what the rewards saw of the victim's pictures since
    assert rows(path, *of_rewards) == [line for line in before if not any(f'INTO "{t}"' in line for t in of_rewards)]
    assert "evil" not in "".join(rows(path))


@pytest.mark.parametrize("name", ["other signs", "other words"])
def test_nor_one_who_comes_later(home, rewards, untouched, tmp_path, name):
    """The attacker knew the pictures first."""
    (tmp_path / "photos").symlink_to(home / "photos")
    path, whole = tmp_path / "users.db", home / "outputs" / "victim.json"
    imported(attack(home, tmp_path, name), path)
    Steerer("miniature", store=UserStore(path), reward=rewards["pamela"]).parts.roster.learn("evil")
    imported(whole, path)
    assert state(path, rewards["pamela"]) == untouched["pamela"]  # as on the machine where the pictures were rated


def test_the_winner_of_a_run_stays_the_winner(home, tmp_path):
    winners = []
    for name in (None, "other signs"):
        path, out = tmp_path / f"{name}.db", tmp_path / f"run {name}"
        shutil.copy(home / "users.db", path)
        if name:
            imported(attack(home, tmp_path, name), path)
        assert steer_here("user", "describe", "victim", "--profile", "warm light", "--store", path).returncode == 0
        options = ["-n", 4, "--set", "renderer=painter", "--out", out]
        done = steer_here("run", "-u", "victim", "-p", "a fox", *options, env={"STEER_USERS": str(path)})
        assert done.returncode == 0, done.stderr
        result = json.loads((out / "result.json").read_text())
        winners.append((result["best"]["text"], result["best"]["liking"], result["gain"]))
    assert winners[0] == winners[1]


def test_only_the_attacker_is_left_without(home, rewards, tmp_path, caplog):
    """What a file says of pictures that nobody measured here is checked before this person is taught by it."""
    path = tmp_path / "users.db"
    roster = Steerer("miniature", store=UserStore(path), reward=rewards["pamela"]).parts.roster
    for user, name in {"a": "NaN", "b": "huge", "c": "too short", "d": "zeros"}.items():
        assert steer_here("user", "import", attack(home, tmp_path, name, user), "--store", path).returncode == 0
        assert (roster.learn(user).used, roster.learn(user).lost) == (4, 4)  # it measures the shipped ones itself
        assert f"what came with '{user}' about 4 of 4 pictures is nothing this reward could have seen" in caplog.text


def test_a_file_with_an_id_of_the_reward_is_refused_as_add_does(home, tmp_path):
    path = tmp_path / "users.db"
    for user in ("u17", "U17"):
        done = steer_here("user", "import", attack(home, tmp_path, "swapped", user), "--store", path)
        assert done.returncode == 2
        assert "there is already a person of the reward 'u17'; import the file under another id: --as" in done.stderr
    assert UserStore(path).ids() == []
