"""steer user: the people of the local store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from steer.config import DEFAULT
from steer.errors import UsageError

app = typer.Typer(help="People: teach steer your taste, look at it, correct it, take it away.", no_args_is_help=True)
console = Console(soft_wrap=True, highlight=False)

Store = Annotated[
    Path | None, typer.Option("--store", help="The store's file; else STEER_USERS, else the platform's folder.")
]
Config = Annotated[str, typer.Option("--config", help="Preset or YAML file whose reward model is taught.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="Change a setting: --set reward=miniature/linear-hidden. Repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
About = Annotated[
    list[str] | None,
    typer.Option("--about", help="What you like to say of yourself, for example age_binned=30-39; all optional."),
]
Profile = Annotated[
    str | None, typer.Option("--profile", help='Your taste in words: "warm light, empty space, no neon".')
]


@app.callback()
def user() -> None:
    """People: teach steer your taste, look at it, correct it, take it away."""


@app.command("list")
def list_(
    like: Annotated[str, typer.Argument(help="Only ids that contain this.")] = "",
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Who can be steered for: your users, and the people the reward model was trained on (read-only)."""
    from steer.users.store import UserStore

    people = UserStore(store).users(like)
    trained = [p for p in _trained(config, settings) if like.lower() in p.lower()]
    if as_json:
        rows = [{**vars(p), "read_only": bool(p.source)} for p in people]
        print(json.dumps({"users": rows, "of_the_reward": trained}, ensure_ascii=False))
        return
    for p in people:
        of = f"  from {p.source}, read-only" if p.source else ""
        print(f"{p.id:20s} {p.ratings:5d} ratings {p.choices:5d} choices{of}")
    if not people:
        console.print("no users yet; 'steer user rate me' begins one")
    if trained:
        console.print(f"and {len(trained)} people of the reward's data set: {', '.join(trained[:6])} ... (read-only)")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The new user's id.")],
    about: About = None,
    profile: Profile = None,
    ratings: Annotated[Path | None, typer.Option(help="A csv with picture, score (1-5) and, if known, prompt.")] = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """A new user; from ratings, from words, from demographics, or from nothing yet."""
    from steer.users.store import UserStore

    _check_free(name, config, settings)
    people = UserStore(store)
    with people.together():
        people.add(name, _pairs(about, config, settings), profile or "")
        count = _from_csv(people, name, ratings, config, settings) if ratings else 0
    console.print(
        f"added {name}" + (f" with {count} ratings" if count else "") + _next_step(name, count, profile, about)
    )


