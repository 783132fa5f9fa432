"""A family, a renderer and a proposer of another package do everything that the built-in ones do, with no change to
steer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from steer import Steerer
from steer.config import load_config
from steer.study.folder import StudyFolder
from steer.study.plan import parse_study
from steer.study.running import StudyRun
from steer.users.store import UserStore
from tests.steer.command import steer_here

TOYS = Path(__file__).parents[1] / "toys"
PARTS = ["renderer=toy", "proposer=toy", "search.screen=1", "search.rewrites=3"]
COLOURS = {"red": (5, 1), "blue": (1, 5), "green": (2, 4), "white": (3, 3), "black": (3, 3)}  # ann's and bob's ratings


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    monkeypatch.syspath_prepend(str(TOYS))


@pytest.fixture
def reward(tmp_path):
    """Trained by the command on a csv of two people's ratings."""
    rows = ["picture,score,prompt,person"]
    for colour, scores in COLOURS.items():
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{colour}.png")
        rows += [f"{colour}.png,{s},a {colour} thing,{p}" for p, s in zip(("ann", "bob"), scores, strict=True)]
    (tmp_path / "ratings.csv").write_text("\n".join(rows))
    (tmp_path / "toy.yaml").write_text(f"family: toy\ndata: {tmp_path / 'ratings.csv'}\nout: {tmp_path / 'reward'}\n")
    done = steer_here("reward", "train", "-c", tmp_path / "toy.yaml")
    assert (done.returncode, "2 people" in done.stdout) == (0, True), done.stderr
    return tmp_path / "reward"


def test_a_toy_family_steers_a_toy_renderer_by_a_toy_proposer(reward, tmp_path):
    settings = [f"reward={reward}", *PARTS]
    for user, liked in (("ann", "red"), ("bob", "blue")):
        result = Steerer(load_config("miniature", settings)).run("a thing", user, budget=12, out=tmp_path / user)
        assert liked in result.best.rewrite.text
        again = Steerer(load_config("miniature", settings)).resume(tmp_path / user)
        assert again.best.rewrite.text == result.best.rewrite.text


def test_it_learns_a_person_and_steers_for_them(reward, tmp_path):
    rated = "picture,score\n" + "".join(f"{tmp_path / c}.png,{5 if c == 'green' else 1}\n" for c in COLOURS)
    (tmp_path / "mine.csv").write_text(rated)
    told = ["--store", tmp_path / "users.db", "--set", f"reward={reward}"]
    assert steer_here("user", "add", "me", "--ratings", tmp_path / "mine.csv", *told).returncode == 0
    assert "me" in steer_here("user", "show", "me", *told).stdout
    steerer = Steerer(load_config("miniature", [f"reward={reward}", *PARTS]), store=UserStore(tmp_path / "users.db"))
    assert "green" in steerer.run("a thing", "me", budget=12, out=tmp_path / "run").best.rewrite.text


def test_a_batch_of_it(reward, tmp_path):
    (tmp_path / "rows.csv").write_text("prompt,user\na thing,ann\na thing,bob\n")
    flags = [f for s in (f"reward={reward}", *PARTS) for f in ("--set", s)]
    done = steer_here("batch", tmp_path / "rows.csv", "-o", tmp_path / "batch", "-n", 8, "--json", *flags)
    assert (done.returncode, json.loads(done.stdout)["done"]) == (0, 2), done.stderr


def test_it_judges_a_study(reward, tmp_path):
    plan = {
        "name": "toys",
        "config": "miniature",
        "settings": [f"reward={reward}", *PARTS],
        "users": ["ann", "bob"],
        "prompts": ["a thing"],
        "budget": 8,
        "conditions": {"unoptimised": {"kind": "prompt"}, "own": {}},
        "judges": {"the toy": {"kind": "reward", "model": str(reward)}},
        "fidelity": {"kind": "eye"},
    }
    folder = StudyFolder.begin(tmp_path / "study", parse_study(plan, "toys"))
    StudyRun(folder).run()
    judged = sorted((tmp_path / "study").rglob("judged.json"))
    assert judged
    assert all("the toy" in json.loads(p.read_text()) for p in judged)


def test_settings_of_a_toy_reach_it_and_strange_names_are_one_line(tmp_path):
    steerer = Steerer(load_config("miniature", ["renderer=toy", "renderer.settings.side=8"]))
    (picture,) = steerer.parts.renderer.render(["red"], [1])
    assert picture.size == (8, 8)
    strange = steer_here("run", "-u", "u1", "-p", "a fox", "--set", "renderer=toi")
    assert (strange.returncode, "did you mean 'toy'?" in strange.stderr.lower().replace('"', "'")) == (2, True)
