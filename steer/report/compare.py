"""Two runs side by side: their texts, likings and pictures, and in what they differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from reward_models.doors import shown
from steer.report.changes import word_changes
from steer.report.contact_sheet import fit
from steer.report.html import embedded, render_html
from steer.report.people import liked_by
from steer.report.stored import load_result
from steer.report.theme import LIGHT
from steer.result import Result
from steer.store.manifest import read_manifest
from steer.types import Candidate

SIDE, GAP, MARGIN, LINE = 384, 24, 32, 24  # pixels of a PNG: a picture's side, between things, around, a line of text
LARGE = 768  # pixels of a picture's longer side on the page


@dataclass(frozen=True)
class Compared:
    """Two runs, in the order given."""

    a: Result
    b: Result
    manifests: tuple[dict[str, Any], dict[str, Any]]

    @classmethod
    def of(cls, a: Path, b: Path) -> Compared:
        """From their folders. Raises UsageError where one is no finished run."""
        return cls(load_result(a), load_result(b), (read_manifest(a), read_manifest(b)))

    @property
    def runs(self) -> list[tuple[str, Result]]:
        """Each with its letter."""
        return [("A", self.a), ("B", self.b)]

    @property
    def same_judge(self) -> bool:
        """Whether the same reward judged both for the same users, as it had learned them, so that likings compare."""
        told = [(m["parts"].get("reward"), m["parts"].get("people"), m["request"]["user"]) for m in self.manifests]
        return told[0] == told[1]

    @property
    def verdict(self) -> str:
        """How the likings of the two best texts compare, in one sentence."""
        one, two = (liking(r) for _, r in self.runs)
        if math.isnan(one) or math.isnan(two):
            return "One of the two found nothing to like."
        if self.a.request.user != self.b.request.user:
            return "They are for different users, so their likings are two opinions."
        if not self.same_judge:
            return "Different rewards judged them, or one that has learned since: their likings do not compare."
        if abs(one - two) < 0.005:
            return f"{self.a.request.user} should like both alike: {one:.2f}."
        better = "A" if one > two else "B"
        return (
            f"{self.a.request.user} should like {better} better: {max(one, two):.2f} against {min(one, two):.2f} "
            "(predicted by the reward that steered)."
        )

    def differences(self) -> Iterator[tuple[str, str, str]]:
        """What was asked differently: a name, and the values of both."""
        told = [{**m["request"], **_flat(m["config"])} for m in self.manifests]
        for name in dict.fromkeys([*told[0], *told[1]]):
            one, two = (t.get(name, "-") for t in told)
            if one != two:
                yield name, shown(one), shown(two)


def liking(result: Result) -> float:
    """Mean liking of the best text's pictures, in [0, 1]; NaN where there is none."""
    return result.winner.liking if result.winner else math.nan


def compared_page(two: Compared) -> str:
    """A self-contained page; all text is escaped."""
    return render_html(
        "compare.html.j2",
        two=two,
        back=None,
        likings={letter: _people(result) for letter, result in two.runs},
        differences=list(two.differences()),
        changes=lambda result: word_changes(result.request.prompt, result.winner.rewrite.text),
        picture=lambda result, c: embedded(Path(result.folder) / c.picture, LARGE),
    )


def _people(result: Result) -> list[tuple[str, float]]:
    """In a run for several, each one's liking of the best text."""
    return list(liked_by(result, result.winner).items()) if result.winner else []


def compared_picture(two: Compared) -> Image.Image:
    """One picture: for each run the prompt as typed beside the best, with likings and texts."""
    width = 2 * MARGIN + 2 * (2 * SIDE + GAP) + 2 * GAP
    height = 2 * MARGIN + 4 * LINE + SIDE + 3 * LINE
    sheet = Image.new("RGB", (width, height), LIGHT.rgb("paper"))
    draw = ImageDraw.Draw(sheet)
    title, small = ImageFont.load_default(24), ImageFont.load_default(16)
    draw.text((MARGIN, MARGIN), fit(draw, two.verdict, title, width - 2 * MARGIN), LIGHT.rgb("ink"), title)
    for column, (letter, result) in enumerate(two.runs):
        x, y = MARGIN + column * (2 * SIDE + 3 * GAP), MARGIN + 2 * LINE
        room = 2 * SIDE + GAP
        head = f"{letter}: {result.request.prompt}, for {result.request.user}"
        draw.text((x, y), fit(draw, head, small, room), LIGHT.rgb("ink"), small)
        best = result.best.rewrite.text if result.best else "nothing"
        draw.text((x, y + LINE), fit(draw, f"best: {best}", small, room), LIGHT.rgb("pale"), small)
        for place, (name, candidate) in enumerate((("as typed", result.first), ("best", result.best))):
            at = x + place * (SIDE + GAP), y + 2 * LINE + 8
            _paste(sheet, result, candidate, at)
            likes = f"{candidate.personal:.2f}  {name}" if candidate else name
            draw.text((at[0], at[1] + SIDE + 6), likes, LIGHT.rgb("accent" if place else "ink"), small)
    return sheet


def _paste(sheet: Image.Image, result: Result, candidate: Candidate | None, at: tuple[int, int]) -> None:
    if candidate is None or not candidate.picture:
        ImageDraw.Draw(sheet).rectangle((*at, at[0] + SIDE - 1, at[1] + SIDE - 1), fill=LIGHT.rgb("line"))
        return
    picture = result.picture_of(candidate).convert("RGB")
    scale = SIDE / max(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    sheet.paste(picture, (at[0] + (SIDE - picture.width) // 2, at[1] + (SIDE - picture.height) // 2))


def _flat(config: dict[str, Any]) -> dict[str, Any]:
    """Settings by their dotted names."""
    sections = {k: v for k, v in config.items() if isinstance(v, dict)}
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}
