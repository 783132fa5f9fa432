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
from steer.cli.console import console, print_line
from steer.cli.options import AsJson, Browser, Config, Host, Port, Settings, Store, UserId
from steer.cli.paths import named
from steer.cli.teaching import Teaching
from steer.cli.user_pictures import Disliked, Keep, Liked, add_folders, chart_file, interview_of, save_chart
from steer.cli.user_share import share
from steer.config import DEFAULT
from steer.errors import SteerError, UsageError
from steer.web.address import LOOPBACK

if TYPE_CHECKING:
    from steer.config import SteerConfig
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
    liked: Liked = None,
    disliked: Disliked = None,
    keep: Keep = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Add a user, with ratings, pictures you like, a profile in words or demographics; all are optional."""
    from steer.users.exchange import rate_from_csv
    from steer.users.ids import check_id
    from steer.users.liked import ENOUGH_LIKED, rate_folders, read_folders

    check_id(name)
    teaching = Teaching.open(store, config, settings)
    teaching.check_free(name)
    teaching.store.check_free(name)
    folders = read_folders(liked and named(liked), disliked and named(disliked)) if liked or disliked else None
    with teaching.store.together():
        teaching.store.add(name, teaching.demographics(name, about), profile or "", keep_pictures=bool(keep))
        count = rate_from_csv(teaching.store, teaching.teacher(name), name, ratings) if ratings else 0
        if folders:
            rate_folders(teaching.store, None if keep else teaching.teacher(name), name, folders)
    told = [counted(count, "rating")] if count else []
    told += [folders.said] if folders else []
    console.print(f"added {name}{' with ' + ', '.join(told) if told else ''}")
    _print_understood(teaching, profile)
    enough = count >= ENOUGH_RATINGS or (folders is not None and len(folders.pictures) >= ENOUGH_LIKED)
    console.print(_next_step(name, enough, profile, about, teaching.config))


@app.command()
def describe(
    name: UserId,
    about: About = None,
    profile: Profile = None,
    keep: Keep = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Change a user's profile or demographics. What you do not give stays as it is."""
    if about is None and profile is None and keep is None:
        raise UsageError("nothing to change; give --profile, --about or --keep-pictures")
    teaching = Teaching.open(store, config, settings)
    teaching.stored(name)
    teaching.store.describe(name, teaching.demographics(name, about) if about is not None else None, profile)
    if keep is not None:
        teaching.store.set_keep_pictures(name, keep)
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
    liked: Liked = None,
    disliked: Disliked = None,
    keep: Keep = None,
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
    and stops asking, unless you choose to keep going. With --liked or --disliked it asks nothing: the pictures of these
    folders are added to what it knows.
    """
    from steer.users.ids import check_id
    from steer.web import need_gradio

    check_id(name)
    folders = liked is not None or disliked is not None
    if folders and (pictures is not None or render is not None or pairs or terminal):
        raise UsageError("--liked and --disliked ask nothing; leave out --pictures, --render, --pairs and --terminal")
    if pictures is not None and render is not None:
        raise UsageError("give --pictures or --render, not both")
    teaching = Teaching.open(store, config, settings)
    if (known := teaching.store.get(name)) is None:
        teaching.check_free(name)
        teaching.store.begin(name, keep_pictures=bool(keep))
    elif known.source:
        raise UsageError(f"'{name}' was imported from {known.source} and is read-only")
    if folders:
        add_folders(teaching, name, liked, disliked, keep)
        return
    if not terminal:  # said now, not after minutes of rendering
        need_gradio("; or rate with --terminal")
    if known is not None and keep is not None:
        teaching.store.set_keep_pictures(name, keep)
    interview = interview_of(teaching, name, pictures, render)
    if terminal:
        from steer.users.terminal import ask

        ask(interview, pairs, console)
    else:
        from steer.web import Address, serve_rating

        serve_rating(interview, pairs, Address(host, port, browser), console)
    if name in teaching.store.ids():
        console.print(f"{interview.progress()}. See what steer has learned: steer user show {name}", markup=False)
    else:
        console.print(f"no ratings, so the user '{name}' was not created", markup=False)


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

    if picture:
        chart_file(picture)
    teaching = Teaching.open(store, config, settings)
    roster = teaching.parts.roster
    roster.person(name)
    stored = None if name in trained_people(teaching.reward) else teaching.store.get(name)
    enrolled = roster.learn(name) if stored else None
    lexicon = Lexicon.load(teaching.config.proposer.lexicon)
    learned = beliefs(teaching.reward, name, lexicon, teaching.store if stored else None, enrolled)
    phrases = understood(teaching.reward, teaching.config.reward.model, stored.profile) if stored else []
    if picture:
        save_chart(draw_beliefs(learned), picture)
    if as_json:
        told: dict[str, object] = {}
        if stored:
            told = {"demographics": stored.demographics, "profile": stored.profile}
            told |= {"keep_pictures": stored.keep_pictures, "kept_pictures": stored.thumbnails}
        print_line(json.dumps({**learned.plain(), **told, "phrases": [asdict(p) for p in phrases]}, ensure_ascii=False))
        return
    first, *others = lines(learned)
    about = _about(stored, phrases) if stored else [f"a person of the reward '{teaching.config.reward.model}'"]
    for line in [first, *about, *others]:
        console.print(escape(line))
    if picture:
        console.print(f"written to {picture}", markup=False)


app.command()(share)
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
    if stored.keep_pictures:
        found.append(f"small copies of the rated pictures are kept: {stored.thumbnails}")
    if stored.shares:
        found.append("may be part of data sets: ratings" + (" and facts" if stored.shares == "about" else ""))
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


def _next_step(name: str, enough: bool, profile: str | None, about: Sequence[str] | None, config: SteerConfig) -> str:
    if config.reward.kind == "prompted" and (profile or enough):
        return f"next: steer run --config {config.name} --user {name} --prompt ..."
    if enough:
        return f"next: steer run --user {name} --prompt ..."
    given = [kind for kind, value in (("words", profile), ("demographics", about)) if value]
    why = f"; {' and '.join(given)} alone say little" if given else ""
    return f"next: steer user rate {name}  (about twenty pictures, two minutes{why})"
