"""``steer batch``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from steer.errors import UsageError, unknown


def batch(
    files: Annotated[
        list[str], typer.Argument(help="txt, csv, jsonl or parquet; also globs, and - for standard input.")
    ],
    user: Annotated[str | None, typer.Option("--user", "-u", help="Of rows that name none.")] = None,
    budget: Annotated[
        int | None, typer.Option("--budget", "-n", help="Pictures a row, of rows that say nothing.")
    ] = None,
    config: Annotated[str, typer.Option("--config", "-c", help="A preset or a YAML file.")] = "miniature",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The batch's folder (default: outputs/batch-FILE).")
    ] = None,
    beside: Annotated[int, typer.Option(help="Rows under way at once.", min=1, max=256)] = 8,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the rows, draw one batch, say what all would take.")
    ] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try rows again that failed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON, nothing else.")] = False,
    engine: Annotated[
        str, typer.Option(help="local, or ray (extra cluster): actors on this machine or a cluster.")
    ] = "local",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; without it one is started here.")] = None,
    workers: Annotated[int | None, typer.Option(help="Ray actors; one a GPU, else one a core.", min=1)] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", "-s", help="Change a setting of all rows.")] = None,
) -> None:
    """Steer a file of prompts; the same command goes on where it stopped.

    steer batch --user u17 prompts/examples/holiday.txt

    Rows are checked whole before anything is rendered. Exit code 0, 1 when rows failed or it was interrupted, 2 for bad input.
    """
    from steer.batch.folder import BatchFolder
    from steer.batch.run import default_folder
    from steer.config import load_config

    if engine not in ("local", "ray"):
        raise unknown("engine", engine, ["local", "ray"])
    if engine == "ray":
        _need_ray()
    told = [*(settings or ()), *([f"search.budget={budget}"] if budget is not None else [])]
    loaded = load_config(config, told)
    path = out or default_folder(files)
    if path is None and not dry_run:
        raise UsageError("rows from standard input need --out, so that the batch can go on later")
    on_ray = (workers, address) if engine == "ray" else None
    _go(BatchFolder(path or Path("outputs")), loaded, told, files, user, beside, dry_run, retry_failed, as_json, on_ray)


def resume_batch(path: Path, as_json: bool) -> None:
    """Go on with a batch's rows as they were."""
    from steer.batch.folder import BatchFolder
    from steer.config import parse_config

    folder = BatchFolder.open(path)
    _go(folder, parse_config(folder.manifest["config"], str(path)), [], [], None, 8, False, False, as_json)


def _go(folder, config, settings, files, user, beside, dry_run, retry_failed, as_json, on_ray=None) -> None:  # type: ignore[no-untyped-def]
    from steer.batch.rows import read_rows
    from steer.cli.progress import console, loading

    with loading(quiet=as_json, large=config.renderer.model != "miniature"):
        from steer.batch.parts import Parts
        from steer.batch.run import run_batch
        from steer.steerer import Steerer

        steerer = Steerer(config)
        _ = steerer.reward
    checked = read_rows(files, user, Parts(steerer).check) if files else iter(())
    if dry_run:
        from steer.batch.estimate import estimate

        found = estimate(checked, steerer)
        print(json.dumps(found.plain()) if as_json else found.text())
        return
    fresh, total = folder.prepare(config.model_dump(mode="json"), settings, config.name, checked)
    with loading(quiet=as_json, large=config.renderer.model != "miniature"):
        engine = _ray_engine(folder, config, steerer.store.path, beside, *on_ray) if on_ray else None
        _ = engine or steerer.renderer
    from steer.cli.batch_progress import BatchProgress

    with BatchProgress(folder, total, fresh, quiet=as_json) as progress:
        steerer.listeners.append(progress)
        try:
            states = run_batch(folder, steerer, beside, retry_failed, progress.ended, engine)
        except KeyboardInterrupt:
            console.print("interrupted; the same command goes on") if not as_json else None
            raise typer.Exit(1) from None
    if as_json:
        print(json.dumps({"folder": str(folder.path), **states}))
    else:
        told = ", ".join(f"{n} {state}" for state, n in states.items())
        console.print(f"{told}\n  table     {folder.path / 'results.csv'}\n  page      {folder.path / 'index.html'}")
    if states.keys() - {"done"}:
        raise typer.Exit(1)


def _need_ray() -> None:
    import importlib.util

    if importlib.util.find_spec("ray") is None:
        raise UsageError("--engine ray needs Ray: pip install 'steer-t2i[cluster]'")


def _ray_engine(folder, config, store, beside, workers, address):  # type: ignore[no-untyped-def]
    from steer.batch.cluster import RayEngine

    values, where = config.model_dump(mode="json"), str(store)

    def make():  # type: ignore[no-untyped-def]
        from steer.config import parse_config
        from steer.steerer import Steerer
        from steer.users.store import UserStore

        return Steerer(parse_config(values), store=UserStore(where))

    return RayEngine(folder, make, workers, beside, address)
