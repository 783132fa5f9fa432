"""Comments as a whole: six faults that they name, and how like people's they are. Writes Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reward_models.base import RewardError
from reward_models.calm.evaluation.commenters import Commenter, Questions
from reward_models.calm.evaluation.suggesting import Judge, Suggested, WordJudge, suggesting
from reward_models.evaluation.captions import NO_CIDER, caption_scores
from reward_models.evaluation.pages import render
from reward_models.families import Progress
from reward_models.ratings.ava import Captioned
from reward_models.zero_shot import opened

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
CHUNK = 16


def pictures_in(folder: Path, most: int | None = None) -> list[Path]:
    """Pictures below a folder in order of name. Raises RewardError where there are none."""
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES and p.is_file())[:most]
    if not found:
        raise RewardError(f"there are no pictures in '{folder}'")
    return found


def named_faults(
    commenter: Commenter,
    asked: Questions,
    pictures: Sequence[Path],
    judge: Judge,
    progress: Progress = lambda done, of: None,  # noqa: ARG005
) -> Suggested:
    """:func:`~reward_models.calm.evaluation.suggesting.suggesting` of files."""
    return suggesting(commenter, [opened(p) for p in pictures], asked.suggest, judge, tell=progress)


def like_peoples(
    commenter: Commenter,
    asked: Questions,
    data: Captioned,
    progress: Progress = lambda done, of: None,  # noqa: ARG005
) -> dict[str, float]:
    """:func:`~reward_models.evaluation.captions.caption_scores` of what is said of a data set's pictures."""
    written: list[str] = []
    for start in range(0, len(data.pictures), CHUNK):
        chunk = [opened(data.root / p) for p in data.pictures[start : start + CHUNK]]
        written += commenter.comment(chunk, asked.comment)
        progress(len(written), len(data.pictures))
    return caption_scores(written, data.references)


def report(
    commenter: Commenter,
    out: Path,
    faults: Suggested | None,
    judge: Judge | None = None,
    like: dict[str, float] | None = None,
) -> str:
    """Write ``comments.md`` and ``comments.json`` to ``out``; returns the first."""
    judge = judge or WordJudge()
    table = faults.table() if faults else {}
    text = render(
        "comments.md.j2",
        name=commenter.name,
        judge=judge.name,
        pictures=len(faults.named) if faults else 0,
        rows=table,
        answers=faults.answers if faults else {},
        like=like or {},
        no_cider="" if like is None or "cider" in like else NO_CIDER,
    )
    facts: dict[str, Any] = {"model": commenter.name, "judge": judge.name, "faults": table, "like people's": like or {}}
    out.mkdir(parents=True, exist_ok=True)
    (out / "comments.md").write_text(text, encoding="utf-8")
    (out / "comments.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return text
