"""Options that several commands share say the same everywhere."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
import typer.main

import steer.cli
from steer.cli.app import app
from steer.cli.bars import feature_bar, task_bars
from steer.cli.extras import extra, need_extra
from steer.errors import UsageError
from tests.steer.command import steer_here

# (option, command or group): the option means another thing there than in other commands
MEANS_ANOTHER_THING = {
    ("--config", "reward"): "the YAML of a training",
    ("--prompt", "critique"): "what a picture was drawn for, not the argument again",
    ("--config", "study"): "a study",
    ("--beside", "reward eval"): "another reward",
    ("--out", "reward comments"): "a folder without a default in the model's",
    ("--most", "reward comments"): "pictures",
    ("--pictures", "reward comments"): "good ones",
    ("--most", "reward ava"): "pictures",
    ("--user", "batch"): "the user of rows without one",
    ("--user", "critique"): "who a picture is for, not who to draw for",
    ("--user", "study page"): "who votes",
    ("--out", "reward"): "the report's folder",
    ("--out", "user export"): "the exported file",
    ("--out", "compare"): "the page or picture to write",
    ("--size", "data describe"): "what a model sees",
    ("--out", "again"): "the folder of pictures",
    ("--pictures", "data check"): "whether to open them",
    ("--pictures", "data miniature"): "how many",
    ("--pictures", "user rate"): "a folder of them",
    ("--pairs", "user rate"): "of pictures",
    ("--user", "mcp"): "the only people it serves",
    ("--user", "token"): "who it is good for",
    ("--port", "serve"): "of the server, not of a page",
    ("--host", "serve"): "of the server, not of a page",
    ("--tokens", "token"): "the file it is added to",
    ("--out", "serve"): "the folder of all runs",
    ("--out", "mcp"): "the folder of all runs",
    ("--out", "ui"): "the folder of all runs",
    ("--most", "reward eval"): "ratings of a person",
    ("--as", "user import"): "a new id, not a group to steer for",
    ("--about", "user share"): "whether what is known of them goes with the ratings",
    ("--yes", "user share"): "somebody else's consent",
}


def _commands(command=None, path=()):
    command = command or typer.main.get_command(app)
    yield " ".join(path), command
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*path, name))


COMMANDS = dict(_commands())


def _meaning(option: str, path: str) -> str:
    """What the option is about in this command; empty for the usual thing."""
    for (name, where), meaning in MEANS_ANOTHER_THING.items():
        if name == option and (path == where or path.startswith(f"{where} ")):
            return meaning
    return ""


def _options():
    for path, command in COMMANDS.items():
        for parameter in command.params:
            if parameter.param_type_name == "option":
                yield path, parameter


def test_all_commands_are_walked():
    assert {"run", "resume", "batch", "show", "models", "study", "study page", "user rate", "data check"} <= set(
        COMMANDS
    )


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_a_help(path):
    done = steer_here(*path.split(), "--help", env={"COLUMNS": "120"})
    assert done.returncode == 0, done.stderr
    assert f"Usage: steer {path}".strip() in done.stdout
    if path:
        first = COMMANDS[path].help.splitlines()[0]
        assert first[:40] in " ".join(done.stdout.split())


def test_an_option_says_the_same_in_every_command():
    texts = defaultdict(lambda: defaultdict(list))
    for path, parameter in _options():
        name = max(parameter.opts, key=len)
        texts[name, _meaning(name, path)][parameter.help, tuple(parameter.opts)].append(path)
    different = {key: dict(said) for key, said in texts.items() if len(said) > 1}
    assert not different


def test_every_exception_is_one():
    """An entry of MEANS_ANOTHER_THING that has gone from the commands goes from the list."""
    there = {(name, path) for path, parameter in _options() for name in parameter.opts}
    for name, where in MEANS_ANOTHER_THING:
        assert any(n == name and (p == where or p.startswith(f"{where} ")) for n, p in there), (name, where)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_and_argument_has_a_help(path):
    assert all(parameter.help for parameter in COMMANDS[path].params)


def test_the_progress_bar_is_declared_in_one_file():
    for file in Path(steer.cli.__file__).parent.glob("*.py"):
        if file.name != "bars.py":
            assert "rich.progress" not in file.read_text(), file.name


def test_a_missing_extra_is_one_line():
    with (
        pytest.raises(UsageError, match=r"the package 'ray'; .* pip install 'steer-t2i\[cluster\]'"),
        extra("cluster", "ray"),
    ):
        raise ModuleNotFoundError("No module named 'ray.util'", name="ray.util")
    with pytest.raises(UsageError, match="the package 'no_such_package'"):
        need_extra("page", "no_such_package")
    need_extra("page", "json")


def test_another_missing_module_is_a_bug():
    with pytest.raises(ModuleNotFoundError), extra("cluster", "ray"):
        raise ModuleNotFoundError("No module named 'other'", name="other")


def test_bars_take_what_is_done(capsys):
    with task_bars() as tell:
        tell("steering", 0, 3)
        tell("steering", 3, 3)
        tell("judged", 1, 2)
    shown = capsys.readouterr().out
    assert "3/3" in shown
    assert "1/2" in shown
    with task_bars(quiet=True) as tell:
        tell("steering", 1, 3)
    with feature_bar() as tell_count:
        tell_count(1, 2)
    assert "3/3" not in capsys.readouterr().out
