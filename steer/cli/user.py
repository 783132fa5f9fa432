"""``steer user``: the people to steer for, in a local database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from reward_models.plural import counted
from steer.cli import user_store
from steer.cli.console import console
from steer.cli.options import AsJson, Browser, Config, Host, Port, Settings, Store, UserId
from steer.cli.teaching import Teaching
from steer.config import DEFAULT
from steer.errors import SteerError, UsageError
from steer.web.address import LOOPBACK

if TYPE_CHECKING:
    from steer.config import SteerConfig
    from steer.users.interview import Interview
    from steer.users.profile import Phrase
    from steer.users.records import User

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
    """Users to steer for: teach steer your taste, look at what it learned, change it, delete it."""


app.command("list")(user_store.list_)


@app.command()
def add(
    name: UserId,
    about: About = None,
    profile: Profile = None,
    ratings: Annotated[
        Path | None, typer.Option(help="A csv file with the columns picture, score (1-5) and, optionally, prompt.")
    ] = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Add a user, with ratings, a profile in words or demographics; all are optional."""
    from steer.users.exchange import rate_from_csv

    teaching = Teaching.open(store, config, settings)
    teaching.check_free(name)
    with teaching.store.together():
        teaching.store.add(name, teaching.demographics(name, about), profile or "")
        count = rate_from_csv(teaching.store, teaching.teacher(name), name, ratings) if ratings else 0
    with_ratings = f" with {counted(count, 'rating')}" if count else ""
    console.print(f"added {name}{with_ratings}")
    _print_understood(teaching, profile)
    console.print(_next_step(name, count, profile, about, teaching.config))


@app.command()
def describe(
    name: UserId,
    about: About = None,
    profile: Profile = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Change a user's profile or demographics. What you do not give stays as it is."""
    if about is None and profile is None:
        raise UsageError("nothing to change; give --profile or --about")
    teaching = Teaching.open(store, config, settings)
    teaching.stored(name)
    teaching.store.describe(name, teaching.demographics(name, about) if about is not None else None, profile)
    console.print(f"changed {name}")
    _print_understood(teaching, profile)


@app.command()
def rate(
    name: Annotated[str, typer.Argument(metavar="USER", help="User id; a new one is created with the first rating.")],
    pictures: Annotated[
        Path | None,
        typer.Option(help="A folder of pictures, or of a run (default: pictures that ship with the miniature)."),
    ] = None,
    render: Annotated[
        int | None, typer.Option(help="Render this many new pictures to rate instead.", min=8, max=200)
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Choose between two pictures instead of rating one.")] = False,
    terminal: Annotated[bool, typer.Option("--terminal", help="Rate in the terminal, without a browser.")] = False,
    host: Host = LOOPBACK,
    port: Port = 0,
    browser: Browser = True,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Teach steer your taste by rating pictures in the browser.

    You are always shown the picture whose rating tells most. After about twenty, more would change little: it says so
    and stops asking, unless you choose to keep going.
    """
    from steer.users.ids import check_id

    check_id(name)
    teaching = Teaching.open(store, config, settings)
    if teaching.store.get(name) is None:
        teaching.check_free(name)
        teaching.store.begin(name)
    interview = _interview(teaching, name, pictures, render)
    if terminal:
        from steer.users.terminal import ask

        ask(interview, pairs, console)
    else:
        from steer.web import Address, serve_rating

        serve_rating(interview, pairs, Address(host, port, browser), console)
    if name in teaching.store.ids():
        console.print(f"{interview.progress()}. See what steer has learned: steer user show {name}")
    else:
        console.print(f"no ratings, so the user '{name}' was not created")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="USER", help="User id, or the id of a person the reward model was trained on.")
    ],
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
    picture: Annotated[Path | None, typer.Option(help="Also draw a chart to this PNG file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what steer has learned about a user's taste, how certain it is, and who has a similar taste.

    The numbers say how much more this user likes a phrase than the others of its kind, with a 95% interval.
    """
    from steer.lexicon import Lexicon
    from steer.report.beliefs import draw_beliefs, lines
    from steer.users.beliefs import beliefs
    from steer.users.enrolment import trained_people
    from steer.users.profile import understood

    teaching = Teaching.open(store, config, settings)
    roster = teaching.parts.roster
    roster.person(name)
    stored = None if name in trained_people(teaching.reward) else teaching.store.get(name)
    enrolled = roster.learn(name) if stored else None
    lexicon = Lexicon.load(teaching.config.proposer.lexicon)
    learned = beliefs(teaching.reward, name, lexicon, teaching.store if stored else None, enrolled)
    phrases = understood(teaching.reward, teaching.config.reward.model, stored.profile) if stored else []
    if picture:
        picture.parent.mkdir(parents=True, exist_ok=True)
        draw_beliefs(learned).save(picture)
    if as_json:
        told = {"demographics": stored.demographics, "profile": stored.profile} if stored else {}
        print(json.dumps({**learned.plain(), **told, "phrases": [asdict(p) for p in phrases]}, ensure_ascii=False))
        return
    first, *others = lines(learned)
    about = _about(stored, phrases) if stored else [f"a person of the reward '{teaching.config.reward.model}'"]
    for line in [first, *about, *others]:
        console.print(escape(line))
    if picture:
        console.print(f"written to {picture}")


app.command()(user_store.rename)
app.command()(user_store.reset)
app.command("export")(user_store.export_)
app.command("import")(user_store.import_)
app.command()(user_store.delete)


def _about(stored: User, phrases: list[Phrase]) -> list[str]:
    """What a user of the store told, as lines."""
    from steer.users.profile import profile_lines

    found = [f"{counted(stored.ratings, 'rating')}, {counted(stored.choices, 'choice')}"]
    if stored.source:
        found[0] += f", imported from '{stored.source}' (read-only)"
    if stored.demographics:
        found.append("about: " + ", ".join(f"{key}={value}" for key, value in stored.demographics.items()))
    if stored.profile:
        found += [f"profile: {stored.profile}", *(f"  {line}" for line in profile_lines(phrases))]
    return found


def _print_understood(teaching: Teaching, profile: str | None) -> None:
    """Say how the reward model reads a profile, if it is at hand."""
    from steer.users.profile import profile_lines, understood

    if not profile:
        return
    if teaching.config.reward.kind == "prompted":  # nothing needs to be loaded to say so
        console.print("  the reward is told these words as they are")
        return
    try:
        phrases = understood(teaching.reward, teaching.config.reward.model, profile)
    except SteerError as error:
        console.print(f"  cannot tell how the reward reads the profile: {escape(str(error))}")
        return
    for line in profile_lines(phrases) or ["this reward reads no texts, so the profile has no effect on it"]:
        console.print(escape(f"  {line}"))


def _next_step(name: str, count: int, profile: str | None, about: Sequence[str] | None, config: SteerConfig) -> str:
    if config.reward.kind == "prompted" and (profile or count):
        return f"next: steer run --config {config.name} --user {name} --prompt ..."
    if count >= ENOUGH_RATINGS:
        return f"next: steer run --user {name} --prompt ..."
    given = [kind for kind, value in (("words", profile), ("demographics", about)) if value]
    why = f"; {' and '.join(given)} alone say little" if given else ""
    return f"next: steer user rate {name}  (about twenty pictures, two minutes{why})"


def _interview(teaching: Teaching, name: str, pictures: Path | None, render: int | None) -> Interview:
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
