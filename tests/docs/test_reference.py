"""The generated pages are those that the code gives today."""

from __future__ import annotations

import pytest

from scripts.docs import ROOT, references

PAGES = references()


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_the_committed_page_is_the_generated_one(path):
    assert path.read_text() == PAGES[path], f"{path.relative_to(ROOT)} is out of date; run 'make docs'"


def test_every_command_has_its_heading():
    text = PAGES[ROOT / "docs/reference/commands.md"]
    for name in ("steer run", "steer user rate", "steer study votes"):
        assert f"# {name}\n" in text
    assert "`--budget`, `-n`" in text
