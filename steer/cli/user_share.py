"""``steer user share``: whether a person's ratings may become part of a data set."""

from __future__ import annotations

from typing import Annotated

import typer

from steer.cli.console import console
from steer.cli.options import Store, UserId
from steer.errors import UsageError

QUESTION = (
    "May what '{}' rated become part of data sets that others train on? That is: ratings, prompts, and small copies of "
    "the pictures where they are kept, under another name{}. What is written once cannot be taken back from who has it."
)
ABOUT = "; and also age, gender and other facts, and the profile in words"


def share(
    name: UserId,
    about: Annotated[
        bool, typer.Option("--about", help="Also age, gender and other facts, and the profile in words.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="The person was asked elsewhere and agrees.")] = False,
    no: Annotated[bool, typer.Option("--no", help="Refuse, or take consent back.")] = False,
    store: Store = None,
) -> None:
    """Ask a user whether their ratings may become part of a data set, and remember the answer.

    Without it, nothing of them is in what 'steer data from-store' writes.
    """
    from steer.users.store import UserStore

    if yes and no:
        raise UsageError("--yes and --no are opposites; give one of them")
    people = UserStore(store)
    people.user(name)
    if not (yes or no):
        yes = typer.confirm(QUESTION.format(name, ABOUT if about else ""), default=False)
    people.set_shares(name, ("about" if about else "ratings") if yes else "")
    said = {"": "nothing of", "ratings": "ratings of", "about": "ratings of, and facts about,"}
    console.print(f"{said[people.user(name).shares]} {name} may be part of data sets", markup=False)
