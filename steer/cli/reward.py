"""steer reward: train and evaluate a personal reward model."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from steer.devices import pick_device
from steer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reward_models.corpus import Corpus
    from reward_models.encoders import Encoder
    from reward_models.settings import RewardTraining

app = typer.Typer(help="Personal reward models.", no_args_is_help=True)
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="A YAML as in configs/train/.")]


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Faults of data, encoders and rewards as one line."""
    try:
        from reward_models.base import RewardError

        try:
            yield
        except RewardError as error:
            raise UsageError(str(error)) from error
    except ModuleNotFoundError as error:
        if error.name not in ("pandas", "matplotlib", "pyarrow"):
            raise
        raise UsageError(
            f"this needs the package '{error.name}'; install steer with the extra: steer-t2i[train]"
        ) from error


@app.command()
def train(config: ConfigFile) -> None:
    """Train on data sets of ratings: features, members of several seeds, the table, a folder to load.

    Started again after a kill, it goes on after the last epoch.
    """
    with _plain_errors():
        from accelerate import Accelerator

        from reward_models.fit import fit_members
        from reward_models.pamela import PamelaReward
        from reward_models.report import evaluate_all, plot_training
        from reward_models.settings import load_training

        settings = load_training(config)
        corpus, encoder = _corpus(settings)
        out = Path(settings.out)
        accelerator = Accelerator(
            cpu=pick_device(settings.device) == "cpu",
            mixed_precision=None if settings.precision == "no" else settings.precision,
        )
        size = settings.model
        members = fit_members(
            corpus, settings.training.settings(), settings.seeds, out, size.width, size.layers, size.heads,
            accelerator, lambda row: print({k: round(v, 4) for k, v in row.items()}, flush=True),
        )  # fmt: skip
        plot_training(out / "curves.jsonl", out / "curves.png")
        rows = evaluate_all(corpus, members, out)
        for row in rows:
            print(row.text())
        from reward_models.fit import as_metrics

        reward = PamelaReward(members[0].config, members, encoder, corpus.demographics_of())
        about = {"data": corpus.fingerprint, "training": settings.model_dump()}
        reward.save(
            out,
            str(Path(encoder.name).resolve()) if Path(encoder.name).exists() else encoder.name,
            as_metrics(rows),
            about,
        )
        print(f"saved in {out}; steer run --set reward.model={out}")


@app.command("eval")
def evaluate(
    model: Annotated[str, typer.Argument(help="Folder of a trained reward.")],
    config: ConfigFile,
    out: Annotated[Path | None, typer.Option(help="Where the report goes; the model's folder where not given.")] = None,
) -> None:
    """The table of a trained reward on the data sets of a config: Markdown, JSON and plots."""
    with _plain_errors():
        from reward_models.pamela import PamelaReward
        from reward_models.report import evaluate_all
        from reward_models.settings import load_training

        settings = load_training(config)
        corpus, encoder = _corpus(settings)
        reward = PamelaReward.from_folder(Path(model), encoder)
        corpus = corpus.for_config(reward.config)
        for row in evaluate_all(corpus, reward.members, out or Path(model)):
            print(row.text())
        print(f"report: {(out or Path(model)) / 'evaluation.md'}")


def _corpus(settings: RewardTraining) -> tuple[Corpus, Encoder]:
    from reward_models.corpus import build_corpus
    from reward_models.datasets import load_ratings
    from reward_models.datasets.table import reasons
    from reward_models.encoders import load_encoder
    from reward_models.features import unreadable_line

    sets = []
    for d in settings.data:
        ratings = load_ratings(d.source, d.kind, d.revision)
        print(f"{ratings.name}: {len(ratings)} ratings; {reasons(ratings.dropped)}", flush=True)
        sets.append((ratings, d.share))
    e = settings.encoder
    encoder = load_encoder(e.name, e.kind, pick_device(settings.device), e.batch_size, e.revision)
    columns: list[Any] = [TextColumn("features"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("features", total=None)
        corpus = build_corpus(
            sets, encoder, Path(settings.cache), lambda done, n: bar.update(task, completed=done, total=n)
        )
    if corpus.unreadable:
        print(unreadable_line(corpus.unreadable))
    return corpus, encoder
