"""``steer reward``: train and evaluate a personal reward model of any family."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reward_models.plural import counted
from steer.cli.bars import feature_bar
from steer.cli.console import print_line
from steer.cli.extras import extra
from steer.devices import pick_device
from steer.errors import SteerError, UsageError, unknown
from steer.resources import MINIATURE_WEIGHTS, shipped_file, shipped_names

if TYPE_CHECKING:
    from reward_models.families import Family, Work
    from reward_models.scorers.base import Scorer

TRAINING = "configs/train"
app = typer.Typer(help="Train and evaluate personal reward models.", no_args_is_help=True)
Recipe = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        metavar="NAME|FILE",
        help="What to train: a YAML file, or one that ships (miniature, pamela, linear-hidden, ...).",
    ),
]


@contextmanager
def _work(config: str) -> Iterator[tuple[Family, Work, Path]]:
    """The family of a training, what it works with, and its YAML; faults of data and encoders are one line."""
    from steer.cli.progress import no_library_bars

    file = shipped_file(config, TRAINING, ".yaml")
    if not file.exists():
        known = shipped_names(TRAINING, ".yaml")
        if not file.suffix and len(file.parts) == 1:
            raise unknown("training", config, known)
        raise UsageError(f"--config {config}: there is no such file; trainings that ship: {', '.join(known)}")
    with extra("train", "pandas", "matplotlib", "pyarrow"):
        from reward_models.base import RewardError
        from reward_models.families import Work, family_of
        from reward_models.ratings.table import NoDataSet

        no_library_bars()
        try:
            with feature_bar() as progress:
                yield family_of(file), Work(pick_device, _say, progress), file
        except NoDataSet as error:
            if not error.source.startswith("training/"):
                raise UsageError(str(error)) from error
            raise UsageError(
                f"there is no folder '{error.source}'; make the miniature's data set with: "
                f"steer data miniature {error.source}"
            ) from error
        except RewardError as error:
            raise UsageError(str(error)) from error


@app.command()
def train(config: Recipe) -> None:
    """Train a reward model on ratings; the result is a folder for --set reward=FOLDER.

    steer reward train --config miniature

    Run the same command again to resume after a kill.
    """
    with _work(config) as (family, work, file):
        if family.train is None:
            raise UsageError(f"the family '{family.name}' needs no training")
        folder = family.train(file, work)
    print_line(f"saved in {folder}; use it with: steer run --set reward={folder}")


@app.command("eval")
def evaluate(
    config: Recipe,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Folder or hub name of a trained reward; some families need none.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the report. Default: the model's folder.")
    ] = None,
    protocol: Annotated[
        Literal["own", "zero-shot", "in-context"],
        typer.Option(
            help="own: the report of the config's family. The others: any reward on people and pictures it never saw; "
            "zero-shot: from what is said of the people alone; in-context: from a few of their ratings, beside these "
            "with scores shuffled, somebody else's, and none."
        ),
    ] = "own",
    most: Annotated[
        int | None,
        typer.Option(metavar="N", help="zero-shot, in-context: ratings of a person to predict, most.", min=5),
    ] = None,
    examples: Annotated[
        int, typer.Option(metavar="N", help="in-context: ratings of a person that the reward is told.", min=1)
    ] = 5,
    beside: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="in-context: another reward, told the same ratings; repeat for more."),
    ] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]KIND:MODEL|FILE",
            help="Add a row for a scorer that knows nobody, such as LAION=clip-mlp:FOLDER; repeat for more.",
        ),
    ] = None,
) -> None:
    """Evaluate a reward model on the data sets of a config, and write the report: Markdown, JSON, CSV and plots."""
    with _work(config) as (family, work, file):
        from reward_models.families import find

        if beside and protocol != "in-context":
            raise UsageError("--beside is for --protocol in-context")
        if protocol != "own":
            if scorer:
                raise UsageError(f"--scorer adds a row to the family's own table: leave out --protocol {protocol}")
            if not model:
                raise UsageError(
                    f"no reward to evaluate; name it: steer reward eval MODEL --config NAME --protocol {protocol}"
                )
            folder = find(model)
            target = out or (Path("outputs") / protocol if folder.is_relative_to(MINIATURE_WEIGHTS) else folder)
            if protocol == "zero-shot":
                _zero_shot(model, file, target, most, work)
            else:
                _in_context([model, *(beside or [])], file, target, examples, most, work)
            return
        if family.evaluate is None:
            raise UsageError(f"the family '{family.name}' has no evaluation")
        scorers = _scorers(scorer or [])
        if scorers and (family.compare is None or not model):
            raise UsageError(
                f"the family '{family.name}' has no table of scorers"
                if model
                else "no reward to compare with; name it: steer reward eval MODEL --config NAME --scorer KIND:MODEL"
            )
        family.evaluate(file, find(model) if model else None, out, work)
        if scorers and family.compare:
            family.compare(file, find(model), out, work, scorers)


def _zero_shot(model: str, file: Path, target: Path, most: int | None, work: Work) -> None:
    from reward_models import load
    from reward_models.zero_shot import evaluate as evaluate_zero_shot

    print_line(evaluate_zero_shot(load(model, pick_device("auto")), file, target, most, work.progress))
    print_line(f"report: {target / 'zero_shot.md'}")


def _in_context(models: list[str], file: Path, target: Path, examples: int, most: int | None, work: Work) -> None:
    from reward_models import load
    from reward_models.in_context import evaluate as evaluate_in_context

    if double := [name for name in models if models.count(name) > 1]:
        raise UsageError(f"'{double[0]}' is named twice")
    rewards = {name: load(name, pick_device("auto")) for name in models}
    print_line(evaluate_in_context(rewards, file, target, examples, most, work.progress))
    print_line(f"report: {target / 'in_context.md'}")


@app.command()
def ablate(config: Recipe) -> None:
    """Train again without each part that the config lists as an ablation, and report what each part is worth."""
    with _work(config) as (family, work, file):
        if family.ablate is None:
            raise UsageError(f"the family '{family.name}' has no ablations")
        family.ablate(file, work)


@app.command()
def push(
    model: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a trained reward.")],
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository on the hub; made if it is new.")],
    public: Annotated[bool, typer.Option("--public", help="Let everybody see it. Default: a private one.")] = False,
    card: Annotated[bool, typer.Option("--card", help="Print the model card, and upload nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Put a trained reward on a hub, with a model card made of what its files say.

    steer reward push outputs/rewards/pamela me/pamela --card

    A README.md in the folder is the card. A reward holds what was learned of the people it was trained on, so it says
    what leaves this machine and asks first.

    Exit code 0; 1 if you say no or the hub refuses; 2 for wrong input.
    """
    from reward_models.base import RewardError
    from reward_models.publishing import publication
    from reward_models.publishing import push as upload

    try:
        told = publication(model, repository)
    except RewardError as error:
        raise UsageError(str(error)) from error
    if card:
        return print_line(told.card.rstrip("\n"))
    where = "public, for everybody to see" if public else "private"
    print_line(f"{', '.join(told.files)} and a model card go to {repository} ({where})")
    if told.people:
        facts = f", and facts about {told.described} of them" if told.described else ""
        people = counted(told.people, "person", "people")
        print_line(f"they hold the ids of {people} and what was learned of them{facts}")
    for place in told.places:
        print_line(f"config.json names a folder of this machine: {place}")
    if not yes and not typer.confirm("Upload?"):
        print_line("nothing was uploaded")
        raise typer.Exit(1)
    try:
        print_line(f"uploaded to {upload(told, private=not public)}")
    except RewardError as error:
        raise SteerError(str(error)) from error


def _scorers(asked: list[str]) -> dict[str, Scorer]:
    """By the names of their rows."""
    from reward_models.scorers.named import named

    found = [named(text) for text in asked]
    if twice := next((s.name for i, s in enumerate(found) if s.name in {o.name for o in found[:i]}), None):
        raise UsageError(f"--scorer: two are called '{twice}'; name them: --scorer NAME=KIND:MODEL")
    return {each.name: each.load(pick_device("auto")) for each in found}


def _say(line: str) -> None:
    print_line(line)
