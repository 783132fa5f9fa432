"""``steer open`` and ``steer compare``: what was made, in the viewer and side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from reward_models.printable import printable
from steer.cli.completion import run_folders
from steer.cli.console import console, print_line, print_text
from steer.cli.folders import OUTPUTS, kind_of, latest
from steer.cli.options import AsJson, Made
from steer.cli.paths import named
from steer.errors import SteerError, UsageError

PAGES = {"run": "report.html", "batch": "index.html", "study": "report.html"}
COMPARED = OUTPUTS / "compared"


def open_(
    folder: Made = None,
    best: Annotated[bool, typer.Option("--best", help="Open the best picture of the run, not its report.")] = False,
) -> None:
    """Open the report of a run, a batch or a study in the browser.

    steer open

    Exit code 0; 1 if no program on this machine opens it.
    """
    path = latest() if folder is None else folder
    kind = kind_of(path)
    if best and kind != "run":
        raise UsageError(f"'{path}' is a {kind}, and only a run has one best picture; leave out --best")
    page = path / (_best_of(path) if best else PAGES[kind])
    if not page.is_file():
        raise UsageError(f"'{page}' is not there; 'steer resume {path}' writes it")
    if typer.launch(str(page.resolve())) != 0:
        raise SteerError(f"no program on this machine opens '{page}'")
    console.print(f"opened {page}", markup=False)


def compare(
    a: Annotated[
        Path, typer.Argument(metavar="RUN_A", help="Folder of a run.", autocompletion=run_folders, show_default=False)
    ],
    b: Annotated[
        Path, typer.Argument(metavar="RUN_B", help="Folder of another.", autocompletion=run_folders, show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The page (.html) or picture (.png) to write. Default: a page in outputs/compared/.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs: texts, predicted likings, pictures side by side, and what was asked differently.

    The likings are those that each run's own reward predicted. They compare where the same reward judged both for the
    same user; where not, it says so.
    """
    from steer.report.compare import Compared, compared_page, compared_picture, liking
    from steer.store.files import write_whole
    from steer.store.private import private_folder

    if out is not None and out.suffix.lower() not in (".html", ".png"):
        raise UsageError(f"--out: '{out}' ends in neither .html nor .png")
    for path in (a, b):
        if (kind := kind_of(path)) != "run":
            raise UsageError(f"'{path}' is a {kind}; compare two runs, such as two of its folders")
    two = Compared.of(a, b)
    target = out or COMPARED / f"{a.resolve().name}--{b.resolve().name}.html"
    if named(target).is_dir():
        raise UsageError(f"--out: '{target}' is a folder")
    try:
        private_folder(target.parent)
    except OSError as error:
        raise UsageError(f"--out: cannot write '{target}': {error.strerror}") from error
    if target.suffix.lower() == ".png":
        sheet = compared_picture(two)
        write_whole(target, lambda file: sheet.save(file, "PNG"))
    else:
        page = compared_page(two)
        write_whole(target, lambda file: file.write(printable(page).encode()))
    if as_json:
        runs = {
            letter: {
                "folder": r.folder,
                "prompt": r.request.prompt,
                "user": r.request.user,
                "text": r.winner.rewrite.text if r.winner else None,
                "liking": round(liking(r), 4) if r.winner else None,
                "gain": r.comparison.gain if r.comparison else None,
            }
            for letter, r in two.runs
        }
        told = {"comparable": two.same_judge, "verdict": two.verdict, "page": str(target)}
        print_line(json.dumps({**runs, **told}, ensure_ascii=False))
        return
    for letter, result in two.runs:
        console.print(f"{letter}  {result.request.prompt}, for {result.request.user}", markup=False)
        if result.winner:
            print_text("best", f"[bold]{liking(result):.2f}[/]  {escape(result.winner.rewrite.text)}")
        if result.comparison:
            print_text("gain", escape(str(result.comparison)))
    console.print(two.verdict, markup=False)
    console.print(f"  page      {target}", markup=False)


def _best_of(run: Path) -> str:
    from steer.report.stored import read_result

    picture: str | None = read_result(run)["picture"]
    if picture is None:
        raise UsageError(f"the run in '{run}' made no picture")
    return picture
