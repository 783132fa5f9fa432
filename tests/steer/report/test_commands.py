"""The command that runs a run again gives the same configuration."""

from __future__ import annotations

import json

import pytest

from steer.config import load_config, presets
from steer.report.commands import typed_settings

SETTINGS = [
    [],
    ["renderer=painter"],
    ["renderer.aspect=3:2", "search.seeds=2", "search.budget=7"],
    ["proposer=scripted", "proposer.shown=3", "objective.together=worst"],
    ["renderer.call={guidance_scale: 4}", "objective.fidelity_floor=0.5", "search.rewrite=false"],
    ["renderer.negative_prompt=blurry, 'dark'", "reward.members=1"],
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: " ".join(s) or "none")
def test_settings_are_found_again(settings):
    config = load_config("miniature", settings)
    found = typed_settings(json.loads(config.model_dump_json()))
    assert found is not None
    again = load_config("miniature", found)
    budget = [f"search.budget={config.search.budget}"]
    assert load_config("miniature", [*found, *budget]) == config
    assert len(found) <= len(settings)
    assert again.search.budget == 48  # a run has its own


@pytest.mark.parametrize("name", presets())
def test_a_preset_needs_no_settings(name):
    assert typed_settings(json.loads(load_config(name).model_dump_json())) == []


def test_a_configuration_from_a_file_has_no_command():
    config = json.loads(load_config("miniature").model_dump_json())
    assert typed_settings({**config, "name": "mine"}) is None
