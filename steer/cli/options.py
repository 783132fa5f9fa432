"""Options and arguments that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# Which configuration
Config = Annotated[str, typer.Option("--config", "-c", help="A preset ('steer models' lists them) or a YAML file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", help="Change a setting, for example --set search.seeds=2 or --set renderer=painter. Repeatable."
    ),
]

# Who
User = Annotated[
    list[str],
    typer.Option(
        "--user",
        "-u",
        help="User to steer for: one of yours, u1 ... u200 on the miniature, or 'average' for nobody in particular. "
        "Repeat it to steer for several users together.",
    ),
]
RowUser = Annotated[str | None, typer.Option("--user", "-u", help="User for rows that do not name one.")]
Voter = Annotated[str, typer.Option("--user", "-u", help="User who votes; the study must have steered for them.")]
UserId = Annotated[str, typer.Argument(metavar="USER", help="User id.")]
Store = Annotated[
    Path | None,
    typer.Option("--store", help="Database of users (default: $STEER_USERS, else the platform's data folder)."),
]

# How much
Budget = Annotated[
    int | None, typer.Option("--budget", "-n", help="Pictures to render per prompt (default: from the config, 48).")
]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same run, picture for picture.")]
Beside = Annotated[int, typer.Option("--beside", help="Runs in progress at the same time.", min=1, max=256)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the input and estimate the work; keep nothing.")]

# Where the results go
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Output folder (default: a folder under outputs/).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, nothing else.")]

# Data sets
Kind = Annotated[
    str | None,
    typer.Option("--kind", help="Format of a data set: pamela, para or lapis (default: detected from its files)."),
]

# Pages in the browser
Host = Annotated[
    str,
    typer.Option(
        "--host",
        help="Address the page listens on; 0.0.0.0 lets other machines open it, with the token in the printed link.",
    ),
]
Port = Annotated[int, typer.Option("--port", help="Port of the page; 0 picks a free one.", min=0, max=65535)]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")]