@app.command()
def describe(
    name: Annotated[str, typer.Argument(help="Whom.")],
    about: About = None,
    profile: Profile = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Change what a user says of themselves; what is not given stays."""
    from steer.users.store import UserStore

    UserStore(store).describe(name, _pairs(about, config, settings) if about is not None else None, profile)
    console.print(f"changed {name}")


@app.command()
def rate(
    name: Annotated[str, typer.Argument(help="Who rates; begun where new.")],
    pictures: Annotated[
        Path | None, typer.Option(help="A folder of pictures or a run's; else those that ship with the miniature.")
    ] = None,
    render: Annotated[int | None, typer.Option(help="Draw so many pictures for the purpose.", min=8, max=200)] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Which of two, instead of a slider.")] = False,
    terminal: Annotated[bool, typer.Option("--terminal", help="Without a browser.")] = False,
    port: Annotated[
        int, typer.Option(help="Of the page, on this machine alone; 0: any free one.", min=0, max=65535)
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """Teach your taste in a page in the browser: the next picture is the one that tells most; it ends by itself."""
    from steer.users.ids import check_id
    from steer.users.store import UserStore

    check_id(name)
    people = UserStore(store)
    if people.get(name) is None:
        _check_free(name, config, settings)
        people.add(name)
    interview = _interview(people, name, pictures, render, config, settings)
    if terminal:
        from steer.users.terminal import ask

        ask(interview, pairs, console)
    else:
        from steer.web import serve_rating

        serve_rating(interview, pairs, port, browser, console)
    console.print(f"{interview.progress()}; 'steer user show {name}' says what it believes")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Whom; also people of the reward's data set.")],
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
    picture: Annotated[Path | None, typer.Option(help="Write it as a PNG here.")] = None,
    as_json: AsJson = False,
) -> None:
    """What the model believes: likes and dislikes with intervals, nearest people, surprises, how sure it is."""
    from steer.cli.progress import no_library_bars
    from steer.config import load_config
    from steer.lexicon import Lexicon
    from steer.users.beliefs import beliefs
    from steer.users.store import UserStore

    no_library_bars()
    from steer.steerer import Steerer

    people = UserStore(store)
    steerer = Steerer(load_config(config, settings or ()), store=people)
    steerer.person(name)
    own = people.get(name)
    enrolled = steerer.enrol(name) if own else None
    found = beliefs(
        steerer.personal, name, Lexicon.load(steerer.config.proposer.lexicon), people if own else None, enrolled
    )
    if picture:
        from steer.report.beliefs import draw_beliefs

        picture.parent.mkdir(parents=True, exist_ok=True)
        draw_beliefs(found).save(picture)
    if as_json:
        print(json.dumps(found.plain(), ensure_ascii=False))
        return
    from steer.report.beliefs import lines

    for line in lines(found):
        console.print(escape(line))
    if picture:
        console.print(f"written to {picture}")


@app.command("export")
def export_(
    name: Annotated[str, typer.Argument(help="Whom.")],
    out: Annotated[Path | None, typer.Option(help="The file; else NAME.json.")] = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """All that is known of a user as one readable file."""
    from steer.users.exchange import export_user, write_export
    from steer.users.store import UserStore

    people = UserStore(store)
    people.user(name)
    path = out or Path(f"{name}.json")
    write_export(export_user(people, name, [_reward(config, settings).picture_encoder.fingerprint()]), path)
    console.print(f"written to {path}")


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(help="An exported file, or a data set of ratings (read-only people).")],
    name: Annotated[str | None, typer.Option("--as", help="Another id, of an exported file.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Of a data set: pamela, para or lapis; found where not given.")
    ] = None,
    store: Store = None,
    config: Config = DEFAULT,
    settings: Settings = None,
) -> None:
    """A user from their exported file, or everybody of a data set."""
    from steer.users.exchange import import_people, import_user
    from steer.users.store import UserStore

    path, people = Path(source), UserStore(store)
    if path.is_file() and path.suffix == ".json":
        console.print(f"imported {import_user(people, path, name).id}")
    elif path.exists():
        console.print(
            f"imported {import_people(people, source, kind, _reward(config, settings))} people of {source}, read-only"
        )
    else:
        raise UsageError(f"there is no file or folder '{source}'")


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="Whom.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    runs: Annotated[Path, typer.Option(help="Where runs lie, to say what remains in them.")] = Path("outputs"),
    store: Store = None,
) -> None:
    """Remove every trace of a user from the store, and say what remains in old runs."""
    from steer.users.store import UserStore
    from steer.users.traces import runs_of

    people = UserStore(store)
    known = people.user(name)
    if not yes and not typer.confirm(f"delete {name} with {known.ratings} ratings and {known.choices} choices?"):
        raise typer.Exit(1)
    gone = people.delete(name)
    console.print("deleted " + name + ": " + ", ".join(f"{n} {what}" for what, n in gone.items()))
    for folder in runs_of(name, runs):
        console.print(f"  their name and scores remain in the run {folder}")


def _pairs(about: list[str] | None, config: str, settings: list[str] | None) -> dict[str, str]:
    found = {}
    for pair in about or []:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise UsageError(f"--about '{pair}' has no value; write it as age_binned=30-39")
        found[key.strip()] = value.strip()
    if found:
        known = _reward(config, settings).vocabulary()
        for key, value in found.items():
            if key not in known:
                raise UsageError(
                    f"the reward knows no '{key}' of people; it knows {', '.join(known) or 'nothing but ratings'}"
                )
            if value not in known[key]:
                raise UsageError(f"'{value}' is no {key} the reward knows; it knows {', '.join(known[key])}")
    return found


def _next_step(name: str, count: int, profile: str | None, about: list[str] | None) -> str:
    if count >= 10:
        return f"; 'steer run --user {name} --prompt ...' steers for them"
    known = [w for w, there in (("words", profile), ("demographics", about)) if there]
    so_far = f" (what it knows from {' and '.join(known)} is unsure)" if known else ""
    return f"; 'steer user rate {name}' teaches their taste in two minutes{so_far}"


def _from_csv(people: Any, name: str, path: Path, config: str, settings: list[str] | None) -> int:
    from steer.users.exchange import rate_from_csv

    return rate_from_csv(people, _reward(config, settings), name, path)


def _interview(
    people: Any, name: str, pictures: Path | None, render: int | None, config: str, settings: list[str] | None
) -> Any:
    from steer.cli.progress import loading
    from steer.config import load_config
    from steer.users.interview import Interview
    from steer.users.pictures import drawn_for, pictures_in, shipped_pictures

    with loading(quiet=False, large=False):
        from steer.steerer import Steerer

        steerer = Steerer(load_config(config, settings or ()), store=people)
        if pictures is not None and render is not None:
            raise UsageError("give --pictures or --render, not both")
        if render is not None:
            questions = drawn_for(steerer, name, render)
        else:
            questions = pictures_in(pictures) if pictures else shipped_pictures()
        return Interview(people, steerer.personal, name, questions)


def _reward(config: str, settings: list[str] | None) -> Any:
    from steer.cli.progress import no_library_bars
    from steer.config import load_config

    no_library_bars()
    from steer.steerer import Steerer

    return Steerer(load_config(config, settings or ())).personal


def _trained(config: str, settings: list[str] | None) -> list[str]:
    """Ids of the people a preset's reward was trained on, read from its file: fast, and nothing where it is not at hand."""
    from steer.config import load_config
    from steer.resources import shipped_reward

    reward = load_config(config, settings or ()).reward
    folder = shipped_reward(reward.model) or Path(reward.model)
    try:
        told = json.loads((folder / "config.json").read_text())
        people: list[str] = told.get("architecture", told)["people"]
    except (OSError, ValueError, KeyError):
        return []
    return people


def _check_free(name: str, config: str, settings: list[str] | None) -> None:
    if name.lower() in {p.lower() for p in _trained(config, settings)}:
        raise UsageError(f"'{name}' is a person of the reward's data set and is read-only; take another id")
