"""Parts by name: built in, added, of other packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from reward_models import registry
from reward_models.registry import Registry, UnknownName


@pytest.fixture
def parts(monkeypatch):
    """Two built-in parts, and one of another package."""
    there = [EntryPoint("far", "json:loads", "tests.group")]
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in there if p.group == group])
    return Registry("part", "tests.group", {"path": "pathlib:Path", "missing": "no_such_module:thing"})


def test_a_part_is_found_wherever_it_comes_from(parts):
    import json
    import pathlib

    parts.add("own", 3)
    assert parts.load("path") is pathlib.Path
    assert parts.load("own") == 3
    assert parts.load("far") is json.loads
    assert parts.names() == ["path", "missing", "own", "far"]


def test_a_built_in_part_is_imported_only_when_it_is_asked_for(parts):
    with pytest.raises(ModuleNotFoundError):
        parts.load("missing")


def test_an_added_part_stands_in_place_of_another_of_its_name(parts):
    parts.add("path", "mine")
    assert parts.load("path") == "mine"
    assert parts.names().count("path") == 1


def test_an_unknown_name_is_one_line_with_a_close_one_or_all(parts):
    with pytest.raises(UnknownName, match=r"part 'pth' not found \(3 known\). Did you mean 'path'"):
        parts.load("pth")
    with pytest.raises(UnknownName, match="Known: path, missing, far"):
        parts.load("zzz")
