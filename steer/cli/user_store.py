"""The commands of ``steer user`` that list, rename, move and delete people."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from reward_models.plural import counted
from reward_models.printable import printable
from steer.cli.console import console, print_line
from steer.cli.options import AsJson, Config, Kind, Settings, Store, UserId
from steer.cli.paths import named
from steer.cli.teaching import Teaching
from steer.config import DEFAULT
from steer.errors import UsageError

if TYPE_CHECKING:
    from steer.users.records import User

OUTPUTS = Path("outputs")
SHOWN = 6  # ids of a group that are listed
REMOVED = {  # by what the store counts
    "ratings": "rating",
    "choices": "choice",
    "votes": "vote",
    "vectors": "learned vector",
    "thumbnails": "kept picture",
    "pictures": "rated picture",
}

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
WithPictures = Annotated[
    bool, typer.Option("--with-pictures", help="Include the small copies of rated pictures, if any were kept.")
]
Runs = Annotated[
    Path, typer.Option(help="Folder to search for runs and exports of the user; nothing in it is changed.")
]


def list_(
    like: Annotated[str, typer.Argument(metavar="TEXT", help="List only ids that contain this text.")] = "",
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """List your users, imported people, and the people the reward model was trained on."""
    teaching = Teaching.open(store, config, settings)
    users = teaching.store.users(like)
    trained = [person for person in teaching.trained if like.lower() in person.lower()]
    of_reward = set(trained)
    if as_json:
        rows = [{**vars(u), "read_only": bool(u.source), "hidden": u.id in of_reward} for u in users]
        print_line(json.dumps({"users": rows, "of_the_reward": trained}, ensure_ascii=False))
        return
    own, imports = [u for u in users if not u.source], _by_source([u for u in users if u.id not in of_reward])
    for each in own:
        hidden = f"  hidden by the reward's '{each.id}'; rename yours: steer user rename {each.id} NEW"
        _print_row(each, hidden if each.id in of_reward else "")
    for source, some in imports.items():
        if like:
            for each in some:
                _print_row(each, f"  imported from '{source}', read-only")
        else:
            _print_group(
                f"{counted(len(some), 'person', 'people')} imported from '{source}', read-only", [u.id for u in some]
            )
    if trained:
        _print_group(
            f"{counted(len(trained), 'person', 'people')} of the reward '{teaching.config.reward.model}'", trained
        )
    for source, some in _by_source([u for u in users if u.id in of_reward]).items():
        console.print(
            f"{counted(len(some), 'person', 'people')} imported from '{source}' cannot be used: the reward has people "
            f"with the same ids. Remove them: steer user delete --import {shlex.quote(source)}",
            markup=False,
        )
    if not own and not like:
        console.print("you have no users yet; create one: steer user rate me")
    elif not users and not trained:
        console.print(f"no user matches '{like}'", markup=False)


def rename(
    name: UserId,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new id.")],
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
    runs: Runs = OUTPUTS,
) -> None:
    """Give a user another id. Ratings and what steer has learned stay."""
    from steer.users.traces import traces_of

    teaching = Teaching.open(store, config, settings)
    teaching.stored(name)
    teaching.check_free(new)
    teaching.store.rename(name, new)
    console.print(f"renamed {name} to {new}")
    _print_traces(f"still names '{name}'", traces_of([name], runs))


def reset(
    name: UserId,
    yes: Yes = False,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Delete a user's ratings and choices. Profile and demographics stay."""
    teaching = Teaching.open(store, config, settings)
    known = teaching.stored(name)
    _confirm(yes, f"Delete {counted(known.ratings, 'rating')} and {counted(known.choices, 'choice')} of {name}?")
    console.print(f"reset {name}: {_removed(teaching.store.reset(name))}")


