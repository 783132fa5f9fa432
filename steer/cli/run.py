"""``steer run`` and ``steer resume``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from steer.cli import completion
from steer.cli.console import Console, console, print_line
from steer.cli.options import AsJson, Browser, Budget, Config, Host, Out, Port, Seed, Settings, User
from steer.cli.paths import named
from steer.cli.who import default_users
from steer.config import DEFAULT
from steer.config.strength import StrengthName
from steer.errors import UsageError
from steer.web.address import LOOPBACK, Address

if TYPE_CHECKING:
    from steer.cli.answering import TerminalAnswers
    from steer.cli.progress import Progress
    from steer.config import SteerConfig
    from steer.result import Result
    from steer.steerer import Steerer
    from steer.store.origin import Origin
    from steer.web.live import LivePage

Text = Annotated[str | None, typer.Argument(metavar="PROMPT", help="What to draw.", show_default=False)]
Prompt = Annotated[str | None, typer.Option("--prompt", "-p", metavar="PROMPT", help="The same as the argument.")]
NotUser = Annotated[
    list[str] | None,
    typer.Option("--not-user", metavar="NAME", help="User whose taste to steer away from. Repeatable."),
]
Together = Annotated[
    Literal["mean", "worst"] | None,
    typer.Option(
        "--together",
        help="With several users, maximise their mean liking (mean, the default) or the liking of the one who likes "
        "it least (worst).",
    ),
]
As = Annotated[
    list[str] | None,
    typer.Option(
        "--as",
        metavar="FIELD=VALUE",
        help="Instead of --user: steer for a group of people, for example age_binned=40-49. Repeat it for several "
        "facts of one group.",
    ),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="PICTURE",
        help="Continue from a picture, or from the best one of a run's folder: its text and seed, which are in its "
        "metadata, are drawn first, beside the prompt. Without a PROMPT, its own prompt is used.",
        autocompletion=completion.run_folders,
    ),
]
Page = Annotated[
    bool, typer.Option("--page", help="Show the pictures live in the browser and rate them there (extra: page).")
]
Ask = Annotated[
    int | None,
    typer.Option(
        "--ask",
        metavar="N",
        min=0,
        max=20,
        help="Let the run ask you up to N questions about its pictures where your answer is worth most. It goes on "
        "meanwhile, and alone where you do not answer.",
        show_default=False,
    ),
]
Learn = Annotated[bool, typer.Option("--learn", help="Let ratings given on the page steer the rest of the run.")]
Strength = Annotated[
    StrengthName | None,
    typer.Option(
        "--strength",
        metavar="LEVEL",
        help="How far rewrites may leave the prompt: light changes only the lighting, gentle keeps every word, free "
        "(default) keeps the subject, surprise goes furthest.",
    ),
]
ShowRewrites = Annotated[
    bool, typer.Option("--show-rewrites", help="Print the rewrites of each round, and why others were dropped.")
]
NoRewrite = Annotated[bool, typer.Option("--no-rewrite", help="Render only the prompt itself; keep the best picture.")]


def run(
    text: Text = None,
    prompt: Prompt = None,
    user: User = None,
    budget: Budget = None,
    config: Config = DEFAULT,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
    strength: Strength = None,
    show_rewrites: ShowRewrites = False,
    no_rewrite: NoRewrite = False,
    not_user: NotUser = None,
    as_: As = None,
    together: Together = None,
    picture: From = None,
    page: Page = False,
    host: Host = LOOPBACK,
    port: Port = 0,
    browser: Browser = True,
    learn: Learn = False,
    ask: Ask = None,
    settings: Settings = None,
) -> None:
    """Draw one prompt for one user.

    steer run "a lighthouse by the sea" --user u17

    steer run "a fox" --user u17 --budget 24 --strength light --set renderer=painter

    The prompt is rendered as it is and in rewrites; the picture that the user should like best wins.

    Exit code 0; 1 if the run failed or was interrupted; 2 for wrong input.
    """
    from steer.cli.answering import check_answers
    from steer.config import load_config
    from steer.judging.audience import Audience
    from steer.users.group import facts_of, group_name
    from steer.words import check_prompt

    if text is not None and prompt is not None:
        raise UsageError(f"there are two prompts, '{text}' and --prompt '{prompt}'; give one")
    origin = None if picture is None else _origin(picture)
    typed = text if prompt is None else prompt
    wanted = check_prompt(_given(origin.prompt if typed is None and origin else typed))  # before models are loaded
    address = Address(host, port, browser)
    if not page and address != Address():
        raise UsageError("--host, --port and --no-browser belong to --page")
    flags = [f"search.strength={strength}"] if strength is not None else []
    flags += ["search.rewrite=false"] if no_rewrite else []
    flags += [f"objective.together={together}"] if together is not None else []
    flags += ["search.learn=true"] if learn else []
    flags += [f"search.ask={ask}"] if ask is not None else []
    loaded = load_config(config, [*(settings or ()), *flags], typed_as="--set")
    check_answers(loaded.search.ask, page, as_json)
    if user and as_:
        raise UsageError("--user names a person and --as a group; give one of them")
    users, whence = (user, "") if user else ([group_name(facts_of(as_))], "") if as_ else default_users()
    if both := [u for u in not_user or () if u in users]:
        raise UsageError(f"'{both[0]}' is both --user and --not-user; a picture cannot be for and against one taste")
    audience = str(Audience(tuple(users), tuple(not_user or ())))
    _check_users(loaded, audience)
    start = None
    if origin is not None:
        if no_rewrite:
            raise UsageError("--from draws the picture's text beside the prompt, and --no-rewrite the prompt alone")
        start = origin.start
        if not as_json and (other := origin.drawn_otherwise(loaded.renderer)):
            console.print(other, markup=False)
    if whence and not as_json:
        console.print(f"drawing for {', '.join(users)} ({whence})", markup=False)
    served = address if page else None
    _drive(loaded, as_json, lambda s: s.run(wanted, audience, budget, seed, out, start), show_rewrites, served)


def _origin(path: Path) -> Origin:
    """Of a picture, or of the best one in a run's folder."""
    from steer.report.stored import read_result
    from steer.store.origin import origin_of

    if not named(path).is_dir():
        return origin_of(path)
    best = read_result(path)["picture"]
    if best is None:
        raise UsageError(f"--from: the run in '{path}' made no picture")
    return origin_of(path / best)


