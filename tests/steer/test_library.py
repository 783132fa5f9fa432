"""steer and reward_models as libraries: names, ids, silence, ask and tell, notebooks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import reward_models
from reward_models.families import REWARDS as BY_NAME
from reward_models.families import find
from steer.errors import UsageError
from steer.resources import MINIATURE_WEIGHTS, REWARDS
from steer.types import RenderFailure, State

PICTURE = Image.new("RGB", (32, 32), "orange")


@pytest.fixture
def by_name():
    """The rewards by name, as an installed steer registers them: this checkout's metadata may be older."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["reward_models.rewards"]
    for name, value in points.items():
        module, attribute = value.split(":")
        BY_NAME.add(name, getattr(import_module(module), attribute))
    yield points
    BY_NAME.added.clear()


def test_every_shipped_reward_is_found_by_its_name(by_name):
    assert set(by_name) == set(REWARDS)
    for name, folder in REWARDS.items():
        assert find(name) == MINIATURE_WEIGHTS / folder


def test_a_folder_of_that_name_wins(by_name, tmp_path, monkeypatch):
    (tmp_path / "miniature").mkdir()
    (tmp_path / "miniature" / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert find("miniature").resolve() == tmp_path / "miniature"


def test_a_mistyped_name_is_told_from_a_folder_that_is_not_there(by_name):
    with pytest.raises(reward_models.RewardError, match=r"reward 'minature' not found .*Did you mean 'miniature'"):
        reward_models.load("minature")
    with pytest.raises(reward_models.RewardError, match=r"there is no folder './minature'"):
        reward_models.load("./minature")


def test_scoring_takes_ids_and_refuses_what_is_no_person(by_name):
    model = reward_models.load("miniature")
    reading = model.read([PICTURE], ["a fox"])
    one, two = model.judge_many(reading, ["u17", reward_models.Person("u42")])
    assert model.score([PICTURE], ["a fox"], "u17").personal == pytest.approx(one.personal)
    assert model.judge(reading, "u42").personal == pytest.approx(two.personal)
    with pytest.raises(reward_models.UnknownPerson, match=r"person 'u1700' not found \(200 known\)"):
        model.judge(reading, "u1700")
    with pytest.raises(reward_models.RewardError, match=r"an id such as 'u17' or a reward_models.Person, not 17"):
        model.judge(reading, 17)
    for prompts in ("a fox", ["a fox", "a cat"]):
        with pytest.raises(reward_models.RewardError, match="one prompt for each of 1 pictures"):
            model.score([PICTURE], prompts, "u17")


def test_loading_the_miniature_prints_nothing(tmp_path):
    code = "from steer import Steerer; s = Steerer('miniature'); s.parts.reward; s.parts.renderer"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ask_and_tell_ends_with_a_text_and_its_picture(fake_steerer):
    steerer, turn = fake_steerer(), 0
    search = steerer.search("a fox", "u1", budget=12)
    while candidates := search.ask():
        images = [Image.new("RGB", (8, 8), (turn * 9 + i, 0, 0)) for i in range(len(candidates))]
        if turn == 1:
            images[0] = RenderFailure("no paper")
        search.tell(steerer.score(candidates, images, search.request))
        turn += 1
    failed = [c for c in search.history.candidates if c.state is State.FAILED]
    assert [c.reason for c in failed] == ["no paper"]
    best = search.best()
    assert best.rewrite == search.winner().rewrite
    assert best.image.size == (8, 8)
    assert best.personal == pytest.approx(np.asarray(best.image)[0, 0, 0] / 255, abs=1e-5)


def test_every_candidate_needs_an_image(fake_steerer):
    steerer = fake_steerer()
    candidates = steerer.search("a fox", "u1", budget=12).ask()
    with pytest.raises(UsageError, match="candidates need as many images; got 0"):
        steerer.score(candidates, [], steerer.request("a fox", "u1"))


def test_a_result_shows_the_best_picture_beside_the_originals(fake_steerer, tmp_path):
    result = fake_steerer().run("a <b>fox</b> & co", "u1", budget=8, out=tmp_path / "run")
    page = result._repr_html_()
    assert len(re.findall(r'src="data:image/png;base64,[\w+/=]+"', page)) == 2
    assert "a &lt;b&gt;fox&lt;/b&gt; &amp; co" in page
    assert "<b>fox" not in page
    assert f"best, liked {result.best.personal:.2f}" in page
    (tmp_path / "run" / result.best.picture).unlink()
    assert "original, liked" in result._repr_html_()