def export_(
    name: UserId,
    out: Annotated[Path | None, typer.Option(help="File to write (default: outputs/USER.json).")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
    with_pictures: WithPictures = False,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Export a user's ratings, choices, profile and demographics to one readable JSON file."""
    from steer.users.exchange import export_user, write_export
    from steer.users.traces import exported_file

    teaching = Teaching.open(store, config, settings)
    teaching.stored(name)
    path = named(out) if out else exported_file(name, OUTPUTS)
    if path.exists() and not force:
        raise UsageError(f"'{path}' exists already; give another file with --out, or overwrite it with --force")
    write_export(export_user(teaching.store, name, [teaching.teacher(name).key], with_pictures), path)
    console.print(f"written to {path.resolve()}", markup=False)


def import_(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A file written by 'steer user export', or a data set of ratings.")
    ],
    name: Annotated[str | None, typer.Option("--as", help="New id for the user of an exported file.")] = None,
    prefix: Annotated[str, typer.Option(help="Text to put before the ids of a data set's people.")] = "",
    kind: Kind = None,
    with_pictures: WithPictures = False,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Import a user from an exported file, or all people of a data set (read-only)."""
    from steer.users.exchange import import_people, import_user

    path, teaching = named(source), Teaching.open(store, config, settings)
    if path.is_file() and path.suffix == ".json":
        if prefix:
            raise UsageError("--prefix is for data sets; give the user of an exported file another id with --as")
        console.print(f"imported {import_user(teaching.store, path, name, teaching.trained, with_pictures).id}")
        return
    if not path.exists():
        raise UsageError(f"there is no file or folder '{source}'")
    if with_pictures:
        raise UsageError("--with-pictures is for exported files; of a data set steer keeps no pictures")
    if name:
        raise UsageError("--as is for exported files; give the people of a data set other ids with --prefix")
    with console.status("reading the data set ..."):
        found = import_people(teaching.store, source, kind, teaching.teacher(source), prefix)
    _print_group(f"imported {counted(len(found.ids), 'person', 'people')} from '{found.name}', read-only", found.ids)
    console.print(f"remove them: steer user delete --import {shlex.quote(found.name)}", markup=False)


def delete(
    name: Annotated[str | None, typer.Argument(metavar="USER", help="User id.")] = None,
    source: Annotated[
        str | None, typer.Option("--import", metavar="NAME", help="Delete all people imported from this data set.")
    ] = None,
    yes: Yes = False,
    runs: Runs = OUTPUTS,
    store: Store = None,
) -> None:
    """Delete all data of a user, or of all people of an import, from the database.

    Runs and exported files are not touched; those that contain the id are listed.
    """
    from steer.users.database import StillRead
    from steer.users.store import UserStore
    from steer.users.traces import traces_of

    users = UserStore(store)
    if (name is None) == (source is None):
        raise UsageError("give the id of a user, or --import NAME")
    if source is not None:
        ids = users.imported(source)
        _confirm(yes, f"Delete {counted(len(ids), 'person', 'people')} imported from '{source}'?")
        who = f"{counted(len(ids), 'person', 'people')} imported from '{source}'"
    else:
        assert name is not None
        ids, who = [name], name
        known = {**vars(users.deletable(name)), "votes": users.votes_of(name)}
        _confirm(yes, f"Delete {name} with {_removed({k: known[k] for k in ('ratings', 'choices', 'votes')})}?")
    late = None
    try:
        gone = users.delete(name) if name else users.delete_import(source or "")
    except StillRead as error:
        gone, late = error.gone, error
    console.print(f"deleted {who}: {_removed(gone)}", markup=False)
    _print_traces("still contains their id" if name else "still contains one of their ids", traces_of(ids, runs), True)
    if late:
        raise late


def _confirm(yes: bool, question: str) -> None:
    if not yes and not typer.confirm(printable(question)):
        console.print("nothing was deleted")
        raise typer.Exit(1)


def _by_source(users: Sequence[User]) -> dict[str, list[User]]:
    """Imported people by the data set they come from."""
    found: dict[str, list[User]] = {}
    for user in users:
        if user.source:
            found.setdefault(user.source, []).append(user)
    return found


def _removed(counts: Mapping[str, int]) -> str:
    """Counts by kind in words, without zeros."""
    found = [counted(counts[kind], noun) for kind, noun in REMOVED.items() if counts.get(kind)]
    return ", ".join(found) or "no ratings"


def _print_row(user: User, note: str) -> None:
    ratings, choices = counted(user.ratings, "rating"), counted(user.choices, "choice")
    console.print(f"{user.id:20s} {ratings:>13s} {choices:>12s}{note}", markup=False)


def _print_group(title: str, ids: Sequence[str]) -> None:
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    console.print(f"{title}: {', '.join(ids[:SHOWN])}{more}", markup=False)


def _print_traces(what: str, paths: Sequence[Path], deleted: bool = False) -> None:
    from steer.users.traces import has_words

    for path in paths:
        words = " and their words" if deleted and has_words(path) else ""
        console.print(escape(f"  {path} {what}{words}"))
