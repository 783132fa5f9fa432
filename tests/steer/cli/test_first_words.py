"""What somebody types first: a prompt alone, no user, a slip of the finger, --debug, completion."""

from __future__ import annotations

import json

import pytest

from tests.steer.cli.test_run import steer as steer_apart
from tests.steer.command import steer_here

QUICK = ("-n", 2, "-s", "renderer=painter", "-s", "search.screen=1")


@pytest.fixture
def steer(tmp_path):
    def run(*arguments, **env):
        return steer_here(*arguments, cwd=tmp_path, env={"STEER_USERS": str(tmp_path / "users.db"), **env})

    return run


def manifests(folder):
    return [json.loads(p.read_text())["request"] for p in sorted((folder / "outputs").glob("*/manifest.json"))]


def test_a_prompt_needs_no_option(steer, tmp_path):
    assert steer("run", "a fox", "-u", "u17", *QUICK).returncode == 0
    assert [m["prompt"] for m in manifests(tmp_path)] == ["a fox"]
    both = steer("run", "a fox", "--prompt", "a cat", "-u", "u17")
    assert both.returncode == 2
    assert both.stderr == "error: there are two prompts, 'a fox' and --prompt 'a cat'; give one\n"


def test_the_user_is_the_variables_or_the_only_one(steer, tmp_path):
    none = steer("run", "a fox")
    assert none.returncode == 2
    assert none.stderr.startswith("error: who is it for? Add --user u17")
    assert "'steer user rate me'" in none.stderr
    steer("user", "add", "me")
    assert "drawing for me (your only user)" in steer("run", "a fox", *QUICK).stdout
    named = steer("run", "a fox", *QUICK, STEER_USER="u3 u4")
    assert "drawing for u3, u4 ($STEER_USER)" in named.stdout
    steer("user", "add", "you")
    two = steer("run", "a fox")
    assert two.returncode == 2
    assert "your users: me, you" in two.stderr
    assert {m["user"] for m in manifests(tmp_path)} == {"me", "u3,u4"}


def test_a_random_seed_is_another_one_each_time(steer, tmp_path):
    for _ in range(2):
        assert steer("run", "a fox", "-u", "u17", "--seed", "random", *QUICK).returncode == 0
    first, second = (m["seed"] for m in manifests(tmp_path))
    assert first != second
    for wrong in ("-1", "soon", "1.5"):
        done = steer("run", "a fox", "-u", "u17", f"--seed={wrong}")
        assert done.returncode == 2
        assert "--seed" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("user",), ("data",), ("reward",)])
def test_a_command_group_alone_shows_its_help(arguments):
    done = steer_here(*arguments)
    assert done.returncode == 0
    assert "Usage: steer" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "a fox", "--strngth", "light"), "(steer run --help)"),
        (("run", "a fox", "--strength", "lite"), "'--strength': 'lite' is not one of 'light', 'gentle', 'free'"),
        (("run", "a fox", "--together", "max"), "'--together': 'max' is not one of 'mean', 'worst'"),
        (("user", "rate"), "(steer user rate --help)"),
        (("usr",), "(steer --help)"),
        (("run", "a fox", "-u", "u1", "-s", "search.sceen=3"), "--set search.sceen=3: unknown setting"),
        (("run", "a fox", "-u", "u1", "-s", "search.seeds=many"), "--set search.seeds=many: 'many' is not a whole"),
    ],
)
def test_an_error_names_what_was_typed_and_the_help_of_its_command(arguments, said):
    done = steer_here(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert ".yaml" not in done.stderr


@pytest.mark.parametrize("arguments", [("show", "nowhere"), ("run", "a fox", "-u", "u1", "-s", "search.seeds=0")])
def test_debug_adds_the_traceback_and_keeps_the_exit_code(arguments):
    plain, debug = steer_here(*arguments), steer_here(*arguments, "--debug")
    assert plain.returncode == debug.returncode == 2
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)


def test_debug_is_in_the_help():
    assert "--debug" in steer_here("--help").stdout


def test_the_shell_completes_commands():
    done = steer_here(env={"_STEER_COMPLETE": "complete_bash", "COMP_WORDS": "steer ru", "COMP_CWORD": "1"})
    assert done.stdout.split() == ["run"]


def test_copied_paths_are_whole_in_a_narrow_terminal(tmp_path, monkeypatch):
    folder = tmp_path / "outputs" / ("20261126-120000-" + "a-long-name-of-a-run" * 3)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"request": {"prompt": "a fox", "user": "me"}}))
    monkeypatch.setenv("COLUMNS", "40")
    done = steer_apart("list", cwd=tmp_path)
    assert f"outputs/{folder.name}\n" in done.stdout, done.stderr
    assert "a fox (unfinished)" in done.stdout
