"""The reference of settings: every one is there and described, and what is printed is read again."""

from __future__ import annotations

import json

import pytest
import yaml

from steer.config import load_config, presets
from steer.config.reference import as_yaml, kind_about, section_about, settings_table
from steer.config.sections import KINDS
from tests.steer.command import steer_here

TABLE = list(settings_table())


@pytest.mark.parametrize("setting", TABLE, ids=lambda s: f"{s.kind}-{s.key}")
def test_every_setting_has_one_sentence(setting):
    assert setting.description.endswith(".")
    assert setting.description[0].isupper() or setting.description[0] in "`["
    assert setting.type


def test_the_table_has_every_kind_and_what_is_inside():
    keys = {(s.kind, s.key) for s in TABLE}
    for section, kinds in KINDS.items():
        for kind in kinds.classes:
            assert (kind, f"{section}.kind") in keys
            assert kind_about(section, kind)
    assert {("diffusers", "renderer.draft.steps"), ("", "objective.scorers.NAME.kind"), ("", "search.seeds")} <= keys
    assert section_about("search").endswith(".")


def test_types_and_defaults_are_in_words():
    said = {(s.kind, s.key): (s.type, s.default) for s in TABLE}
    assert said["", "search.seeds"] == ("integer (1 to 64)", "4")
    assert said["", "search.time_limit_s"] == ("number (above 0) or null", "null")
    assert said["", "search.strength"] == ("light | gentle | free | surprise", "free")
    assert said["diffusers", "renderer.workers"] == ("auto or integer (1 to 64)", "auto")
    assert said["diffusers", "renderer.preview.step"] == ("integer (2 to 199)", "")


@pytest.mark.parametrize("name", presets())
def test_what_is_printed_is_read_as_the_same_config(name, tmp_path):
    changes = ["renderer.aspect=3:2", "name=no: [text]", "objective.fidelity_weight=1e-3"]
    config = load_config(name, changes)
    (tmp_path / "mine.yaml").write_text(as_yaml(config))
    assert load_config(tmp_path / "mine.yaml") == config
    assert yaml.safe_load(as_yaml(config))["renderer"]["aspect"] == "3:2"  # for tools that read by YAML 1.1 too


def test_the_command_prints_what_will_hold(tmp_path):
    done = steer_here("config", "--set", "search.seeds=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\n  # Stop after this many seconds.\n  time_limit_s: null\n" in done.stdout
    assert "\n  seeds: 2\n" in done.stdout
    assert json.loads(steer_here("config", "--json", cwd=tmp_path).stdout)["search"]["seeds"] == 4
