"""``steer user``: the people to steer for, in a local database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from steer.cli.console import console
from steer.cli.options import AsJson, Browser, Config, Kind, Port, Settings, Store, UserId
from steer.config import DEFAULT
from steer.errors import UsageError

if TYPE_CHECKING:
    from reward_models import RewardModel
    from reward_models.protocols import Teacher
    from steer.config import SteerConfig
    from steer.parts import Parts
    from steer.users.interview import Interview
    from steer.users.store import UserStore

ENOUGH_RATINGS = 10  # from here on "steer run" is the next step, not "steer user rate"

app = typer.Typer(no_args_is_help=True)

About = Annotated[
    list[str] | None,
    typer.Option("--about", help="A demographic fact, for example age_binned=30-39. Optional; repeatable."),
]
Profile = Annotated[
    str | None, typer.Option("--profile", help='Your taste in words, for example "warm light, empty space, no neon".')
]


@app.callback()
def user() -> None:
    """Users to steer for: teach steer your taste, inspect it, correct it, delete it."""


@app.command("list")
def list_(
    like: Annotated[str, typer.Argument(metavar="TEXT", help="List only ids that contain this text.")] = "",
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """List your users, and the people the reward model was trained on (read-only)."""
    teaching = _teaching(store, config, settings)
    users = teaching.store.users(like)
    trained = [person for person in teaching.trained if like.lower() in person.lower()]
    if as_json:
        rows = [{**vars(user), "read_only": bool(user.source)} for user in users]
        print(json.dumps({"users": rows, "of_the_reward": trained}, ensure_ascii=False))
        return
    for user in users:
        source = f"  from {user.source}, read-only" if user.source else ""
        print(f"{user.id:20s} {user.ratings:5d} ratings {user.choices:5d} choices{source}")
    if not users:
        console.print("no users yet; 'steer user rate me' creates one")
    if trained:
        console.print(f"and {len(trained)} people of the reward's data set: {', '.join(trained[:6])} ... (read-only)")


@app.command()
def add(
    name: UserId,
    about: About = None,
    profile: Profile = None,
    ratings: Annotated[
        Path | None, typer.Option(help="A csv with the columns picture, score (1-5) and, if known, prompt.")
    ] = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Add a user, with ratings, a profile in words, demographics, or nothing yet."""
    from steer.users.exchange import rate_from_csv

    teaching = _teaching(store, config, settings)
    teaching.check_free(name)
    with teaching.store.together():
        teaching.store.add(name, teaching.demographics(name, about), profile or "")
        count = rate_from_csv(teaching.store, teaching.teacher(name), name, ratings) if ratings else 0
    with_ratings = f" with {count} ratings" if count else ""
    console.print(f"added {name}{with_ratings}; {_next_step(name, count, profile, about)}")


