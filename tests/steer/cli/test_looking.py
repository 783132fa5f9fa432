"""``steer open``, ``compare`` and ``again``, and what the shell completes."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
from PIL import Image

from steer.cli.completion import made_folders, presets, run_folders, users
from steer.cli.folders import entries
from steer.cli.show import show_in_terminal
from steer.store.provenance import facts_of
from steer.users.store import UserStore
from tests.steer.command import steer_here

PAINTED = ("-n", 8, "-s", "renderer=painter")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs of one user, one of another, one of the miniature, and a batch."""
    folder = tmp_path_factory.mktemp("made")
    for name, arguments in {
        "fox": ("a fox", "-u", "u17", *PAINTED),
        "light": ("a fox", "-u", "u17", "--strength", "light", *PAINTED),
        "castle": ("a <b>castle</b>", "-u", "u3", *PAINTED),
        "small": ("a fox", "-u", "u17", "-n", 4, "-s", "renderer.steps=1"),
    }.items():
        done = steer_here("run", *arguments, "--out", f"outputs/{name}", cwd=folder)
        assert done.returncode == 0, done.stderr
    (folder / "rows.txt").write_text("a fox\n")
    assert steer_here("batch", "rows.txt", "-u", "u1", *PAINTED, cwd=folder).returncode == 0
    return folder


@pytest.fixture
def viewer(tmp_path):
    """A program that opens files: it writes down which. The environment to find it."""
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    lines = ("#!/bin/sh", f'echo "$1" > {tmp_path}/half', f"mv {tmp_path}/half {tmp_path}/opened", "")
    program.write_text("\n".join(lines))
    program.chmod(0o755)
    return tmp_path / "opened", {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


def waited(file):
    for _ in range(500):
        if file.exists():
            return file.read_text().strip()
        time.sleep(0.02)
    raise AssertionError("nothing was opened")


@pytest.mark.skipif(sys.platform != "linux", reason="xdg-open is Linux's")
@pytest.mark.parametrize(
    ("arguments", "page"),
    [
        (("outputs/fox",), "outputs/fox/report.html"),
        (("outputs/batch-rows",), "outputs/batch-rows/index.html"),
        ((), "outputs/batch-rows/index.html"),  # the newest
        (("outputs/fox", "--best"), "outputs/fox/pictures/"),
    ],
)
def test_open_shows_the_page_in_the_viewer(made, viewer, arguments, page):
    opened, environment = viewer
    done = steer_here("open", *arguments, cwd=made, env=environment)
    assert done.returncode == 0, done.stderr
    assert waited(opened).startswith(str(made / page))
    assert done.stdout.startswith(f"opened {page}")


def test_open_says_why_it_cannot(made, tmp_path):
    assert "no program on this machine opens" in steer_here("open", cwd=made, env={"PATH": str(tmp_path)}).stderr
    done = steer_here("open", "outputs/batch-rows", "--best", cwd=made)
    assert (done.returncode, "only a run has one best picture" in done.stderr) == (2, True)
    assert "there is no run, batch or study in" in steer_here("open", tmp_path).stderr


def test_compare_puts_two_runs_side_by_side(made):
    done = steer_here("compare", "outputs/fox", "outputs/light", cwd=made)
    assert done.returncode == 0, done.stderr
    one, two = (json.loads((made / "outputs" / n / "result.json").read_text()) for n in ("fox", "light"))
    for letter, result in (("A", one), ("B", two)):
        assert f"{letter}  a fox, for u17" in done.stdout
        assert f"{result['best']['liking']:.2f}  {result['best']['text']}" in done.stdout
    better = "A" if one["best"]["liking"] > two["best"]["liking"] else "B"
    assert f"u17 should like {better} better" in done.stdout
    page = (made / "outputs/compared/fox--light.html").read_text()
    assert page.count('src="data:image/') == 4
    assert "search.strength" in page
    assert "light" in page
    told = json.loads(steer_here("compare", "outputs/fox", "outputs/light", "--json", cwd=made).stdout)
    assert told["comparable"] is True
    assert told["B"]["liking"] == two["best"]["liking"]


def test_likings_of_two_people_are_not_compared(made):
    told = json.loads(steer_here("compare", "outputs/fox", "outputs/castle", "--json", cwd=made).stdout)
    assert told["comparable"] is False
    assert "different users" in told["verdict"]
    page = Path(made, told["page"]).read_text()
    assert "a &lt;b&gt;castle&lt;/b&gt;" in page
    assert "<b>castle" not in page


def test_compare_writes_a_picture_and_refuses_what_it_cannot_compare(made):
    done = steer_here("compare", "outputs/fox", "outputs/castle", "--out", "both.png", cwd=made)
    assert done.returncode == 0, done.stderr
    with Image.open(made / "both.png") as sheet:
        assert sheet.width > sheet.height
        assert len(sheet.convert("RGB").resize((99, 40)).getcolors(9999)) > 100
    for arguments, why in (
        (("outputs/fox", "outputs/batch-rows"), "'outputs/batch-rows' is a batch; compare two runs"),
        (("outputs/fox", "outputs"), "there is no run, batch or study in 'outputs'"),
        (("outputs/fox", "outputs/light", "--out", "both.gif"), "ends in neither .html nor .png"),
    ):
        done = steer_here("compare", *arguments, cwd=made)
        assert done.returncode == 2
        assert why in done.stderr


def test_again_draws_the_winner_on_more_seeds_and_nothing_twice(made):
    result = json.loads((made / "outputs/fox/result.json").read_text())
    best = next(c for c in result["candidates"] if c["picture"] == result["picture"])
    first = json.loads(steer_here("again", "outputs/fox", "--seeds", 2, "--json", cwd=made).stdout)
    assert [p["seed"] for p in first["pictures"]] == [best["seed"], best["seed"] + 1]
    assert first["pictures"][0]["liking"] == pytest.approx(best["personal"], abs=0.02)  # the same picture
    paths = [made / p["picture"] for p in first["pictures"]]
    facts = [facts_of(path) for path in paths]
    assert {f["text"] for f in facts} == {result["best"]["text"]}
    assert facts[1]["again"]["run"] == "fox"
    assert facts[1]["again"]["picture"] == result["picture"]
    before = [path.stat().st_mtime_ns for path in paths]
    more = steer_here("again", "outputs/fox", "--seeds", 3, cwd=made)
    assert more.returncode == 0, more.stderr
    assert more.stdout.count("(there already)") == 2
    assert [path.stat().st_mtime_ns for path in paths] == before
    paths[0].write_bytes((made / "outputs/light/pictures/0000.png").read_bytes())
    done = steer_here("again", "outputs/fox", "--seeds", 2, cwd=made)
    assert (done.returncode, "is another picture" in done.stderr) == (2, True)


def test_again_draws_it_larger_with_more_steps(made):
    done = steer_here("again", "outputs/small", "--size", "64x32", "--steps", 2, "--out", "large", cwd=made)
    assert done.returncode == 0, done.stderr
    [path] = (made / "large").iterdir()
    assert path.name.startswith("64x32-2-steps-seed-")
    with Image.open(path) as image:
        assert image.size == (64, 32)
        assert "Steps: 2" in image.text["parameters"]
        assert "Size: 64x32" in image.text["parameters"]
    facts = facts_of(path)
    assert (facts["again"]["drawing"]["width"], facts["again"]["drawing"]["steps"]) == (64, 2)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("outputs/fox",), "what should be different? Add --size, --steps or --seeds"),
        (("outputs/fox", "--size", "512"), "'512' is not a width and height such as 512x768"),
        (("outputs/fox", "--size", "512x512"), "the renderer 'painter' of this run has one size"),
        (("outputs/fox", "--steps", "9"), "the renderer 'painter' of this run has no such setting"),
        (("outputs/small", "--size", "100x100"), "must be multiples of 16 pixels"),
        (("outputs/batch-rows", "--seeds", "2"), "is a batch; give the folder of a run"),
        (("nowhere", "--seeds", "2"), "there is no run, batch or study in 'nowhere'"),
    ],
)
def test_again_refuses_in_one_line(made, arguments, why):
    done = steer_here("again", *arguments, cwd=made)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert why in done.stderr


