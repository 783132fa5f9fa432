"""Every code block of README.md and docs/ works: it is run, or, where it needs what a test has not, parsed.

In the quick test the preset of the miniature is made smaller; `pytest -m slow tests/docs` runs everything as it is.
"""

from __future__ import annotations

import contextlib
import io
import re
import tomllib

import pytest
import yaml

from steer.config import load_config
from steer.config.reference import settings_table
from tests.docs.commands import check_mention, every_option, missing_paths, parse
from tests.docs.pages import GENERATED, NEEDS, PAGES, ROOT, Block, blocks, inline_code, links
from tests.steer.command import steer_here

WRITTEN = [p for p in PAGES if p not in GENERATED]
SPOKEN = [p for p in WRITTEN if p != "CHANGELOG.md"]  # which speaks of what is gone
SETTING = re.compile(r"((?:renderer|reward|proposer|search|objective)\.[a-z_.]+)(=\S+)?$")
CALLS = {"search.tell"}  # of Python, and no setting
WIDTH = 84  # characters that the site shows without scrolling


def runs(block: Block, slow: bool) -> bool:
    if block.language not in ("sh", "python") and not block.title:
        return False
    return block.needs is None or (slow and block.needs == "slow")


@pytest.mark.parametrize("page", [p for p in WRITTEN if any(runs(b, slow=False) for b in blocks(p))])
@pytest.mark.usefixtures("quick")
def test_the_blocks_of_a_page_run_in_order(page, clone):
    run_page(page, clone)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in WRITTEN if any(runs(b, slow=True) for b in blocks(p))])
def test_the_blocks_run_exactly_as_printed_the_slow_ones_too(page, clone):
    run_page(page, clone, slow=True)


def run_page(page: str, folder, slow: bool = False) -> None:
    names: dict = {"__name__": "__main__"}
    for block in blocks(page):
        if block.title:
            (folder / block.title).write_text(block.text)
        if not runs(block, slow):
            continue
        if block.language == "sh":
            for words in block.commands():
                run_command(words, block, folder)
        elif block.language == "python":
            code = compile("\n" * block.line + block.text, ROOT / page, "exec")
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, names)
        elif block.language == "yaml" and block.title and "base:" in block.text:
            load_config(str(folder / block.title))


def run_command(words: list[str], block: Block, folder) -> None:
    assert words[0] == "steer", f"{block.where}: only steer runs here; mark the block: {words}"
    done = steer_here(*words[1:], cwd=folder, stdin="y\n")
    assert done.returncode == 0, f"{block.where}: {' '.join(words)}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", [p for p in WRITTEN if blocks(p)])
def test_commands_that_are_not_run_parse(page):
    for block in blocks(page):
        if block.language != "sh" or block.needs is None:
            continue
        for words in block.commands():
            where = f"{block.where}: {' '.join(words)}"
            if words[0] == "steer":
                parse(words)
            elif words[0] == "make":
                assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(), where
            elif words[0] == "pip":
                check_extras(" ".join(words), where)
            assert not missing_paths(words), where


def check_extras(line: str, where: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extras in re.findall(r"\[(.+?)\]", line):
        assert set(extras.split(",")) <= project["optional-dependencies"].keys(), where


@pytest.mark.parametrize("page", SPOKEN)
def test_what_a_sentence_mentions_exists(page):
    options, settings = every_option(), {s.key for s in settings_table()}
    for code in inline_code(page):
        words = code.split()
        if not words:
            continue
        if words[0] == "steer" and len(words) > 1:
            check_mention(words)
        elif words[0].startswith("--") and page != "CONTRIBUTING.md":
            assert words[0].partition("=")[0] in options, f"{page}: {code}"
        elif key := SETTING.match(code):
            assert key[1] in settings | CALLS, f"{page}: {code}"
        assert not missing_paths(words), f"{page}: {code}"


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_within_the_repository_exist(page):
    for target in links(page):
        assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", WRITTEN)
def test_blocks_say_what_they_are(page):
    for block in blocks(page):
        assert block.language in {"sh", "python", "yaml", "csv", "text", "json"}, block.where
        wide = [line for line in block.text.splitlines() if len(line) > WIDTH]
        assert not wide, f"{block.where}: {wide[0]}"
        if block.language == "yaml":
            yaml.safe_load(block.text)
        if block.language == "python":
            compile(block.text, block.where, "exec")


def test_the_site_lists_every_page():
    listed = (ROOT / "mkdocs.yml").read_text()
    assert [p for p in PAGES if f": {p}\n" not in listed] == []


def test_the_reasons_not_to_run_a_block_are_few():
    """Most blocks run: a marker is the exception."""
    all_blocks = [b for p in WRITTEN for b in blocks(p) if b.language in ("sh", "python")]
    assert {b.needs for b in all_blocks} <= {*NEEDS, None}
    assert sum(b.needs is None for b in all_blocks) > len(all_blocks) / 2