def _check_users(config: SteerConfig, audience: str) -> None:
    """Before anything is loaded or fetched."""
    from steer.users.known import check_users
    from steer.users.store import UserStore

    check_users(UserStore(), config.reward, audience)


def _given(prompt: str | None) -> str:
    if prompt is None:
        raise UsageError('there is no prompt; say what to draw, for example: steer run "a fox in the snow"')
    return prompt


def resume(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Folder of the run, batch or study.", autocompletion=completion.made_folders
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Resume an interrupted run, batch or study; nothing is rendered twice."""
    from steer.cli.batch import resume_batch
    from steer.cli.folders import kind_of
    from steer.cli.show import print_result_of
    from steer.cli.study import resume_study
    from steer.steerer import Steerer
    from steer.store.run_folder import RunFolder

    kind = kind_of(folder)
    if kind == "batch":
        return resume_batch(folder, as_json)
    if kind == "study":
        return resume_study(folder, as_json)
    opened = RunFolder.open(folder)
    if opened.stopped and opened.stopped != "INTERRUPTED" and (folder / "result.json").exists():
        return print_result_of(folder, as_json)
    _drive(Steerer.config_of(folder), as_json, lambda s: s.resume(folder))


def _drive(
    config: SteerConfig,
    as_json: bool,
    action: Callable[[Steerer], Result],
    show_rewrites: bool = False,
    page: Address | None = None,
) -> None:
    """Load the models, do ``action`` and print its result. Raises typer.Exit(1) for an interrupted or empty run."""
    from steer.cli.progress import Progress, loading, loads_large
    from steer.report import summary
    from steer.types import StopReason

    with loading(quiet=as_json, large=loads_large(config)):
        from steer.steerer import Steerer

        progress = Progress(quiet=as_json, show_rewrites=show_rewrites)
        steerer = Steerer(config, listeners=[progress])
        if config.search.ask and not page and not as_json and sys.stdin.isatty():
            steerer.listeners.append(_in_terminal(progress))
        _ = steerer.parts.reward, steerer.parts.renderer
        page_console = Console(stderr=as_json, soft_wrap=True, highlight=False)  # JSON has standard output to itself
        live = _live_page(steerer, page, page_console) if page else None
    with progress:
        result = action(steerer)
    if as_json:
        print_line(json.dumps(summary(result), ensure_ascii=False))
    else:
        from steer.cli.show import print_result

        print_result(result)
    if live:
        live.stay(page_console)
    if result.stop is StopReason.INTERRUPTED or result.best is None:
        raise typer.Exit(1)


def _in_terminal(progress: Progress) -> TerminalAnswers:
    from steer.cli.answering import TerminalAnswers
    from steer.cli.show import show_in_terminal

    return TerminalAnswers(progress.bar.console, show_in_terminal)


def _live_page(steerer: Steerer, address: Address, console: Console) -> LivePage:
    from steer.web import live_page

    page: LivePage = live_page(steerer.parts)
    steerer.listeners.append(page)
    page.begin(console, address)
    return page
