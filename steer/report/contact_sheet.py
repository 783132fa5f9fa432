"""One picture of a whole run: a row a round, the liking under each picture, the best framed."""

from __future__ import annotations

import math
from itertools import groupby

from PIL import Image, ImageDraw, ImageFont

from steer.report.theme import LIGHT
from steer.result import Result
from steer.store.run_folder import RunFolder
from steer.types import Candidate

CELL, GAP, CAPTION, MARGIN, LABEL = 128, 12, 22, 28, 92
INK, PALE, PAPER, GREY = (LIGHT.rgb(name) for name in ("ink", "pale", "paper", "line"))
ACCENT, FRAME = LIGHT.rgb("accent"), LIGHT.rgb("frame")


def contact_sheet(result: Result, folder: RunFolder) -> Image.Image:
    """Pictures of every round with their likings; failed ones are empty frames."""
    rounds = [list(g) for _, g in groupby(result.candidates, key=lambda c: c.round)]
    columns = max((len(r) for r in rounds), default=1)
    width = max(720, MARGIN * 2 + LABEL + columns * (CELL + GAP))
    head = 96
    height = head + len(rounds) * (CELL + CAPTION + GAP) + MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    title, small = ImageFont.load_default(24), ImageFont.load_default(15)
    draw.text((MARGIN, 22), fit(draw, result.request.prompt, title, width - 2 * MARGIN), INK, title)
    draw.text((MARGIN, 58), fit(draw, _subtitle(result), small, width - 2 * MARGIN), PALE, small)
    for i, row in enumerate(rounds):
        y = head + i * (CELL + CAPTION + GAP)
        draw.text((MARGIN, y + CELL // 2 - 8), _label(row[0], rounds[0][0].tier), PALE, small)
        for j, candidate in enumerate(row):
            x = MARGIN + LABEL + j * (CELL + GAP)
            _cell(sheet, draw, candidate, folder, (x, y), candidate is result.best)
    return sheet


def _cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    candidate: Candidate,
    folder: RunFolder,
    at: tuple[int, int],
    best: bool,
) -> None:
    x, y = at
    font = ImageFont.load_default(14)
    if candidate.picture:
        picture = folder.load_picture(candidate)
        picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
        sheet.paste(picture, (x + (CELL - picture.width) // 2, y + (CELL - picture.height) // 2))
    else:
        draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), fill=GREY)
    text = f"{candidate.personal:.2f}" if not math.isnan(candidate.personal) else candidate.state.value.lower()
    if best:
        draw.rectangle((x - 5, y - 5, x + CELL + 4, y + CELL + 4), outline=FRAME, width=4)
        text += "  best"
    draw.text((x + 2, y + CELL + 5), text, ACCENT if best else INK, font)


def _label(candidate: Candidate, first_tier: str) -> str:
    if candidate.tier != first_tier:
        return "in full"
    return "original" if candidate.round == 0 else f"round {candidate.round}"


def _subtitle(result: Result) -> str:
    parts = [f"for {result.request.user}"]
    if compared := result.comparison:
        parts.append(f"liking {compared.original:.2f} to {compared.best:.2f}: {compared}")
    if result.winner:
        parts.append(f"best: {result.winner.rewrite.text}")
    return "   ".join(parts)


def fit(draw: ImageDraw.ImageDraw, text: str, font, width: int) -> str:  # type: ignore[no-untyped-def]
    """A text that is at most ``width`` pixels wide, its end replaced by dots where it is longer."""
    while draw.textlength(text, font) > width and len(text) > 4:
        text = text[:-4] + "..."
    return text
