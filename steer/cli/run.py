"""``steer run`` and ``steer resume``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steer.cli.options import AsJson, Budget, Config, Out, Seed, Settings, User
from steer.config import DEFAULT

if TYPE_CHECKING:
    from steer.config import SteerConfig
    from steer.steerer import Steerer
    from steer.types import Result
    from steer.web.live import LivePage

Prompt = Annotated[
    str, typer.Option("--prompt", "-p", help="What to draw. The prompt stays as it is; rewrites are tried beside it.")
]
NotUser = Annotated[
    list[str] | None, typer.Option("--not-user", help="User whose taste to steer away from. Repeatable.")
]
Together = Annotated[
    str | None,
    typer.Option(
        "--together", help="How to combine several users: mean (default), or worst, the user who likes it least."
    ),
]
Page = Annotated[
    bool, typer.Option("--page", help="Show the pictures live in the browser, to rate there (extra page).")
]
Learn = Annotated[bool, typer.Option("--learn", help="Let ratings given on the page steer the rest of the run.")]
Strength = Annotated[
    str | None,
    typer.Option(
        "--strength",
        help="How far rewrites may leave the prompt: light (only the lighting), gentle, free (default), surprise.",
    ),
]
ShowRewrites = Annotated[
    bool, typer.Option("--show-rewrites", help="Print the rewrites of each round, and why others were dropped.")
]
NoRewrite = Annotated[
    bool, typer.Option("--no-rewrite", help="Render only the prompt itself and keep the best picture.")
]


def run(
    prompt: Prompt,
    user: User,
    budget: Budget = None,
    config: Config = DEFAULT,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
    strength: Strength = None,
    show_rewrites: ShowRewrites = False,
    no_rewrite: NoRewrite = False,
    not_user: NotUser = None,
    together: Together = None,
    page: Page = False,
    learn: Learn = False,
    settings: Settings = None,
) -> None:
    """Steer one prompt to one user's taste.

    steer run --user u17 --prompt "a lighthouse by the sea"

    steer run --user u17 --prompt "a fox" --budget 24 --strength light --set renderer=painter
    """
    from steer.config import load_config
    from steer.judging.audience import Audience
    from steer.words import check_prompt

    check_prompt(prompt)  # before models are loaded
    flags = [f"search.strength={strength}"] if strength is not None else []
    flags += ["search.rewrite=false"] if no_rewrite else []
    flags += [f"objective.together={together}"] if together is not None else []
    flags += ["search.learn=true"] if learn else []
    audience = str(Audience(tuple(user), tuple(not_user or ())))
    loaded = load_config(config, [*(settings or ()), *flags], typed_as="--set")
    _drive(loaded, as_json, lambda s: s.run(prompt, audience, budget, seed, out), show_rewrites, page)


def resume(
    run: Annotated[Path, typer.Argument(help="Folder of the interrupted run or batch.")], as_json: AsJson = False
) -> None:
    """Resume an interrupted run or batch; nothing is rendered twice."""
    from steer.batch.folder import is_batch
    from steer.cli.batch import resume_batch
    from steer.cli.show import print_result_of
    from steer.steerer import Steerer
    from steer.store.run_folder import RunFolder

    if is_batch(run):
        resume_batch(run, as_json)
        return
    folder = RunFolder.open(run)
    if folder.stopped and folder.stopped != "INTERRUPTED" and (run / "result.json").exists():
        print_result_of(run, as_json)
        return
    _drive(Steerer.config_of(run), as_json, lambda s: s.resume(run))


def _drive(
    config: SteerConfig,
    as_json: bool,
    action: Callable[[Steerer], Result],
    show_rewrites: bool = False,
    page: bool = False,
) -> None:
    """Load the models, do ``action`` and print its result. Raises typer.Exit(1) for an interrupted or empty run."""
    from steer.cli.progress import Progress, loading
    from steer.report import summary
    from steer.types import StopReason

    with loading(quiet=as_json, large=config.renderer.model != "miniature"):
        from steer.steerer import Steerer

        progress = Progress(quiet=as_json, show_rewrites=show_rewrites)
        steerer = Steerer(config, listeners=[progress])
        _ = steerer.parts.reward, steerer.parts.renderer
        live = _live_page(steerer) if page else None
    with progress:
        result = action(steerer)
    if as_json:
        print(json.dumps(summary(result), ensure_ascii=False))
    else:
        from steer.cli.show import print_result

        print_result(result)
    if live:
        live.stay()
    if result.stop is StopReason.INTERRUPTED or result.best is None:
        raise typer.Exit(1)


def _live_page(steerer: Steerer) -> LivePage:
    from steer.cli.console import console
    from steer.web import live_page

    page: LivePage = live_page(steerer.parts)
    steerer.listeners.append(page)
    page.begin(console)
    return page
