"""``steer reward comments`` and ``steer reward ava``: what a model that speaks about pictures is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steer.cli.bars import feature_bar
from steer.cli.console import print_line
from steer.cli.extras import extra
from steer.devices import pick_device
from steer.errors import UsageError

if TYPE_CHECKING:
    from reward_models.families import Progress

Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="Folder of a CALM reward, or a vision-language model's folder or hub name."),
]


JUDGED = 16  # tokens of a yes or no


@contextmanager
def _at_work() -> Iterator[Progress]:
    """What tells of progress; faults of data and models are one line."""
    from steer.cli.progress import no_library_bars

    with extra("train", "pandas"):
        from reward_models.base import RewardError

        no_library_bars()
        try:
            with feature_bar() as progress:
                yield progress
        except RewardError as error:
            raise UsageError(str(error)) from error


def _asking(model: str, device: str) -> Callable[[str], str]:
    """From a question to the answer of a chat model in this process."""
    from steer.proposers.local import LocalChat

    chat = LocalChat(model, device=device)
    return lambda question: chat.ask([[{"role": "user", "content": question}]], {}, 0.0, [0], JUDGED)[0]


def comments(
    model: Model,
    pictures: Annotated[
        Path, typer.Option("--pictures", metavar="FOLDER", help="Good pictures, or those of --captions.")
    ],
    captions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="AVA-Captions as JSON: compare comments with people's instead."),
    ] = None,
    judge: Annotated[
        str,
        typer.Option(
            metavar="MODEL", help="A language model that says whether an answer names a fault. Default: words."
        ),
    ] = "",
    most: Annotated[int | None, typer.Option(metavar="N", help="Pictures, at most.", min=1)] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the report.")] = Path("outputs/comments"),
) -> None:
    """Say how good a model's comments on pictures are.

    steer reward comments outputs/rewards/calm --pictures photos --most 100

    Each picture is made worse in six ways, and the model is asked what is wrong. With --captions its comments are
    compared with people's by BLEU, ROUGE-L and CIDEr.
    """
    with _at_work() as progress:
        from dataclasses import replace

        from reward_models.calm.evaluation.commenters import load_commenter
        from reward_models.calm.evaluation.comments import like_peoples, named_faults, pictures_in, report
        from reward_models.calm.evaluation.suggesting import AskingJudge, WordJudge
        from reward_models.ratings.ava import load_ava_captions

        device = pick_device("auto")
        if captions is not None:
            data = load_ava_captions(captions, pictures)
            data = replace(data, pictures=data.pictures[:most], references=data.references[:most])
            commenter, asked = load_commenter(model, device)
            text = report(commenter, out, None, like=like_peoples(commenter, asked, data, progress))
        else:
            shown = pictures_in(pictures, most)
            commenter, asked = load_commenter(model, device)
            by = AskingJudge(_asking(judge, device), judge) if judge else WordJudge()
            text = report(commenter, out, named_faults(commenter, asked, shown, by, progress), by)
    print_line(text)
    print_line(f"report: {out / 'comments.md'}")


def ava(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A reward: folder, hub name or one that ships.")],
    data: Annotated[Path, typer.Option("--data", metavar="FOLDER", help="AVA: AVA.txt, images/ and the image lists.")],
    most: Annotated[int | None, typer.Option(metavar="N", help="Pictures, at most.", min=2)] = None,
) -> None:
    """Compare a reward's answer for nobody in particular with the mean scores of AVA's official test pictures.

    steer reward ava outputs/rewards/calm --data AVA
    """
    with _at_work() as progress:
        from reward_models import load
        from reward_models.calm.evaluation.ava import score_ava
        from reward_models.ratings.ava import Scored, load_ava

        found = load_ava(data)
        found = Scored(found.root, found.pictures[:most], found.scores[:most])
        told = score_ava(load(model, pick_device("auto")), found, progress)
    print_line(f"AVA, {told['pictures']:.0f} pictures: PLCC {told['plcc']:.3f}, SRCC {told['srcc']:.3f}")
