"""``steer again``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from steer.cli.completion import run_folders
from steer.cli.console import console, print_line
from steer.cli.folders import OUTPUTS, entries, kind_of
from steer.cli.options import AsJson
from steer.cli.show import show_in_terminal
from steer.cli.sizes import read_size
from steer.errors import UsageError


def again(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN",
            help="Folder of a run. Default: the newest in outputs/.",
            show_default=False,
            autocompletion=run_folders,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WxH", help="Width and height in pixels. Default: as in the run."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", help="Denoising steps. Default: as in the run.", min=1, max=200),
    ] = None,
    seeds: Annotated[
        int,
        typer.Option("--seeds", metavar="N", help="Pictures: the winner's seed and those after it.", min=1, max=1000),
    ] = 1,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the pictures. Default: again/ in the run's."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw the winner of a run again: larger, with more steps, or on more seeds.

    steer again --size 256x256 --seeds 4

    A picture of another size starts from other noise, so it is another picture of the same text. Each file says which
    run it is of. Run the same command again after an interruption; what is there is not drawn again.

    Exit code 0; 1 if a picture could not be drawn; 2 for wrong input.
    """
    from steer.cli.progress import loading, loads_large
    from steer.report.stored import load_result
    from steer.run.again import draw_again, other_drawing, seeds_from

    path = _newest() if run is None else run
    if (kind := kind_of(path)) != "run":
        raise UsageError(f"'{path}' is a {kind}; give the folder of a run, such as one of those in it")
    if size is None and steps is None and seeds == 1:
        raise UsageError("what should be different? Add --size, --steps or --seeds  (steer again --help)")
    pixels = None if size is None else read_size(size)
    result = load_result(path)
    if result.best is None:
        raise UsageError(f"the run in '{path}' made no picture")
    from steer.steerer import Steerer

    config = other_drawing(Steerer.config_of(path), pixels, steps)
    with loading(quiet=as_json, large=loads_large(config)):
        steerer = Steerer(config)
        _ = steerer.parts.reward, steerer.parts.renderer
    if not as_json:
        console.print(f"{result.best.rewrite.text}", markup=False)
        console.print(f"in the run: {result.best.personal:.2f}  {path / result.best.picture}", markup=False)
    told, failed = [], 0
    for drawn in draw_again(steerer.parts, result, out or path / "again", seeds_from(result.best.seed, seeds)):
        failed += drawn.path is None
        liking = None if drawn.liking is None else round(drawn.liking, 4)
        told.append({"seed": drawn.seed, "picture": drawn.path and str(drawn.path), "liking": liking})
        if not as_json:
            note = f"  ({drawn.reason})" if drawn.reason else "  (there already)" if drawn.kept else ""
            console.print(
                f"{'   -' if liking is None else f'{liking:.2f}'}  {drawn.path or f'seed {drawn.seed}'}{note}",
                markup=False,
            )
            if drawn.path is not None:
                show_in_terminal(drawn.path)
    if as_json:
        print_line(
            json.dumps({"run": str(path), "text": result.best.rewrite.text, "pictures": told}, ensure_ascii=False)
        )
    if failed:
        raise typer.Exit(1)


def _newest() -> Path:
    found = next((entry.path for entry in entries(OUTPUTS) if entry.kind == "run"), None)
    if found is None:
        raise UsageError(f"there are no runs in '{OUTPUTS}'; give the folder of one, or make one with: steer run")
    return found
