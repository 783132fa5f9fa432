"""Do the commands of a page exist, with these options? Nothing is run."""

from __future__ import annotations

import re
from typing import Any

import typer

from steer.cli.app import app
from tests.docs.pages import ROOT

ROOT_COMMAND: Any = typer.main.get_command(app)
TREES = ("benchmarks/", "configs/", "docs/", "prompts/", "reward_models/", "scripts/", "steer/", "tests/")


def parse(words: list[str]) -> None:
    """Parse a whole command line as Typer does. Raises its error for a command, option or value that does not exist."""
    words = [w for w in words if w != "--debug"]
    command, context = ROOT_COMMAND, ROOT_COMMAND.make_context("steer", words[1:])
    while rest := [*getattr(context, "_protected_args", []), *context.args]:
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        if not hasattr(command, "commands"):
            return


def check_mention(words: list[str]) -> None:
    """A command mentioned in a sentence may be incomplete; what is there must exist. Raises ValueError."""
    command = ROOT_COMMAND
    for word in words[1:]:
        if not word.startswith("-") and word in getattr(command, "commands", {}):
            command = command.commands[word]
        elif command is ROOT_COMMAND and word.islower():
            raise ValueError(f"there is no command 'steer {word}'")
        elif word.startswith("-") and word.partition("=")[0] not in options_of(command) | {"--help", "--version"}:
            raise ValueError(f"'{' '.join(words)}': no option {word}")


def options_of(command: Any) -> set[str]:
    """All spellings of a command's options."""
    spelled = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    return spelled | {"--debug"} if command is ROOT_COMMAND else spelled


def every_option(command: Any = ROOT_COMMAND) -> set[str]:
    """The options of all commands."""
    below = (every_option(c) for c in getattr(command, "commands", {}).values())
    return options_of(command).union(*below) | {"--help"}


def missing_paths(words: list[str]) -> list[str]:
    """The words that look like files of the repository and are none."""
    plain = [w for w in words if w.startswith(TREES) and not re.search(r"[A-Z<>{}]{2}|\*", w)]
    return [w for w in plain if not (ROOT / w.split(":")[0].rstrip(".,")).exists()]
