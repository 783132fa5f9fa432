"""What ``steer user`` does with pictures: folders of liked ones, and pictures to rate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reward_models.plural import counted
from steer.cli.console import console
from steer.cli.teaching import Teaching

if TYPE_CHECKING:
    from steer.users.interview import Interview

Liked = Annotated[
    Path | None,
    typer.Option("--liked", metavar="FOLDER", help="A folder of pictures you like, of any kind; five are a start."),
]
Disliked = Annotated[
    Path | None, typer.Option("--disliked", metavar="FOLDER", help="A folder of pictures you dislike.")
]
Keep = Annotated[
    bool | None,
    typer.Option(
        "--keep-pictures/--no-keep-pictures",
        help="Keep small copies of the pictures you rate, so that other rewards can look at them. Remembered; off at "
        "first. --no-keep-pictures deletes the copies.",
    ),
]


def add_folders(teaching: Teaching, name: str, liked: Path | None, disliked: Path | None, keep: bool | None) -> None:
    """Add folders of pictures to what a user told."""
    from steer.users.liked import rate_folders, read_folders

    folders = read_folders(liked, disliked)
    if keep is not None and name in teaching.store.ids():
        teaching.store.set_keep_pictures(name, keep)
    keeps = teaching.store.user(name).keep_pictures
    new = rate_folders(teaching.store, None if keeps else teaching.teacher(name), name, folders)
    told = len(folders.pictures) - new
    known = f"; {counted(told, 'picture was', 'pictures were')} rated alike before" if told else ""
    console.print(f"added {folders.said} to {name}{known}", markup=False)


def interview_of(teaching: Teaching, name: str, pictures: Path | None, render: int | None) -> Interview:
    """An interview about a folder of pictures, about ``render`` new ones, or about those that ship."""
    from steer.cli.progress import loading
    from steer.lexicon import Lexicon
    from steer.users.interview import Interview
    from steer.users.pictures import MOST, drawn_for, pictures_in, shipped_pictures

    with loading(quiet=False, large=False):
        if render is not None:
            teaching.teacher(name)  # a reward that learns nobody says so before anything is rendered
            questions = drawn_for(teaching.parts.renderer, Lexicon.load(teaching.config.proposer.lexicon), render)
        else:
            questions = pictures_in(pictures, MOST) if pictures else shipped_pictures()
        return Interview(teaching.store, teaching.reward, name, questions)
