"""The root command, and errors as one line."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from steer.cli import batch, config, data, models, reward, run, show, study, user
from steer.errors import SteerError

# newer releases of Typer vendor Click, so the base class of input errors is looked up by name
_InputError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Make a text-to-image model draw for ONE person.\n\n"
        '[bold]steer run --user u17 --prompt "a lighthouse by the sea"[/bold]\n\n'
        "proposes rewrites of your prompt, renders them, scores each picture for that user and keeps the best. "
        "Without a GPU it runs on the [italic]miniature[/italic]: small, synthetic models that ship with steer. "
        "Errors are one line; --debug shows the traceback."
    ),
)
app.command("run")(run.run)
app.command("resume")(run.resume)
app.command("batch")(batch.batch)
app.command("show")(show.show)
app.command("models")(models.models)
app.command("config")(config.config)
app.add_typer(data.app, name="data")
app.add_typer(reward.app, name="reward")
app.add_typer(study.app, name="study")
app.add_typer(user.app, name="user")


def _version(value: bool) -> None:
    if value:
        print(f"steer {version('steer-t2i')}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of ``steer`` itself; there is nothing to do before a sub-command."""


def main() -> None:
    """Entry point. Errors are printed as one line, with --debug as a traceback."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    _quieten(debug)
    console = Console(stderr=True, soft_wrap=True)
    try:
        sys.exit(app(arguments, prog_name="steer", standalone_mode=False) or 0)
    except typer.Exit as exit_:
        sys.exit(exit_.exit_code)
    except _InputError as error:
        if message := error.format_message():  # empty if the help was shown
            console.print(f"[bold red]error:[/] {escape(message)}  (steer --help)")
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        console.print("interrupted")
        sys.exit(1)
    except SteerError as error:
        if debug:
            raise
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        line = str(error).splitlines()[0] if str(error) else ""
        console.print(
            f"[bold red]error:[/] {type(error).__name__}: {escape(line)}  (this is a bug; --debug shows the traceback)"
        )
        sys.exit(1)


def _quieten(debug: bool) -> None:
    """Silence warnings and log messages of libraries unless --debug is given."""
    if debug:
        return
    warnings.filterwarnings("ignore")
    for variable in ("TRANSFORMERS_VERBOSITY", "DIFFUSERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        os.environ.setdefault(variable, "error")
    for noisy in ("torch", "torch.utils._pytree", "torchao"):  # torchao lists at import what this machine lacks
        logging.getLogger(noisy).setLevel(logging.ERROR)
