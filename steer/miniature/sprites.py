"""The subjects' pictures: one row of 128 px RGBA tiles in ``sprites.png``, shipped in the package.

``python -m steer.miniature.sprites`` draws the sheet again from the Noto Color Emoji font
(OFL 1.1, see NOTICE); using the miniature needs only the sheet.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from steer.miniature.world import SUBJECT_EMOJI

SHEET = Path(__file__).parent / "sprites.png"
TILE = 128
FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"


@cache
def _sheet() -> Image.Image:
    with Image.open(SHEET) as sheet:
        return sheet.convert("RGBA")


@cache
def sprite(subject: str, size: int) -> Image.Image:
    """The subject as a ``size`` px RGBA picture."""
    left = list(SUBJECT_EMOJI).index(subject) * TILE
    tile = _sheet().crop((left, 0, left + TILE, TILE))
    return tile.resize((size, size), Image.Resampling.LANCZOS)


def _lighthouse() -> Image.Image:
    """A striped tower on a rock with a lit lamp (no emoji shows one)."""
    tile = Image.new("RGBA", (TILE * 2, TILE * 2))
    draw = ImageDraw.Draw(tile)

    def edge(y: float) -> float:
        return 26 + (y - 80) * 0.11

    for i in range(6):
        top, bottom = 80 + i * 26, 80 + (i + 1) * 26
        colour = (214, 48, 49, 255) if i % 2 == 0 else (245, 245, 245, 255)
        draw.polygon(
            [
                (128 - edge(top), top),
                (128 + edge(top), top),
                (128 + edge(bottom), bottom),
                (128 - edge(bottom), bottom),
            ],
            fill=colour,
        )
    draw.ellipse((64, 222, 192, 268), fill=(120, 113, 108, 255))
    draw.rectangle((92, 70, 164, 80), fill=(60, 64, 72, 255))
    draw.rectangle((106, 40, 150, 70), fill=(255, 214, 90, 255), outline=(60, 64, 72, 255), width=4)
    draw.polygon([(98, 40), (158, 40), (128, 8)], fill=(192, 40, 42, 255))
    draw.rectangle((120, 214, 136, 238), fill=(80, 60, 50, 255))
    draw.rectangle((121, 140, 135, 158), fill=(60, 64, 72, 255))
    return tile.resize((TILE, TILE), Image.Resampling.LANCZOS)


def draw_sheet(font_path: str = FONT) -> Image.Image:
    """All subjects side by side, each cropped to its outline and standing on the tile's floor."""
    font = ImageFont.truetype(font_path, 109)
    sheet = Image.new("RGBA", (TILE * len(SUBJECT_EMOJI), TILE))
    for i, emoji in enumerate(SUBJECT_EMOJI.values()):
        if emoji:
            glyph = Image.new("RGBA", (160, 160))
            ImageDraw.Draw(glyph).text((8, 8), emoji, font=font, embedded_color=True)
        else:
            glyph = _lighthouse()
        glyph = glyph.crop(glyph.getbbox())
        scale = (TILE - 2) / max(glyph.size)
        size = (round(glyph.width * scale), round(glyph.height * scale))
        glyph = glyph.resize(size, Image.Resampling.LANCZOS)
        sheet.alpha_composite(glyph, (i * TILE + (TILE - size[0]) // 2, TILE - 1 - size[1]))
    return sheet


if __name__ == "__main__":
    draw_sheet().save(SHEET, optimize=True)
