"""``steer critique``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from steer.cli import completion
from steer.cli.console import console, print_line, print_text
from steer.cli.options import AsJson, Config, Settings
from steer.cli.paths import named
from steer.cli.who import default_users
from steer.config import DEFAULT
from steer.errors import SteerError, UsageError

if TYPE_CHECKING:
    from PIL import Image

    from steer.parts import Parts

Picture = Annotated[Path, typer.Argument(metavar="PICTURE", help="The picture to criticise.")]
For = Annotated[
    list[str] | None,
    typer.Option(
        "--user",
        "-u",
        metavar="NAME",
        help="User whose taste counts, or 'average' for nobody in particular. Repeat it for several people together. "
        "Default: $STEER_USER, else your only user.",
        autocompletion=completion.users,
    ),
]
Prompt = Annotated[str, typer.Option("--prompt", "-p", metavar="PROMPT", help="What the picture was drawn for.")]


def critique(
    picture: Picture,
    user: For = None,
    prompt: Prompt = "",
    config: Config = DEFAULT,
    as_json: AsJson = False,
    settings: Settings = None,
) -> None:
    """Say how much a user should like a picture, what is good about it and what to change.

    steer critique holiday.png --user me --config flux2-klein --set critic=vlm

    The critic is the config's: the reward's own, with --set critic=vlm a vision-language model, or with
    --set critic=calm a trained CALM model.
    """
    from steer.cli.progress import loading, loads_large
    from steer.config import load_config
    from steer.judging.audience import Audience
    from steer.parts import Parts
    from steer.users.known import check_users
    from steer.users.store import UserStore
    from steer.words import check_prompt

    image = _opened(named(picture))
    asked = check_prompt(prompt) if prompt else ""
    loaded = load_config(config, settings or (), typed_as="--set")
    users, whence = (user, "") if user else default_users()
    audience = str(Audience(tuple(users)))
    check_users(UserStore(), loaded.reward, audience)
    if loaded.critic.kind == "none":
        raise UsageError("critic=none is nobody; use --set critic=vlm, or a reward with a critic")
    if whence and not as_json:
        console.print(f"for {', '.join(users)} ({whence})", markup=False)
    parts = Parts(loaded)
    with loading(as_json, loads_large(loaded)):
        said = _said(parts, image, audience, asked)
    print_line(json.dumps(said, ensure_ascii=False)) if as_json else _print(said)


def _said(parts: Parts, image: Image.Image, audience: str, prompt: str) -> dict[str, Any]:
    """Score, comment and suggestion. Raises UsageError without a critic, SteerError where it does not answer."""
    import math

    from steer.critics.base import CriticFailed
    from steer.critics.remarks import filtered_words
    from steer.run.critic import view_of

    critic = parts.critic
    if critic is None:
        raise UsageError(
            f"the reward '{parts.reward.name}' has no critic; use --set critic=vlm --set critic.model=NAME, or "
            "--set reward=miniature/linear-hidden"
        )
    people = parts.roster.people(audience)
    scores = parts.judge(people).score([image], prompt)
    view = view_of(critic, parts.roster, people, image, prompt)
    try:
        comment, words = critic.comment(view), critic.words(view)
    except CriticFailed as error:
        raise SteerError(f"there is no comment: {error}") from error
    each = [part.strip() for part in comment.text.split(",") if part.strip()]
    keep = [part.removeprefix("keep ") for part in each if part.startswith("keep ")]
    score = float(scores.personal[0])
    return {
        "score": None if math.isnan(score) else round(score, 4),
        "comment": ", ".join(keep),
        "words": words,
        "suggestion": ", ".join(part for part in each if not part.startswith("keep ")),
        "filtered": comment.filtered,
        "filtered_words": filtered_words(comment),
        "critic": critic.name,
    }


def _print(said: dict[str, Any]) -> None:
    print_text("score     ", "-" if said["score"] is None else f"[bold]{said['score']:.2f}[/]")
    print_text("comment   ", escape(_comment(said)))
    print_text("suggestion", escape(said["suggestion"] or "nothing to change"))
    if said["filtered_words"]:
        print_text("filter    ", escape(said["filtered_words"]))


def _comment(said: dict[str, Any]) -> str:
    if said["words"]:
        return str(said["words"])
    return f"good: {said['comment']}" if said["comment"] else "nothing to keep was named"


def _opened(path: Path) -> Image.Image:
    """The picture of a file. Raises UsageError that blames it."""
    from reward_models.pictures import FAULTS, read_picture

    try:
        return read_picture(path)
    except FileNotFoundError as error:
        raise UsageError(f"there is no picture '{path}'") from error
    except FAULTS as error:
        raise UsageError(f"'{path}' is no picture that opens: {error}") from error
