"""steer and reward_models as libraries: names, ids, silence, ask and tell, notebooks."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml
from diffusers import DiffusionPipeline
from diffusers.configuration_utils import FrozenDict
from PIL import Image

import reward_models
import steer
from reward_models.families import REWARDS as BY_NAME
from reward_models.families import find
from steer import Steerer
from steer.config import load_config
from steer.errors import StorageError, UsageError
from steer.renderers.given import model_of
from steer.report import summary
from steer.resources import MINIATURE_WEIGHTS, REWARDS, miniature_weights
from steer.testing import FakeRenderer
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


def test_the_readme_cites_what_citation_cff_does():
    root = Path(__file__).parents[2]
    told = yaml.safe_load((root / "CITATION.cff").read_text())
    readme = (root / "README.md").read_text()
    block = re.search(r"```text\n(@software.*?)```", readme, re.DOTALL)[1]
    pamela = next(each for each in told["references"] if each.get("notes") == "PAMELA")
    number = pamela["identifiers"][0]["value"].removeprefix("arXiv:")
    for text in (told["title"], told["repository-code"], told["authors"][0]["name"]):
        assert text in block
    assert f"https://arxiv.org/abs/{number}" in readme
    assert len(readme.splitlines()) < 120


QUIET = """
import logging, diffusers.utils.logging, transformers.utils.logging
libraries = diffusers.utils.logging, transformers.utils.logging
def state():
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "torch", "torchao", "diffusers", "transformers")}
    return levels, list(root.handlers), [lib.is_progress_bar_enabled() for lib in libraries]
before = state()
from steer import Steerer
Steerer().run("a fox", user="u17", budget=2, out="run")
after = state()
assert before == after, (before, after)
"""


def test_a_run_prints_nothing_and_leaves_the_programs_logging_as_it_was(tmp_path):
    done = subprocess.run([sys.executable, "-c", QUIET], cwd=tmp_path, capture_output=True, text=True, timeout=300)
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


@pytest.fixture(scope="module")
def pipeline():
    return DiffusionPipeline.from_pretrained(miniature_weights("pipeline"))


def test_one_call_draws_with_the_scripts_own_pipeline(pipeline, miniature, tmp_path, monkeypatch):
    config = load_config("miniature", ["renderer.steps=1"])
    with_reward = Steerer.__init__

    def init(self, config=None, **given):
        with_reward(self, config, **{"reward": miniature.parts.reward, **given})

    monkeypatch.setattr(Steerer, "__init__", init)
    image = steer.steer(pipeline, "a fox", "u17", budget=3, config=config, out=tmp_path / "run")
    result = steer.load(tmp_path / "run")
    assert np.array_equal(np.asarray(image), np.asarray(result.image))
    assert image.size == (128, 128)
    facts = json.loads(Image.open(tmp_path / "run" / result.best.picture).text["steer"])
    assert (facts["model"], facts["user"]) == ("miniature", "u17")


def test_a_pipeline_is_drawn_with_as_its_preset_says(pipeline):
    assert Steerer(pipeline=pipeline).config == load_config("miniature")
    other = copy.copy(pipeline)
    other._internal_dict = FrozenDict({**pipeline.config, "_name_or_path": "stabilityai/sdxl-turbo"})
    assert model_of(other) == "stabilityai/sdxl-turbo"
    assert Steerer(pipeline=other, config="miniature").config.renderer.model == "stabilityai/sdxl-turbo"
    other._internal_dict = FrozenDict({**pipeline.config, "_name_or_path": "mine/thing"})
    with pytest.raises(UsageError, match=r"no preset is made for 'mine/thing' \(FluxPipeline\).*config='sdxl'"):
        Steerer(pipeline=other)
    with pytest.raises(UsageError, match="'api' draws with 'remote', which takes no pipeline"):
        Steerer("api", pipeline=pipeline)
    with pytest.raises(UsageError, match="the pipeline is a str, and none of diffusers"):
        Steerer(pipeline="sdxl")
    with pytest.raises(UsageError, match="give one of them"):
        Steerer(pipeline=pipeline, renderer=object())


def test_a_run_is_loaded_as_it_was(fake_steerer, tmp_path):
    result = fake_steerer(renderer=FakeRenderer(fail=[3])).run("a fox", "u1", budget=8, out=tmp_path / "run")
    loaded = steer.load(str(tmp_path / "run"))
    assert summary(loaded) == {**summary(result), "seconds": loaded.seconds}
    assert loaded.comparison == result.comparison
    assert [c.facts() for c in loaded.candidates] == [c.facts() for c in result.candidates]
    assert loaded._repr_html_() == result._repr_html_()
    with pytest.raises(UsageError, match="no run in"):
        steer.load(tmp_path)
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "rows.jsonl").touch()
    with pytest.raises(UsageError, match="is a batch, and no run; the folders of its runs are in"):
        steer.load(tmp_path / "batch")
    (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(UsageError, match=r"'steer resume .*' finishes it"):
        steer.load(tmp_path / "run")


def test_a_result_has_a_picture_and_a_table(fake_steerer, tmp_path, monkeypatch):
    result = fake_steerer(renderer=FakeRenderer(fail=[3])).run("a fox", "u1", budget=8, out=tmp_path / "run")
    assert result.image.size == (32, 32)
    table = result.table()
    assert list(table.index) == list(range(len(result.candidates)))
    assert table.liking.max() == max(c.personal for c in result.candidates if c.state is State.SCORED)
    assert table.loc[3].to_dict()["state"] == "FAILED"
    assert (table.loc[3, "picture"], table.loc[3, "reason"]) == ("", "the fake was told to fail")
    assert Path(table.loc[0, "picture"]).is_file()
    none = dataclasses.replace(result, best=None, candidates=[])
    assert list(none.table().columns) == list(table.columns)
    with pytest.raises(UsageError, match="made no picture"):
        none.image  # noqa: B018
    (tmp_path / "run" / result.best.picture).unlink()
    with pytest.raises(StorageError, match="the picture '"):
        result.image  # noqa: B018
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="needs the package 'pandas': pip install pandas"):
        result.table()
