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

    from reward_models.encoders.base import Encoder
    from reward_models.pamela.settings import RewardTraining
    from reward_models.ratings.corpus import Corpus

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
        if _family(config) == "linear-hidden":
            return _train_linear_hidden(config)
        from reward_models.evaluation.plots import plot_training
        from reward_models.pamela.fit import fit_reward
        from reward_models.pamela.report import as_metrics, evaluate_all
        from reward_models.pamela.settings import load_training

        settings = load_training(config)
        device, out = pick_device(settings.device), Path(settings.out)
        corpus, encoder = _corpus(settings)
        reward = fit_reward(corpus, encoder, settings, device, _say_epoch)
        plot_training(out / "curves.jsonl", out / "curves.png")
        rows = evaluate_all(corpus, reward, out)
        for row in rows:
            print(row.text())
        about = {"data": corpus.fingerprint, "training": settings.model_dump(exclude={"ablations"})}
        reward.save(out, as_metrics(rows), about)
        print(f"saved in {out}, with {out / 'evaluation.md'}; steer run --set reward.model={out}")


def _family(config: Path) -> str:
    """Which family of rewards a YAML is of."""
    import yaml

    try:
        found = yaml.safe_load(config.read_text())
    except (OSError, yaml.YAMLError):
        return "pamela"  # whose reader says what is wrong
    return str(found.get("family", "pamela")) if isinstance(found, dict) else "pamela"


def _train_linear_hidden(config: Path) -> None:
    """Features and ridges: there is nothing to train."""
    from reward_models.linear_hidden.fit import fit_linear_hidden
    from reward_models.linear_hidden.settings import load_settings

    settings = load_settings(config)
    with _feature_bar() as tell:
        reward, ratings = fit_linear_hidden(settings, pick_device(settings.device), tell)
    out = Path(settings.out)
    about: dict[str, object] = {"data": ratings.fingerprint(), "settings": settings.model_dump()}
    if reward.layer_errors:
        about["layers"] = reward.layer_errors
        print("leave-one-out error: " + ", ".join(f"{p} {e:.4f}" for p, e in reward.layer_errors.items()))
    reward.save(out, about)
    print(f"{len(reward.people())} people, {len(reward.pictures)} pictures, {', '.join(map(str, reward.hidden.pools))}")
    print(f"saved in {out}; steer run --set reward={out}")


def _linear_hidden_protocol(config: Path, out: Path | None, people: int, layers: bool, pairs: int) -> None:
    """The paper's table, its probing where there are attributes, and the layer curve."""
    if _family(config) != "linear-hidden":
        raise UsageError(f"'{config}' has no 'family: linear-hidden'; see configs/train/linear-hidden.yaml")
    with _plain_errors():
        from reward_models.linear_hidden import fit, protocol

        settings = fit.load_settings(config)
        with _feature_bar() as tell:
            pools, rows, ratings = fit.all_pools(
                settings, pick_device(settings.device), "V LV LT" if layers or pairs else "", tell
            )
        attributes = fit.attribute_values(Path(settings.attributes), rows) if settings.attributes else None
        target = out or Path(settings.out)
        protocol.evaluate(pools, rows, ratings.table, target, people, settings.alphas, attributes, pairs)
        print((target / "linear_hidden.md").read_text())


@contextmanager
def _feature_bar() -> Iterator[Any]:
    columns: list[Any] = [TextColumn("features"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("features", total=None)
        yield lambda done, n: bar.update(task, completed=done, total=n)


@app.command("eval")
def evaluate(
    config: ConfigFile,
    model: Annotated[str, typer.Argument(help="Folder or hub name of a trained reward.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where the report goes; the model's folder where not given.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="linear-hidden: that paper's evaluation, of a config of that family; no MODEL.")
    ] = None,
    people: Annotated[int, typer.Option(help="Of the protocol: how many are drawn.", min=2)] = 200,
    layers: Annotated[bool, typer.Option("--layers", help="Of the protocol: every layer of the model.")] = False,
    pairs: Annotated[
        int,
        typer.Option(
            help="Of the protocol: also two layers beside each other, of multiples of this (the paper's: 5); 0: none.",
            min=0,
        ),
    ] = 0,
) -> None:
    """The table of a trained reward on the data sets of a config: Markdown, JSON, CSV and plots."""
    if protocol not in (None, "linear-hidden"):
        raise UsageError(f"there is no protocol '{protocol}'; known: linear-hidden")
    if protocol or _family(config) == "linear-hidden":
        return _linear_hidden_protocol(config, out, people, layers, pairs)
    if not model:
        raise UsageError("name the reward: steer reward eval FOLDER --config YAML")
    with _plain_errors():
        from reward_models.families import find
        from reward_models.pamela.report import evaluate_all
        from reward_models.pamela.reward import PamelaReward
        from reward_models.pamela.settings import load_training

        settings = load_training(config)
        folder = find(model)
        corpus, encoder = _corpus(settings)
        reward = PamelaReward.from_folder(folder, encoder)
        target = out or (folder if Path(model).exists() else Path(settings.out))
        for row in evaluate_all(corpus.for_config(reward.config), reward, target):
            print(row.text())
        print(f"report: {target / 'evaluation.md'}")


@app.command()
def ablate(config: ConfigFile) -> None:
    """Train the model of a config once more for each of its `ablations` and say what each costs, with intervals."""
    with _plain_errors():
        from reward_models.pamela.ablation import ablate as compare
        from reward_models.pamela.settings import load_training

        settings = load_training(config)
        if not settings.ablations:
            raise UsageError(f"'{config}' has no 'ablations'; see configs/train/miniature.yaml")
        path = compare(settings, pick_device(settings.device), _corpus, _say_epoch)
        print(path.read_text())
        print(f"report: {path}")


def _say_epoch(row: dict[str, float]) -> None:
    print({k: round(v, 4) for k, v in row.items()}, flush=True)


def _corpus(settings: RewardTraining) -> tuple[Corpus, Encoder]:
    from reward_models.pamela.fit import load_corpus

    columns: list[Any] = [TextColumn("features"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("features", total=None)
        return load_corpus(
            settings,
            pick_device(settings.device),
            bar.console.print,
            lambda done, n: bar.update(task, completed=done, total=n),
        )
