"""What users got, side by side: a row a user, a column a condition, one grid a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from reward_models.pictures import read_picture
from steer.report.theme import LIGHT
from steer.study.analysis import Judged
from steer.study.folder import Cell

SIDE, GAP, LEFT, TOP = 144, 8, 96, 44
SHOWN = 6  # users


@dataclass(frozen=True)
class Got:
    """A picture, and how much the user of its row likes it, as the first judge says."""

    picture: Path
    liking: float


@dataclass(frozen=True)
class Grid:
    """The pictures of one prompt, of the first users and the first seed; None where a condition was not tried for a
    user.
    """

    prompt: str
    conditions: list[str]
    rows: dict[str, list[Got | None]]  # by user, one entry a condition


def grid_of(judged: Judged, prompt: int) -> Grid:
    """The grid of a prompt, by its number. Other users' pictures are in the rows of those users."""
    config, judge = judged.config, next(iter(judged.config.judges))
    conditions = [n for n, c in config.conditions.items() if c.kind != "other"]
    rows: dict[str, list[Got | None]] = {}
    for user in config.everyone[:SHOWN]:
        cell = Cell(prompt, config.seeds[0], user)
        rows[user] = [
            Got(picture_of(judged, name, cell), float(judged.likings(name, cell, judge)[0]))
            if user in config.users_of(name)
            else None
            for name in conditions
        ]
    return Grid(config.prompts[prompt], conditions, rows)


def write_grid(grid: Grid, target: Path) -> None:
    """The grid as one PNG; below each picture its liking."""
    ink, pale = LIGHT.rgb("ink"), LIGHT.rgb("pale")
    size = LEFT + len(grid.conditions) * (SIDE + GAP) + GAP, TOP + len(grid.rows) * (SIDE + 26) + GAP
    sheet = Image.new("RGB", size, LIGHT.rgb("paper"))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    draw.text((GAP, 6), grid.prompt, ink, ImageFont.load_default(15))
    for x, name in enumerate(grid.conditions):
        draw.text((LEFT + x * (SIDE + GAP), 26), name[:20], pale, font)
    for y, (user, row) in enumerate(grid.rows.items()):
        top = TOP + y * (SIDE + 26)
        draw.text((GAP, top + SIDE // 2), user[:12], ink, font)
        for x, got in enumerate(row):
            if got is None:
                continue
            small = read_picture(got.picture, ("PNG",)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(small, (LEFT + x * (SIDE + GAP), top))
            draw.text((LEFT + x * (SIDE + GAP), top + SIDE + 3), f"{got.liking:.2f}", pale, font)
    sheet.save(target)


def picture_of(judged: Judged, condition: str, cell: Cell, which: int = 0) -> Path:
    """The file of what a user gets from a condition; of the unchanged prompt the fresh picture ``which``."""
    folder, found = judged.folder, judged.config.conditions[condition]
    if found.kind == "prompt":
        run = folder.look_of(cell.prompt, cell.seed, judged.config.prompts[cell.prompt])
        return sorted((run / "pictures").glob("*.png"))[which]
    result = folder.result(found.of if found.kind == "other" else condition, cell) or {}
    run = folder.run_of(found.of if found.kind == "other" else condition, cell)
    return run / str(result["picture"])
