"""steer user, as it is typed."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from steer.config import load_config
from steer.parts import Parts
from steer.users.store import UserStore
from steer.users.votes import Vote, VoteBook
from tests.steer.command import steer_here


@pytest.fixture
def steer(tmp_path):
    def run(*arguments, stdin=""):
        return steer_here(*arguments, cwd=tmp_path, env={"STEER_USERS": str(tmp_path / "users.db")}, stdin=stdin)

    return run


def test_from_the_first_word_to_the_last(steer, tmp_path):
    """Add by words, rate in the terminal, show, run, export, delete, import."""
    added = steer("user", "add", "me", "--profile", "sepia, no neon, Studio Ghibli").stdout
    assert "added me" in added
    assert "likes: 'sepia'\n  dislikes: 'neon'\n  not understood: 'Studio Ghibli'" in added
    shown = steer("user", "show", "me").stdout
    assert "0 ratings, 0 choices\nprofile: sepia, no neon, Studio Ghibli\n  likes: 'sepia'" in shown
    assert "not certain yet, but probably unlike the average person:" in shown
    assert "most similar users: u" in shown
    rated = steer("user", "rate", "me", "--terminal", stdin="5\n1\n4\n2\nq\n")
    assert "4 answers" in rated.stdout, rated.stderr
    told = json.loads(steer("user", "show", "me", "--json", "--picture", "b.png").stdout)
    assert told["phrases"][0] == {"text": "sepia", "liked": True, "like": "sepia"}
    assert 0.1 < told["known"] < 0.5
    assert (tmp_path / "b.png").stat().st_size > 5000
    run = steer(
        "run",
        "-u",
        "me",
        "--not-user",
        "u3",
        "-p",
        "a fox",
        "-n",
        "4",
        "--set",
        "renderer=painter",
        "--out",
        "outputs/r",
    )
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "outputs" / "r" / "manifest.json").read_text())["request"]["user"] == "me,!u3"
    exported = tmp_path / "outputs" / "me.json"
    assert f"written to {exported}" in steer("user", "export", "me").stdout
    again = steer("user", "export", "me")
    assert again.returncode == 2
    assert "exists already; give another file with --out, or overwrite it with --force" in again.stderr
    assert steer("user", "export", "me", "--force").returncode == 0
    listed = json.loads(steer("user", "list", "--json").stdout)
    assert [(u["id"], u["ratings"]) for u in listed["users"]] == [("me", 4)]
    renamed = steer("user", "rename", "me", "anna").stdout
    assert "renamed me to anna" in renamed
    assert "outputs/r still names 'me'" in renamed
    assert "reset anna: 4 ratings" in steer("user", "reset", "anna", "--yes").stdout
    assert "imported me" in steer("user", "import", exported).stdout
    twice = steer("user", "import", exported)
    assert twice.returncode == 2
    assert "import the file under another id: --as NAME" in twice.stderr
    gone = steer("user", "delete", "me", "--yes").stdout
    assert "deleted me: 4 ratings" in gone
    assert "outputs/r still contains their id" in gone
    assert "outputs/me.json still contains their id" in gone


@pytest.fixture
def data_set(tmp_path):
    """A csv of ann and u17."""
    for i in range(3):
        Image.new("RGB", (64, 64), (60 * i, 9, 9)).save(tmp_path / f"{i}.png")
    rows = [f"{person},{i}.png,{1 + i},a fox" for person in ("ann", "u17") for i in range(3)]
    (tmp_path / "my set.csv").write_text("\n".join(("person,picture,score,prompt", *rows)))
    return "my set.csv"


def test_an_import_never_hides_people_of_the_reward_and_goes_with_one_command(steer, data_set, tmp_path):
    before = steer("user", "show", "u17").stdout
    assert before.startswith("u17: 91% of their taste is known\na person of the reward 'miniature'\n")
    refused = steer("user", "import", data_set)
    assert refused.returncode == 2
    assert (
        "1 of the 2 people in 'my set.csv' have ids of people the reward was trained on, such as 'u17'"
        in refused.stderr
    )
    assert "--prefix my-set-" in refused.stderr
    imported = steer("user", "import", data_set, "--prefix", "my-set-").stdout
    assert "imported 2 people from 'my set', read-only: my-set-ann, my-set-u17" in imported
    assert "remove them: steer user delete --import 'my set'" in imported
    assert steer("user", "show", "u17").stdout == before
    UserStore(tmp_path / "users.db").add("me")
    listed = steer("user", "list").stdout.splitlines()
    assert listed == [
        "me                       0 ratings    0 choices",
        "2 people imported from 'my set', read-only: my-set-ann, my-set-u17",
        "200 people of the reward 'miniature': u1, u2, u3, u4, u5, u6 and 194 more",
    ]
    assert steer("user", "list", "ANN").stdout == (
        "my-set-ann               3 ratings    0 choices  imported from 'my set', read-only\n"
    )
    gone = steer("user", "delete", "--import", "my set", "--yes").stdout
    assert "deleted 2 people imported from 'my set': 6 ratings, 3 rated pictures" in gone
    assert [u.id for u in UserStore(tmp_path / "users.db").users()] == ["me"]


def test_a_store_of_an_older_version_with_hidden_people(steer, tmp_path):
    """Older versions imported people over those of the reward."""
    before = steer("user", "show", "u17").stdout
    store = UserStore(tmp_path / "users.db")
    store.add("u17", source="pamela")
    store.rate_many("u17", [("h", "a fox", 1)])
    listed = steer("user", "list").stdout
    assert "1 person imported from 'pamela' cannot be used: the reward has people with the same ids." in listed
    assert listed.count("u17") == 0
    (hidden,) = json.loads(steer("user", "list", "--json").stdout)["users"]
    assert hidden["hidden"]
    shown = steer("user", "show", "u17")
    assert shown.stdout == before
    assert steer("user", "delete", "--import", "pamela", "--yes").returncode == 0
    assert "cannot be used" not in steer("user", "list").stdout
    store.add("u18")
    assert "rename yours: steer user rename u18 NEW" in steer("user", "list").stdout


def test_listing_says_what_is_not_there(steer, tmp_path):
    assert "you have no users yet; create one: steer user rate me" in steer("user", "list").stdout
    UserStore(tmp_path / "users.db").add("me")
    assert steer("user", "list", "zzz").stdout == "no user matches 'zzz'\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--terminal",), "no ratings, so the user 'zed' was not created"),
        (("--terminal", "--pictures", "nowhere"), "there is no folder 'nowhere'"),
        (("--no-browser",), "needs Gradio"),
    ],
)
def test_rating_that_fails_or_stores_nothing_creates_nobody(steer, tmp_path, monkeypatch, arguments, said):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else find_spec(name))
    done = steer("user", "rate", "zed", *arguments)
    assert said in done.stdout + done.stderr
    assert UserStore(tmp_path / "users.db").ids() == []


def test_the_first_rating_creates_the_user(steer, tmp_path):
    assert "1 answer" in steer("user", "rate", "zed", "--terminal", stdin="4\n").stdout
    assert [(u.id, u.ratings) for u in UserStore(tmp_path / "users.db").users()] == [("zed", 1)]


def test_the_votes_of_a_person_of_the_reward_can_be_deleted(steer, tmp_path):
    VoteBook(UserStore(tmp_path / "users.db"), "study").add(Vote("u99", 0, 0, "own", "original", "own"))
    kept = steer("user", "delete", "u99", stdin="n\n")
    assert (kept.returncode, "nothing was deleted" in kept.stdout) == (1, True)
    asked = steer("user", "delete", "u99", stdin="y\n")
    assert "Delete u99 with 1 vote?" in asked.stdout
    assert "deleted u99: 1 vote" in asked.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nobody-here"), "Create it: steer user rate nobody-here"),
        (("add", "a/b"), "is not a valid user id"),
        (("add", "u17"), "a person of the reward 'miniature'; choose another id"),
        (("add", "x", "--about", "gender"), "has no value"),
        (("add", "x", "--about", "shoe_size=42"), "does not know 'shoe_size'"),
        (("add", "x", "--about", "gender=unheard"), "does not know this gender"),
        (("add", "x", "--ratings", "none.csv"), "cannot be read"),
        (("rate", "u3"), "a person of the reward 'miniature'"),
        (("rename", "u3", "x"), "not one of your users"),
        (("describe", "x"), "nothing to change"),
        (("delete", "--yes"), "give the id of a user, or --import NAME"),
        (("delete", "--import", "x", "--yes"), "no users were imported from 'x'"),
        (("rate", "x", "--pictures", "nowhere"), "there is no folder 'nowhere'"),
        (("import", "nothing.json"), "there is no file or folder"),
        (("export", "x"), "user 'x' not found"),
        (("delete", "x", "--yes"), "user 'x' not found"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(steer, arguments, said):
    done = steer("user", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_corrupt_store_is_one_line(steer, tmp_path):
    (tmp_path / "users.db").write_bytes(b"nothing that SQLite knows" * 100)
    done = steer("user", "list")
    assert done.returncode == 1
    assert "is damaged" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture
def photos(tmp_path):
    """Two folders of five pictures and three, and one with the first of the liked ones."""
    rng = np.random.default_rng(0)
    for kind, many in (("good", 5), ("bad", 3)):
        (tmp_path / kind).mkdir()
        for i in range(many):
            Image.fromarray(rng.integers(0, 255, (90, 120, 3), np.uint8)).save(tmp_path / kind / f"{i}.png")
    (tmp_path / "both").mkdir()
    with Image.open(tmp_path / "good" / "0.png") as image:
        image.save(tmp_path / "both" / "same.webp", lossless=True)


@pytest.mark.usefixtures("photos")
def test_five_liked_pictures_are_enough_to_start(steer):
    added = steer("user", "add", "me", "--liked", "good")
    assert added.stdout == "added me with 5 liked pictures\nnext: steer run --user me --prompt ...\n", added.stderr
    more = steer("user", "rate", "me", "--disliked", "bad", "--liked", "good")
    said = "added 5 liked pictures and 3 disliked pictures to me; 5 pictures were rated alike before\n"
    assert more.stdout == said, more.stderr
    assert "8 ratings, 0 choices" in steer("user", "show", "me").stdout


@pytest.mark.usefixtures("photos")
def test_pictures_that_are_kept_need_no_reward_and_serve_any(steer, tmp_path, caplog):
    added = steer("user", "add", "me", "--liked", "good", "--keep-pictures", "--set", "reward=nowhere/at-all")
    assert added.returncode == 0, added.stderr
    new = steer("user", "rate", "you", "--liked", "bad")
    assert new.stdout == "added 3 liked pictures to you\n", new.stderr
    for reward in ("miniature", "miniature/linear-hidden"):
        shown = steer("user", "show", "me", "--set", f"reward={reward}")
        assert "small copies of the rated pictures are kept: 5" in shown.stdout
        assert "cannot be used" not in caplog.text
    parts = Parts(load_config("miniature", ["reward=miniature/linear-hidden"]), store=UserStore(tmp_path / "users.db"))
    parts.roster.people("you")
    assert "3 of 3 ratings of 'you' cannot be used" in caplog.text
    steer("user", "rate", "me", "--disliked", "bad")  # the setting is remembered
    assert UserStore(tmp_path / "users.db").user("me").thumbnails == 8
    assert steer("user", "export", "me", "--with-pictures", "--out", "me.json").returncode == 0
    assert steer("user", "import", "me.json", "--as", "bare").returncode == 0
    assert steer("user", "import", "me.json", "--as", "whole", "--with-pictures").returncode == 0
    kept = {u.id: u.thumbnails for u in UserStore(tmp_path / "users.db").users()}
    assert kept == {"me": 8, "bare": 0, "whole": 8, "you": 0}
    assert "changed me" in steer("user", "describe", "me", "--no-keep-pictures").stdout
    assert UserStore(tmp_path / "users.db").user("me").thumbnails == 0
    assert "deleted whole: 8 ratings, 8 kept pictures" in steer("user", "delete", "whole", "--yes").stdout


@pytest.mark.usefixtures("photos")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "x", "--liked", "good", "--disliked", "both"), "are the same picture, liked and disliked"),
        (("add", "x", "--liked", "nowhere"), "there is no folder 'nowhere'"),
        (("add", "old", "--liked", "good"), "there is already a user 'old'"),
        (("add", "a/b", "--liked", "nowhere", "--config", "nowhere"), "is not a valid user id"),
        (("rate", "x", "--liked", "both", "--render", "8"), "leave out --pictures, --render, --pairs and --terminal"),
        (("rate", "u17", "--liked", "good"), "a person of the reward 'miniature'"),
        (("rate", "his", "--liked", "good"), "imported from a set and is read-only"),
    ],
)
def test_folders_that_cannot_be_taken_change_nothing(steer, tmp_path, arguments, said):
    store = UserStore(tmp_path / "users.db")
    store.add("old")
    store.add("his", source="a set")
    done = steer("user", *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [(u.id, u.ratings) for u in store.users()] == [("his", 0), ("old", 0)]


def test_rating_rendered_pictures_of_a_diffusers_pipeline(steer, sdxl, tmp_path):
    renderer = {"kind": "diffusers", "model": str(sdxl), "width": 32, "height": 32, "steps": 1}
    (tmp_path / "tiny.yaml").write_text(json.dumps({"renderer": {**renderer, "call": {"guidance_scale": 5.0}}}))
    done = steer("user", "rate", "me", "--terminal", "--render", "8", "--config", "tiny.yaml", stdin="4\n1\nq\n")
    assert "2 answers" in done.stdout, done.stderr
    assert {r.score for r in UserStore(tmp_path / "users.db").ratings("me")} == {4, 1}
    drawn = list((tmp_path / "outputs").glob("*-to-rate/*.png"))
    assert len(drawn) == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a/b", "--config", "nowhere"), "is not a valid user id"),
        (("me", "--set", "renderer.nothing=1"), "renderer.nothing"),
        (("me",), "needs Gradio"),
        (("his",), "read-only"),
    ],
)
def test_what_is_wrong_is_said_before_a_model_loads(steer, tmp_path, monkeypatch, arguments, said):
    """The renderer of these settings is not there, so loading it would be the fault."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else find_spec(name))
    UserStore(tmp_path / "users.db").add("his", source="a set")
    missing = ("--set", "renderer=diffusers", "--set", "renderer.model=nowhere", "--set", "reward=nowhere/at-all")
    done = steer("user", "rate", arguments[0], "--render", "8", *missing, *arguments[1:])
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "outputs").exists()
