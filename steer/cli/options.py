"""Options and arguments that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from random import SystemRandom
from typing import Annotated

import typer

from steer.cli import completion
from steer.config.search import MOST_PICTURES, MOST_SEED


def _seed(text: str) -> int:
    if text == "random":
        return SystemRandom().randint(0, MOST_SEED)
    if not str(text).isdecimal() or int(text) > MOST_SEED:
        raise typer.BadParameter(f"{text!r} is neither a whole number from 0 to {MOST_SEED} nor 'random'.")
    return int(text)


def _folder(text: str) -> Path:
    if not str(text).strip():
        raise typer.BadParameter("an empty text names no folder.")
    return Path(text)


# Which configuration
Config = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        metavar="NAME|FILE",
        help="A preset ('steer models' lists them), a YAML file, or a text-to-image pipeline's hub name or folder.",
        autocompletion=completion.presets,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change a setting, for example --set search.seeds=2 or --set renderer=painter. Repeatable. "
        "'steer config' lists all settings.",
    ),
]

# Who
User = Annotated[
    list[str] | None,
    typer.Option(
        "--user",
        "-u",
        metavar="NAME",
        help="Who to draw for: one of your users, u1 ... u200 on the miniature, or 'average' for nobody in "
        "particular. Repeat it to draw for several people together. Default: $STEER_USER, else your only user.",
        autocompletion=completion.users,
    ),
]
RowUser = Annotated[
    list[str] | None,
    typer.Option(
        "--user",
        "-u",
        metavar="NAME",
        help="User for rows that do not name one. Repeat it to draw each such row once for each of them; "
        "'ann,bob' draws it for both together. Default: $STEER_USER, else your only user.",
        autocompletion=completion.users,
    ),
]
Voter = Annotated[
    str, typer.Option("--user", "-u", metavar="NAME", help="User who votes; the study must have steered for them.")
]
UserId = Annotated[str, typer.Argument(metavar="USER", help="User id.", autocompletion=completion.users)]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="FILE", help="Database of users. Default: $STEER_USERS, else the platform's data folder."
    ),
]

# How much
Budget = Annotated[
    int | None,
    typer.Option(
        "--budget",
        "-n",
        metavar="N",
        help="Pictures to render per prompt. Default: search.budget of the config.",
        min=1,
        max=MOST_PICTURES,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N|random",
        parser=_seed,
        help="The same seed draws the same pictures again; 'random' draws new ones.",
    ),
]
Beside = Annotated[int, typer.Option("--beside", metavar="N", help="Runs in progress at once.", min=1, max=256)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the input and estimate the work; keep nothing.")]

# Where the results go
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FOLDER", parser=_folder, help="Output folder. Default: a new one in outputs/."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, nothing else.")]

# What was made
Made = Annotated[
    Path | None,
    typer.Argument(
        metavar="FOLDER",
        help="Folder of a run, batch or study. Default: the newest in outputs/.",
        show_default=False,
        autocompletion=completion.made_folders,
    ),
]

# Data sets
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind", metavar="NAME", help="Format of the data set: pamela, para or lapis. Default: found from its files."
    ),
]

# Pages in the browser
Host = Annotated[
    str,
    typer.Option(
        "--host",
        metavar="HOST",
        help="Address the page listens on; 0.0.0.0 lets other machines open it, with the token in the printed link.",
    ),
]
Port = Annotated[
    int,
    typer.Option("--port", metavar="N", help="Port of the page; 0 picks a free one.", min=0, max=65535),
]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")]