def test_the_shell_completes_users_presets_and_folders(made, monkeypatch, tmp_path):
    monkeypatch.chdir(made)
    monkeypatch.setenv("STEER_USERS", str(tmp_path / "users.db"))
    UserStore().add("ann")
    assert list(users("a")) == ["ann", "average"]
    assert "miniature" in list(presets("mini"))
    assert [Path(p).name for p in run_folders("")] == [e.path.name for e in entries(Path("outputs")) if e.kind == "run"]
    assert run_folders("outputs/f") == ["outputs/fox"]
    assert made_folders("rows") == ["outputs/batch-rows"]
    asked = {"_STEER_COMPLETE": "complete_bash", "COMP_WORDS": "steer show outputs/c", "COMP_CWORD": "2"}
    assert steer_here("show", cwd=made, env=asked).stdout.split() == ["outputs/castle"]
    asked |= {"COMP_WORDS": "steer run --user an", "COMP_CWORD": "3"}
    assert steer_here("run", cwd=made, env=asked).stdout.split() == ["ann"]
    (tmp_path / "users.db").write_bytes(b"no database")
    assert list(users("a")) == []


def test_the_best_picture_is_shown_in_a_terminal_that_can(made, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    picture = made / "outputs/fox" / json.loads((made / "outputs/fox/result.json").read_text())["picture"]
    with mock.patch.dict(os.environ, {"STEER_PICTURES": "kitty"}), mock.patch.object(sys, "stdout", Terminal()) as out:
        show_in_terminal(picture)
        assert out.getvalue().startswith("\x1b_Ga=T,f=100")
        show_in_terminal(made / "gone.png")
    done = steer_here("show", "outputs/fox", cwd=made, env={"STEER_PICTURES": "kitty"})  # no terminal
    assert "\x1b" not in done.stdout
