"""The chain of all training steps: its order, its log, and that it goes on where it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from steer.errors import StorageError
from trainers import chain
from trainers.__main__ import app
from trainers.chain import ChainError, Entry, Log, Plan, Step
from trainers.rewards import moved

QUICK = "tests.trainers.quick_step"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def diary(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)  # steps are processes that import from here
    monkeypatch.setattr(chain, "BEAT_S", 0.05)
    return tmp_path / "diary"


def quick(diary, name, seconds=0.0, code=0):
    return Step(name, (str(diary), name, str(seconds), str(code)), makes=(name,), module=QUICK)


def done_in(diary):
    return diary.read_text().split() if diary.exists() else []


@pytest.mark.parametrize("look", [1, 2])
@pytest.mark.parametrize("warm", [True, False])
def test_every_step_is_a_command_that_there_is(tmp_path, look, warm):
    commands = typer.main.get_command(app).commands
    steps = Plan(tmp_path, 2, look, warm).steps()
    for step in steps:
        name, *arguments = step.arguments
        context = commands[name].make_context(name, arguments)  # raises for an option that there is not
        if "world" in context.params:
            assert context.params["world"] == 2
        if "look" in context.params:
            assert context.params["look"] == look
    names = [s.name for s in steps]
    assert len(set(names)) == len(names)
    order = [
        "paint",
        "generator",
        "decoded",
        "eye",
        "siglip",
        "sample",
        "ship",
        "people",
        "held-out",
        "vlm",
        "questions",
    ]
    assert [n for n in names if n in order] == order
    assert ("finer" in names) == (look == 2)
    assert ("text" in names) == (not warm)


def test_steps_run_in_order_once_and_their_time_is_kept(diary, tmp_path):
    steps = [quick(diary, "a"), quick(diary, "b", 0.3)]
    chain.run(steps, tmp_path / "work")
    chain.run(steps, tmp_path / "work")
    assert done_in(diary) == ["a", "b"]
    entries = json.loads((tmp_path / "work" / "chain.json").read_text())
    assert entries["b"]["minutes"] >= 0.3 / 60 - 1e-3
    assert entries["b"]["ended"] >= entries["a"]["ended"] > ""


def test_what_comes_after_a_step_that_is_done_again_is_done_again_without_what_it_made(diary, tmp_path):
    steps = [quick(diary, name) for name in "abc"]
    for name in "abc":
        (tmp_path / name).mkdir()  # made before there was a chain, so it stays
    chain.run(steps, tmp_path)
    assert all((tmp_path / name).exists() for name in "abc")
    chain.run([steps[0], quick(diary, "b", 0.01), steps[2]], tmp_path)  # other arguments
    assert done_in(diary) == [*"abc", *"bc"]
    assert [name for name in "abc" if (tmp_path / name).exists()] == ["a"]
    steps[1] = quick(diary, "b", 0.01)
    chain.run(steps, tmp_path, start="c")
    chain.run(steps, tmp_path, only=["a"])
    assert done_in(diary) == [*"abc", *"bc", "c", "a"]
    assert not (tmp_path / "a").exists()
    with pytest.raises(ChainError, match=r"was begun with '.* a 0.0 0', not with '.* a 0.01 0'; give another --work"):
        chain.run([quick(diary, "a", 0.01), *steps[1:]], tmp_path)


def test_a_failed_step_ends_the_chain_and_the_next_call_begins_with_it(diary, tmp_path):
    good = [quick(diary, name) for name in "abc"]
    with pytest.raises(ChainError, match="the step 'b' ended with code 3; the same command goes on there"):
        chain.run([good[0], quick(diary, "b", code=3), good[2]], tmp_path)
    chain.run(good, tmp_path)
    assert done_in(diary) == ["a", "b", "b", "c"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_chain_goes_on_in_the_step_that_was_cut_off(diary, tmp_path, how):
    steps = [quick(diary, "a"), quick(diary, "b", 1.0), quick(diary, "c")]
    code = f"""
from pathlib import Path
from trainers import chain
chain.BEAT_S = 0.05
steps = {[(s.name, s.arguments, None, s.makes, QUICK) for s in steps]!r}
chain.run([chain.Step(*step) for step in steps], Path({str(tmp_path / "work")!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    wait_until = time.monotonic() + 60
    while done_in(diary) != ["a", "b"] or Log(tmp_path / "work").entries["b"].minutes == 0:
        assert time.monotonic() < wait_until
        time.sleep(0.05)
    process.send_signal(how)
    process.wait()
    before = Log(tmp_path / "work").entries
    assert (bool(before["a"].ended), before["b"].ended) == (True, "")
    chain.run(steps, tmp_path / "work")
    assert done_in(diary) == ["a", "b", "b", "c"]
    assert Log(tmp_path / "work").entries["b"].minutes > before["b"].minutes > 0  # both starts are counted


def test_two_chains_do_not_work_in_one_folder(diary, tmp_path):
    held = chain.lock(tmp_path, "chain")
    try:
        with pytest.raises(StorageError, match="another process works on the chain"):
            chain.run([quick(diary, "a")], tmp_path)
    finally:
        held.release()
    assert done_in(diary) == []


def test_a_dry_run_lists_what_is_done_and_what_is_left(tmp_path):
    command = ["all", "--dry-run", "--work", str(tmp_path)]
    first = Plan(tmp_path, 1, 1).steps()[0]
    log = Log(tmp_path)
    log.entries["paint"] = Entry(list(first.arguments), 6.25, "2026-11-26 12:00:00")
    log.save()
    shown = CliRunner().invoke(app, command).stdout.splitlines()
    assert shown[0].split()[:3] == ["paint", "done", "6.2"]
    assert any(line.split()[:4] == ["siglip", "to", "do", "40"] for line in shown)
    assert shown[-1].startswith("left: about ")
    some = CliRunner().invoke(app, [*command, "--only", "eye", "--only", "judge"]).stdout.splitlines()
    assert [line.split()[0] for line in some[:-1]] == ["eye", "judge"]
    late = CliRunner().invoke(app, [*command, "--from", "vlm"]).stdout.splitlines()
    assert [line.split()[0] for line in late[:-1]] == ["vlm", "linear-hidden", "ship-judges", "questions"]
    wrong = CliRunner().invoke(app, [*command, "--only", "eyes"])
    assert wrong.exit_code == 1
    assert "there is no step 'eyes'; the steps are paint," in wrong.output


def test_a_recipe_moves_with_its_work_folder(tmp_path):
    recipe = (ROOT / "configs" / "train" / "linear-hidden.yaml").read_text(encoding="utf-8")
    values = moved(recipe, tmp_path)
    assert values["data"][0]["source"] == f"{tmp_path}/pamela"
    assert values["out"] == f"{tmp_path}/linear-hidden"
    assert values["attributes"] == f"{tmp_path}/pamela/attributes.csv"
    assert values["fidelity"] == "steer/miniature/weights/siglip"
