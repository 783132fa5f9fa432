"""``steer batch``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from steer.cli.console import console, print_line
from steer.cli.extras import need_extra
from steer.cli.options import AsJson, Beside, Budget, Config, DryRun, Out, RowUser, Settings
from steer.cli.who import default_users
from steer.config import DEFAULT
from steer.errors import UsageError

if TYPE_CHECKING:
    from steer.batch.cluster import RayEngine
    from steer.batch.folder import BatchFolder
    from steer.config import SteerConfig
    from steer.parts import Parts


@dataclass(frozen=True)
class BatchOptions:
    """What a batch is started with; the defaults resume one with the rows in its folder.

    ``files``: sources of new rows. ``users``: for rows that do not name one. ``settings``: of all rows, as typed; kept
    in the manifest. ``beside``: runs in progress at the same time (with ``ray``: per actor). ``workers`` and
    ``address``: of the Ray cluster.
    """

    files: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    beside: int = 8
    dry_run: bool = False
    retry_failed: bool = False
    as_json: bool = False
    ray: bool = False
    workers: int | None = None
    address: str | None = None


def batch(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES",
            help="Prompts: txt, csv, jsonl or parquet files, globs, an example that ships (holiday), or - for "
            "standard input.",
        ),
    ],
    user: RowUser = None,
    budget: Budget = None,
    config: Config = DEFAULT,
    out: Out = None,
    beside: Beside = 8,
    dry_run: DryRun = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try failed rows again.")] = False,
    as_json: AsJson = False,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Where the rows run: in this process, or on a Ray cluster (extra: cluster)."),
    ] = "local",
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Ray cluster to use. Default: start one on this machine.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of Ray actors. Default: one per GPU, else one per core.", min=1),
    ] = None,
    settings: Settings = None,
) -> None:
    """Draw a file of prompts; run the same command again to resume.

    steer batch holiday --user u17

    steer batch holiday --user u17 --user u3

    draws each prompt for both, as two rows. A row may name its own user, budget and settings. All rows are checked
    before anything is rendered.

    Results go to outputs/batch-FILE unless --out is given.

    Exit code 0; 1 if rows failed or the batch was interrupted; 2 for wrong input.
    """
    from steer.batch.folder import BatchFolder
    from steer.batch.run import default_folder
    from steer.config import load_config

    if engine == "ray":
        need_extra("cluster", "ray")
    overrides = [*(settings or ()), *([f"search.budget={budget}"] if budget is not None else [])]
    loaded = load_config(config, overrides, typed_as="--set")
    if loaded.search.ask:
        raise UsageError("search.ask: nobody answers questions in 'steer batch'; draw the file in 'steer ui'")
    path = out or default_folder(files)
    if path is None and not dry_run:
        raise UsageError("rows from standard input need --out FOLDER, so that the batch can be resumed")
    options = BatchOptions(
        files=tuple(files),
        settings=tuple(overrides),
        users=tuple(user or ()),
        beside=beside,
        dry_run=dry_run,
        retry_failed=retry_failed,
        as_json=as_json,
        ray=engine == "ray",
        workers=workers,
        address=address,
    )
    _steer_rows(BatchFolder(path or Path("outputs")), loaded, options)


def resume_batch(path: Path, as_json: bool) -> None:
    """Steer the rows of an existing batch that are not done."""
    from steer.batch.folder import BatchFolder
    from steer.config import parse_config

    folder = BatchFolder.open(path)
    _steer_rows(folder, parse_config(folder.manifest["config"], str(path)), BatchOptions(as_json=as_json))


def _steer_rows(folder: BatchFolder, config: SteerConfig, options: BatchOptions) -> None:
    """Check the rows, then steer them, or estimate what that takes. Raises typer.Exit(1) unless all are done."""
    from steer.batch.rows import read_rows
    from steer.cli.progress import loading, loads_large

    large = loads_large(config)
    with loading(quiet=options.as_json, large=large):
        from steer.batch.row_parts import RowParts
        from steer.parts import Parts

        parts = Parts(config)
        _ = parts.reward
    check = RowParts(parts).check
    users = cache(lambda: _users(options))  # asked and said once, however many rows there are
    rows = read_rows(options.files, users, check) if options.files else iter(())
    if options.dry_run:
        from steer.batch.estimate import estimate

        expected = estimate(rows, parts)
        print_line(json.dumps(expected.plain()) if options.as_json else expected.text())
        return
    fresh, total = folder.prepare(config.model_dump(mode="json"), list(options.settings), config.name, rows)
    with loading(quiet=options.as_json, large=large):
        engine = _ray_engine(folder, parts, options) if options.ray else None
        _ = engine or parts.renderer
    states = _run(folder, parts, options, engine, (fresh, total))
    if options.as_json:
        told = (folder.outcome(row) for row in folder.rows())
        warnings = [{k: row[k] for k in ("id", "prompt", "warnings")} for row in told if row["warnings"]]
        print_line(json.dumps({"folder": str(folder.path), **states, "warnings": warnings}, ensure_ascii=False))
    else:
        from steer.cli.show_many import show_batch

        show_batch(folder.path, as_json=False)
    if states.keys() - {"done"}:
        raise typer.Exit(1)


def _users(options: BatchOptions) -> Sequence[str]:
    """Of rows that name nobody; empty where there is no user to take."""
    if options.users:
        return options.users
    try:
        users, whence = default_users()
    except UsageError:
        return ()
    if not options.as_json:
        console.print(f"rows that name no user are for {', '.join(users)} ({whence})", markup=False)
    return users


def _run(
    folder: BatchFolder, parts: Parts, options: BatchOptions, engine: RayEngine | None, rows: tuple[int, int]
) -> Counter[str]:
    """How many rows are in which state after steering; ``rows``: how many are new, how many there are."""
    from steer.batch.row_parts import RowParts
    from steer.batch.run import run_batch
    from steer.cli.batch_progress import BatchProgress

    with BatchProgress(folder, rows, options.as_json, options.retry_failed, RowParts(parts).budget) as progress:
        try:
            return run_batch(folder, parts, options.beside, options.retry_failed, progress.ended, engine, progress)
        except KeyboardInterrupt:
            if not options.as_json:
                console.print(f"interrupted; resume with: steer resume {folder.path}", markup=False)
            raise typer.Exit(1) from None


def _ray_engine(folder: BatchFolder, parts: Parts, options: BatchOptions) -> RayEngine:
    from steer.batch.cluster import RayEngine

    values, store = parts.config.model_dump(mode="json"), str(parts.store.path)

    def make() -> Parts:
        from steer.config import parse_config
        from steer.parts import Parts
        from steer.users.store import UserStore

        return Parts(parse_config(values), store=UserStore(store))

    return RayEngine(folder, make, options.workers, options.beside, options.address)
