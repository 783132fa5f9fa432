"""Configuration: presets, files, --set, and the one line a mistake costs."""

from __future__ import annotations

import pytest

from steer.config import load_config, presets
from steer.errors import UsageError


def test_every_preset_loads():
    assert "miniature" in presets()
    for name in presets():
        assert load_config(name).name == name


def test_settings_win_over_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("search: {budget: 10, seeds: 3}\n")
    config = load_config(path, ["search.seeds=2", "renderer=painter", "renderer.call={a: 1}"])
    assert (config.search.budget, config.search.seeds) == (10, 2)
    assert config.renderer.kind == "painter"
    assert config.renderer.call == {"a": 1}


def test_a_kind_by_name_keeps_the_other_settings():
    config = load_config("miniature", ["renderer=painter"])
    assert (config.renderer.kind, config.renderer.steps) == ("painter", load_config("miniature").renderer.steps)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["search.sedes=2"], r"unknown key 'search.sedes' .* Did you mean 'seeds'"),
        (["serach.seeds=2"], r"unknown key 'serach' .* Did you mean 'search'"),
        (["search.seeds=zero"], r"'search.seeds' is 'zero'"),
        (["search.seeds=0"], r"'search.seeds' is 0: .*greater than or equal to 1"),
        (["search.seeds"], r"has no value"),
        (["name.inner=1"], r"'.*name.*'"),
        (["renderer.kind=crayon"], r"'renderer.kind' is 'crayon'"),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(UsageError, match=message) as caught:
        load_config("miniature", settings)
    assert "\n" not in str(caught.value)


def test_unknown_config_names_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'miniature'"):
        load_config("minature")
    with pytest.raises(UsageError, match="does not exist"):
        load_config("nowhere/mine.yaml")


def test_a_file_that_is_not_yaml(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("a: [1,\n")
    with pytest.raises(UsageError, match="is not YAML"):
        load_config(path)
    path.write_text("- a\n- b\n")
    with pytest.raises(UsageError, match="mapping"):
        load_config(path)
