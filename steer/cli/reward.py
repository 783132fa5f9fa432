"""steer reward: train and evaluate a personal reward model of any family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steer.cli.bars import feature_bar
from steer.cli.extras import extra
from steer.devices import pick_device
from steer.errors import UsageError

if TYPE_CHECKING:
    from reward_models.families import Family, Work

app = typer.Typer(help="Train and evaluate personal reward models.", no_args_is_help=True)
Recipe = Annotated[
    Path, typer.Option("--config", "-c", help="A YAML as in configs/train/; its 'family' says what is trained.")
]


@contextmanager
def _work(config: Path) -> Iterator[tuple[Family, Work]]:
    """The family of a YAML and what it works with; faults of data, encoders and rewards are one line."""
    with extra("train", "pandas", "matplotlib", "pyarrow"):
        from reward_models.base import RewardError
        from reward_models.families import Work, family_of

        try:
            with feature_bar() as progress:
                yield family_of(config), Work(pick_device, _say, progress)
        except RewardError as error:
            raise UsageError(str(error)) from error


@app.command()
def train(config: Recipe) -> None:
    """Train on data sets of ratings: features, the model, its report, a folder to load.

    Run the same command again to resume after a kill.
    """
    with _work(config) as (family, work):
        if family.train is None:
            raise UsageError(f"the family '{family.name}' needs no training")
        folder = family.train(config, work)
    print(f"saved in {folder}; use it with: steer run --set reward={folder}")


@app.command("eval")
def evaluate(
    config: Recipe,
    model: Annotated[str, typer.Argument(help="Folder or hub name of a trained reward; some families need none.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for the report (default: the model's folder).")] = None,
) -> None:
    """Evaluate on the data sets of a config: Markdown, JSON, CSV and plots. What is evaluated is in the YAML."""
    with _work(config) as (family, work):
        from reward_models.families import find

        if family.evaluate is None:
            raise UsageError(f"the family '{family.name}' has no evaluation of its own")
        family.evaluate(config, find(model) if model else None, out, work)


@app.command()
def ablate(config: Recipe) -> None:
    """Train once more for each of the config's `ablations` and report what each part is worth, with intervals."""
    with _work(config) as (family, work):
        if family.ablate is None:
            raise UsageError(f"the family '{family.name}' has no parts to leave out")
        family.ablate(config, work)


def _say(line: str) -> None:
    print(line, flush=True)
