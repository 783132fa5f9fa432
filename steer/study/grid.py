"""What users got, side by side: a row a user, a column a condition, one sheet a prompt."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from steer.study.analysis import Judged
from steer.study.folder import Cell

SIDE, GAP, LEFT, TOP = 144, 8, 96, 44
SHOWN = 6  # users


def write_grid(judged: Judged, prompt: int, target: Path) -> None:
    """The first users, first seed. The number below a picture is the first judge's liking by the row's user."""
    config, judge = judged.config, next(iter(judged.config.judges))
    columns = [n for n, c in config.conditions.items() if c.kind != "other"]
    users = config.everyone[:SHOWN]
    size = LEFT + len(columns) * (SIDE + GAP) + GAP, TOP + len(users) * (SIDE + 26) + GAP
    sheet = Image.new("RGB", size, (250, 249, 246))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    draw.text((GAP, 6), config.prompts[prompt], (32, 32, 36), ImageFont.load_default(15))
    for x, name in enumerate(columns):
        draw.text((LEFT + x * (SIDE + GAP), 26), name[:20], (119, 119, 127), font)
    for y, user in enumerate(users):
        cell = Cell(prompt, config.seeds[0], user)
        top = TOP + y * (SIDE + 26)
        draw.text((GAP, top + SIDE // 2), user[:12], (32, 32, 36), font)
        for x, name in enumerate(columns):
            if user not in config.users_of(name):
                continue
            with Image.open(picture_of(judged, name, cell)) as image:
                small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(small, (LEFT + x * (SIDE + GAP), top))
            liking = judged.likings(name, cell, judge)[0]
            draw.text((LEFT + x * (SIDE + GAP), top + SIDE + 3), f"{liking:.2f}", (119, 119, 127), font)
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
