"""Families by name, by the YAML of a training, by the folder of a reward."""

from __future__ import annotations

import json

import pytest

import reward_models
from reward_models import Family, RewardError
from reward_models.families import FAMILIES, Work, family, family_of
from reward_models.testing import FakeReward


@pytest.fixture
def fake_family():
    """A family of another package, known in this process."""
    asked = []

    def load(folder, device="cpu", **options):
        asked.append((folder, device, options))
        return FakeReward()

    FAMILIES.add("fake", Family("fake", load, options=frozenset({"people"})))
    yield asked
    del FAMILIES.added["fake"]


def folder_of(path, **config):
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_the_built_in_families_can_all_they_say():
    for name in ("pamela", "linear-hidden"):
        found = family(name)
        assert found.name == name
        assert found.train is not None
        assert found.evaluate is not None
    assert family("pamela").ablate is not None
    assert family("linear-hidden").ablate is None
    assert family("pamela").options == {"members", "enrol"}
    with pytest.raises(RewardError, match="Did you mean 'pamela'"):
        family("pamla")


def test_a_training_says_its_family_or_is_pamelas(tmp_path):
    config = tmp_path / "c.yaml"
    for text, name in (("family: linear-hidden", "linear-hidden"), ("data: []", "pamela"), ("", "pamela")):
        config.write_text(text)
        assert family_of(config).name == name
    config.write_text("{")
    with pytest.raises(RewardError, match="does not read as YAML") as error:
        family_of(config)
    assert "\n" not in str(error.value)
    with pytest.raises(RewardError, match="there is no file"):
        family_of(tmp_path / "nowhere.yaml")


def test_a_reward_of_another_package_is_loaded_by_its_folder(fake_family, tmp_path):
    folder = folder_of(tmp_path, family="fake")
    assert reward_models.load(folder, "cuda:1", options={"people": 3}).name == "fake reward"
    assert fake_family == [(folder, "cuda:1", {"people": 3})]
    with pytest.raises(RewardError, match="a reward of the family fake, which has no members"):
        reward_models.load(folder, options={"members": 1})


def test_a_folder_without_a_known_family_is_one_clear_line(tmp_path):
    for config, message in (({}, "family of reward models 'None' not found"), ({"family": "x"}, "'x' not found")):
        with pytest.raises(RewardError, match=message):
            reward_models.load(folder_of(tmp_path, **config))
    for text in ("[1]", "{", ""):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(RewardError, match="does not load") as error:
            reward_models.load(tmp_path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["no/such-reward", "no-such-folder", "../x", "/nowhere"])
def test_a_reward_that_is_nowhere_is_one_clear_line(name):
    with pytest.raises(RewardError) as error:
        reward_models.load(name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_work_without_wishes_reports_to_the_terminal(capsys):
    Work().say("done")
    Work().progress(1, 2)
    assert capsys.readouterr().out == "done\n"
