"""``steer data``: check a data set of ratings; write the miniature's, or the store's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from reward_models.plural import counted
from steer.cli.bars import count_bar
from steer.cli.console import print_line
from steer.cli.extras import extra
from steer.cli.options import Kind, Store
from steer.errors import UsageError
from steer.miniature.world import WORLD

app = typer.Typer(no_args_is_help=True)


@app.callback()
def data() -> None:
    """Check data sets of ratings; write the miniature's, or one of what your users rated."""


@app.command()
def check(
    source: Annotated[
        str, typer.Argument(metavar="DATA", help="A folder, a csv of your own ratings, or a data set on the hub.")
    ],
    kind: Kind = None,
    scale: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="Lowest and highest score of a csv; 1 5 unless told otherwise."),
    ] = None,
    pictures: Annotated[
        bool,
        typer.Option(
            "--pictures/--no-pictures",
            help="Open every picture. Without, the picture files need not be there, as with features made elsewhere.",
        ),
    ] = True,
) -> None:
    """Check a data set as training would read it: what it holds, what was left out, and warnings."""
    with extra("train", "pandas"):
        from reward_models.ratings.check import check as check_ratings
        from reward_models.ratings.sets import load_ratings
        from reward_models.ratings.table import DataError
    if "/" not in source and not Path(source).exists():
        raise UsageError(f"there is no folder or file '{source}'")
    try:
        report = check_ratings(load_ratings(source, kind, need_pictures=pictures, scale=scale), pictures)
    except DataError as error:
        raise UsageError(str(error)) from error
    for line in report.lines:
        print_line(line)
    for warning in report.warnings:
        print_line(f"  warning: {warning}")
    if not report.warnings:
        print_line("  no warnings")


@app.command()
def miniature(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write to.")],
    pictures: Annotated[int, typer.Option(metavar="N", help="Number of pictures.", min=40)] = 2600,
    painted_only: Annotated[
        bool, typer.Option("--painted-only", help="Paint all pictures in code, without the model; saves minutes.")
    ] = False,
    world: Annotated[
        int, typer.Option(metavar="N", help="Who rates: 1, people who are easily pleased; 2, people who are not.")
    ] = WORLD,
) -> None:
    """Write the miniature's data set: pictures and the ratings of simulated people, in PAMELA's file format.

    Takes about four minutes on 2 cores. Run the same command again to resume.
    """
    from steer.miniature.dataset import write_dataset
    from steer.renderers import miniature_renderer

    with count_bar("pictures") as tell:
        write_dataset(folder, pictures, None if painted_only else miniature_renderer().render, tell, world)
    print_line(f"wrote {counted(pictures, 'picture')} to {folder}; check it with: steer data check {folder}")


@app.command("from-store")
def from_store(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for the data set.")],
    pictures: Annotated[
        Literal["thumbnails", "hashes"],
        typer.Option(
            help="thumbnails: small copies, where people keep them; ratings of other pictures are left out. hashes: no "
            "pictures, for features that you have."
        ),
    ] = "thumbnails",
    store: Store = None,
) -> None:
    """Write the ratings of users who agreed as a data set for 'steer reward train'. Their ids are replaced.

    'steer user share NAME' asks a user for consent.
    """
    from steer.users.data_set import write_data_set
    from steer.users.store import UserStore

    found = write_data_set(UserStore(store), out, pictures)
    print_line(
        f"wrote {counted(found.ratings, 'rating')} of {counted(found.pictures, 'picture')} by "
        f"{counted(found.people, 'person', 'people')} to {found.file}"
    )
    if found.left_out:
        print_line(f"  left out: {counted(found.left_out, 'rating')} of pictures that were not kept")
    if found.silent:
        print_line(f"  not asked or not willing: {counted(found.silent, 'person', 'people')}")


@app.command()
def describe(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A folder, a csv, or a data set on the hub.")],
    vlm: Annotated[
        str, typer.Option("--vlm", metavar="MODEL", help="A vision-language model, by folder or hub name.")
    ] = "Qwen/Qwen2.5-VL-32B-Instruct",
    kind: Kind = None,
    size: Annotated[int, typer.Option(help="Longest side in pixels of what the model sees.", min=32)] = 448,
    most: Annotated[int | None, typer.Option(metavar="N", help="Only the first N training pictures.", min=1)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
) -> None:
    """Describe the training pictures of a data set with a vision-language model, for the reward profile-mllm.

    Writes descriptions.jsonl into the data set's folder. Run the same command again to resume.
    """
    with extra("train", "pandas"):
        from reward_models.base import RewardError
        from reward_models.describing import FILE, write_descriptions
        from reward_models.encoders.vlm import load_vlm
        from reward_models.ratings.sets import load_ratings
    from steer.devices import pick_device

    try:
        ratings = load_ratings(source, kind)
        pictures = sorted(ratings.split("train")["picture"].unique())[:most]
        model = load_vlm(vlm, device=pick_device(device))
        with count_bar("pictures") as tell:
            left_out = write_descriptions(model, ratings.root, pictures, ratings.root / FILE, size, tell)
    except RewardError as error:
        raise UsageError(str(error)) from error
    lost = f"; {counted(left_out, 'picture')} left out that do not open" if left_out else ""
    print_line(f"described {counted(len(pictures) - left_out, 'picture')} in {ratings.root / FILE}{lost}")