@app.command()
def describe(
    name: UserId,
    about: About = None,
    profile: Profile = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Change a user's profile or demographics; what is not given stays."""
    teaching = _teaching(store, config, settings)
    teaching.store.describe(name, teaching.demographics(name, about) if about is not None else None, profile)
    console.print(f"changed {name}")


@app.command()
def rate(
    name: Annotated[str, typer.Argument(metavar="USER", help="User id; created if it does not exist.")],
    pictures: Annotated[
        Path | None,
        typer.Option(help="A folder of pictures or of a run (default: the pictures that ship with the miniature)."),
    ] = None,
    render: Annotated[
        int | None, typer.Option(help="Render this many pictures to rate instead.", min=8, max=200)
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Choose between two pictures instead of rating one.")] = False,
    terminal: Annotated[bool, typer.Option("--terminal", help="Rate in the terminal, without a browser.")] = False,
    port: Port = 0,
    browser: Browser = True,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Teach your taste by rating pictures in the browser.

    The next picture is always the most informative one; it stops when further answers would change little.
    """
    from steer.users.ids import check_id

    check_id(name)
    teaching = _teaching(store, config, settings)
    if teaching.store.get(name) is None:
        teaching.check_free(name)
        teaching.store.add(name)
    interview = _interview(teaching, name, pictures, render)
    if terminal:
        from steer.users.terminal import ask

        ask(interview, pairs, console)
    else:
        from steer.web import serve_rating

        serve_rating(interview, pairs, port, browser, console)
    console.print(f"{interview.progress()}; 'steer user show {name}' shows what steer has learned")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="USER", help="User id; also that of a person of the reward's data set.")
    ],
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
    picture: Annotated[Path | None, typer.Option(help="Also draw it to this PNG file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what steer has learned about a taste, how certain it is, what surprised it, and who shares it."""
    from steer.lexicon import Lexicon
    from steer.report.beliefs import draw_beliefs, lines
    from steer.users.beliefs import beliefs

    teaching = _teaching(store, config, settings)
    roster = teaching.parts.roster
    roster.person(name)
    in_store = teaching.store.get(name) is not None
    enrolled = roster.learn(name) if in_store else None
    lexicon = Lexicon.load(teaching.config.proposer.lexicon)
    learned = beliefs(teaching.reward, name, lexicon, teaching.store if in_store else None, enrolled)
    if picture:
        picture.parent.mkdir(parents=True, exist_ok=True)
        draw_beliefs(learned).save(picture)
    if as_json:
        print(json.dumps(learned.plain(), ensure_ascii=False))
        return
    for line in lines(learned):
        console.print(escape(line))
    if picture:
        console.print(f"written to {picture}")


@app.command("export")
def export_(
    name: UserId,
    out: Annotated[Path | None, typer.Option(help="File to write (default: USER.json).")] = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Export everything that is known of a user to one readable file."""
    from steer.users.exchange import export_user, write_export

    teaching = _teaching(store, config, settings)
    teaching.store.user(name)
    path = out or Path(f"{name}.json")
    write_export(export_user(teaching.store, name, [teaching.teacher(name).key]), path)
    console.print(f"written to {path}")


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(help="An exported file, or a data set of ratings (read-only people).")],
    name: Annotated[str | None, typer.Option("--as", help="New id for the user of an exported file.")] = None,
    kind: Kind = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Import a user from an exported file, or everybody from a data set."""
    from steer.users.exchange import import_people, import_user

    path, teaching = Path(source), _teaching(store, config, settings)
    if path.is_file() and path.suffix == ".json":
        console.print(f"imported {import_user(teaching.store, path, name).id}")
    elif path.exists():
        count = import_people(teaching.store, source, kind, teaching.teacher(source))
        console.print(f"imported {count} people of {source}, read-only")
    else:
        raise UsageError(f"there is no file or folder '{source}'")


@app.command()
def delete(
    name: UserId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    runs: Annotated[
        Path, typer.Option(help="Folder of runs to search for traces of the user; nothing in it is deleted.")
    ] = Path("outputs"),
    store: Store = None,
) -> None:
    """Delete everything the database holds of a user, and list the runs that still mention them."""
    from steer.users.store import UserStore
    from steer.users.traces import runs_of

    users = UserStore(store)
    known = users.user(name)
    if not yes and not typer.confirm(f"delete {name} with {known.ratings} ratings and {known.choices} choices?"):
        raise typer.Exit(1)
    deleted = users.delete(name)
    console.print(f"deleted {name}: " + ", ".join(f"{n} {what}" for what, n in deleted.items()))
    for folder in runs_of(name, runs):
        console.print(f"  their name and scores remain in the run {folder}")


@dataclass(frozen=True)
class _Teaching:
    """The users of a store and the config whose reward model learns their taste; models are loaded on first use."""

    store: UserStore
    config: SteerConfig

    @cached_property
    def parts(self) -> Parts:
        return _parts(self.config, self.store)

    @property
    def reward(self) -> RewardModel:
        return self.parts.reward

    def teacher(self, name: str) -> Teacher:
        """The reward's teacher. Raises UsageError for a reward that learns no new people."""
        from steer.users.enrolment import teacher_of

        return teacher_of(self.reward, name)

    @cached_property
    def trained(self) -> list[str]:
        """Ids of the people the reward was trained on, read from its file without loading it; empty if it has none."""
        from steer.resources import shipped_reward

        reward = self.config.reward
        folder = shipped_reward(reward.model) or Path(reward.model)
        try:
            saved = json.loads((folder / "config.json").read_text())
            people: list[str] = saved.get("architecture", saved)["people"]
        except (OSError, ValueError, KeyError):
            return []
        return people

    def check_free(self, name: str) -> None:
        """Raise UsageError for the id of a person the reward was trained on, in any case."""
        if name.lower() in {person.lower() for person in self.trained}:
            raise UsageError(f"'{name}' is a person of the reward's data set and is read-only; take another id")

    def demographics(self, name: str, about: Sequence[str] | None) -> dict[str, str]:
        """``--about key=value`` as a mapping. Raises UsageError for what the reward does not know."""
        facts = dict(_fact(text) for text in about or ())
        known = self.teacher(name).fields if facts else {}
        for key, value in facts.items():
            if key not in known:
                fields = ", ".join(known) or "nothing but ratings"
                raise UsageError(f"the reward does not know '{key}' of people; it knows {fields}")
            if value not in known[key]:
                raise UsageError(f"the reward does not know the {key} '{value}'; it knows {', '.join(known[key])}")
        return facts


def _teaching(store: Path | None, config: str, settings: Sequence[str] | None) -> _Teaching:
    from steer.config import load_config
    from steer.users.store import UserStore

    loaded = load_config(config, settings or (), typed_as="--set")
    return _Teaching(UserStore(store), loaded)


def _parts(config: SteerConfig, store: UserStore) -> Parts:
    from steer.cli.progress import no_library_bars

    no_library_bars()
    from steer.parts import Parts

    return Parts(config, store=store)


def _fact(text: str) -> tuple[str, str]:
    key, _, value = (part.strip() for part in text.partition("="))
    if not key or not value:
        raise UsageError(f"--about '{text}' has no value; write it as age_binned=30-39")
    return key, value


def _next_step(name: str, count: int, profile: str | None, about: Sequence[str] | None) -> str:
    if count >= ENOUGH_RATINGS:
        return f"'steer run --user {name} --prompt ...' steers for them"
    given = [kind for kind, value in (("words", profile), ("demographics", about)) if value]
    so_far = f" (what it knows from {' and '.join(given)} is uncertain)" if given else ""
    return f"'steer user rate {name}' teaches their taste in two minutes{so_far}"


def _interview(teaching: _Teaching, name: str, pictures: Path | None, render: int | None) -> Interview:
    from steer.cli.progress import loading
    from steer.lexicon import Lexicon
    from steer.users.interview import Interview
    from steer.users.pictures import drawn_for, pictures_in, shipped_pictures

    if pictures is not None and render is not None:
        raise UsageError("give --pictures or --render, not both")
    with loading(quiet=False, large=False):
        if render is not None:
            questions = drawn_for(teaching.parts.renderer, Lexicon.load(teaching.config.proposer.lexicon), render)
        else:
            questions = pictures_in(pictures) if pictures else shipped_pictures()
        return Interview(teaching.store, teaching.reward, name, questions)
