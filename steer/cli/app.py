"""The root command, and errors as one line."""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.markup import escape

from reward_models.doors import shown
from reward_models.printable import printable
from steer.cli import (
    again,
    batch,
    commenting,
    config,
    critique,
    data,
    doctor,
    listing,
    looking,
    models,
    reward,
    run,
    serve,
    show,
    study,
    ui,
    user,
)
from steer.cli.console import Console, Handler, print_line
from steer.errors import SteerError, UsageError

# Typer vendors Click, so Click's base classes of input errors are looked up by name
_InputError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
_CommandError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "UsageError")

LONGEST = 4000  # characters of an error
# faults of the system that come of a name as it was typed
TYPED = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Make a text-to-image model draw for ONE person.\n\n"
        '[bold]steer run "a lighthouse by the sea" --user u17[/bold]\n\n'
        "tries rewrites of your prompt, renders them, predicts how much that user likes each picture and keeps the "
        "best. Without a GPU it runs on the [italic]miniature[/italic]: small, synthetic models that ship with steer."
    ),
)
app.command("run")(run.run)
app.command("resume")(run.resume)
app.command("batch")(batch.batch)
app.command("ui")(ui.ui)
app.command("serve")(serve.serve)
app.command("mcp")(serve.mcp)
app.command("token")(serve.token)
app.command("show")(show.show)
app.command("list")(listing.list_)
app.command("open")(looking.open_)
app.command("compare")(looking.compare)
app.command("again")(again.again)
app.command("critique")(critique.critique)
app.command("models")(models.models)
app.command("doctor")(doctor.doctor)
app.command("config")(config.config)
app.add_typer(data.app, name="data")
reward.app.command("comments")(commenting.comments)
reward.app.command("ava")(commenting.ava)
app.add_typer(reward.app, name="reward")
app.add_typer(study.app, name="study")
app.add_typer(user.app, name="user")


def _version(value: bool) -> None:
    if value:
        print_line(f"steer {version('steer-t2i')}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[  # main() takes it out of the arguments, wherever it stands
        bool,
        typer.Option("--debug", help="Show tracebacks and the warnings of libraries. Works with every command."),
    ] = False,
) -> None:
    """Options of ``steer`` itself; there is nothing to do before a sub-command."""


def main() -> None:
    """Entry point. An error is one line and, with --debug, its traceback; 2 for wrong input, 1 for a failure."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    _quieten(debug)
    try:
        _check_text(arguments)
        code = app(arguments, prog_name="steer", standalone_mode=False) or 0
    except typer.Exit as exit_:
        code = exit_.exit_code
    except _CommandError as error:
        command = error.ctx.command_path if error.ctx else "steer"
        message = error.format_message().replace("Value error, ", "")
        code = _report(f"{message}  ({command} --help)", 2) if message else 0  # without a message the help was shown
    except _InputError as error:
        code = _report(error.format_message(), 2)
    except (typer.Abort, KeyboardInterrupt):
        Console(stderr=True).print("interrupted")
        code = 1
    except SteerError as error:
        code = _report(str(error), error.exit_code, debug)
    except BrokenPipeError:  # whoever read the output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:  # of a file or the network: no bug, whatever the place
        code = _report(_of_system(error), 2 if error.errno in TYPED else 1, debug)
    except Exception as error:
        line = str(error).splitlines()[0] if str(error) else ""
        hint = "" if debug else "  (this is a bug; --debug shows the traceback)"
        code = _report(f"{type(error).__name__}: {line}{hint}", 1, debug)
    sys.exit(code)


def _check_text(arguments: Sequence[str]) -> None:
    """Raise UsageError for an argument that is no text: bytes that are not UTF-8, which nothing could write down."""
    for argument in arguments:
        if any(0xD800 <= ord(c) < 0xE000 for c in argument):
            raise UsageError(f"the argument {shown(argument)} is not UTF-8 text")


def _of_system(error: OSError) -> str:
    """What the system said, and of which file."""
    named = f"'{os.fsdecode(error.filename)}': " if isinstance(error.filename, (str, bytes)) else ""
    return f"{named}{error.strerror or error}"


def _report(message: str, code: int, debug: bool = False) -> int:
    """Print an error, with its traceback where one is wanted; the exit code."""
    if debug:
        sys.stderr.write(printable(traceback.format_exc()))
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]}..."
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"[bold red]error:[/] {escape(message)}")
    return code


def _quieten(debug: bool) -> None:
    """Silence warnings and log messages of libraries unless --debug is given; those that stay are printable."""
    logging.lastResort = Handler(logging.WARNING)
    if debug:
        return
    warnings.filterwarnings("ignore")
    for variable in ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        os.environ.setdefault(variable, "error")
    for noisy in ("torch", "torch.utils._pytree", "torchao"):  # torchao lists at import what this machine lacks
        logging.getLogger(noisy).setLevel(logging.ERROR)
