"""Draws a scene with code: sky, place, subject, then the style over the whole picture."""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw

from steer.miniature.sprites import sprite
from steer.miniature.styles import apply_style, pen
from steer.miniature.world import Scene

SIZE = 128  # px, width and height of every picture
LOOK = 1  # what the shipped models learnt from
_S = 256  # px, drawn at twice the size and reduced

Colour = tuple[int, int, int]

# light -> (sky at the top, sky at the horizon, tint of the ground, tint of the subject)
_SKY: dict[str, tuple[Colour, Colour, tuple[float, ...], tuple[float, ...]]] = {
    "day": ((92, 164, 236), (208, 234, 252), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
    "dawn": ((168, 156, 206), (252, 208, 210), (0.95, 0.84, 0.9), (1.0, 0.92, 0.96)),
    "sunset": ((214, 74, 48), (255, 186, 84), (0.85, 0.6, 0.5), (1.0, 0.82, 0.68)),
    "night": ((8, 12, 40), (28, 40, 88), (0.3, 0.36, 0.56), (0.62, 0.68, 0.86)),
    "fog": ((190, 196, 200), (214, 218, 220), (0.8, 0.8, 0.8), (0.9, 0.9, 0.9)),
}
_HEIGHT = {"close-up": 200, "medium": 132, "wide": 80}
_FLOOR = {"close-up": 0.96, "medium": 0.9, "wide": 0.84}
_MIDDLE = {"left": 0.27, "centre": 0.5, "right": 0.73}


def paint(scene: Scene, steady: bool = False, look: int = LOOK) -> Image.Image:
    """The scene as a 128 x 128 RGB picture; the same scene and look give the same pixels.

    With ``steady`` the subject stands exactly in the middle of its slot instead of within
    2 % of it: what the generator is trained on, since it then needs no capacity for jitter.

    ``look`` 1 has hard bands of fog, a flat sepia and thick ink; 2 has soft fog, a toned sepia and a
    fine pen. Everything else is the same, and both show the same attributes. What a picture in look 2
    shows follows from the one in look 1, so that a decoder can learn to turn the one into the other.
    """
    rng = random.Random(scene.seed)
    horizon = int(_S * rng.uniform(0.56, 0.62))
    canvas = _sky(scene.light, horizon, rng, look)
    _PLACES[scene.place](canvas, scene.light, horizon, rng)
    # the other styles want flat colours: their filters make coloured specks of a gradient
    depth = look == 2 and scene.style in ("photo", "ink", "monochrome", "sepia", "neon")
    _haze(canvas, scene.light, 0.45, horizon if depth else None)
    _subject(canvas, scene, rng, steady)
    _haze(canvas, scene.light, 0.22, horizon if depth else None)
    if look == 2 and scene.style == "ink":
        return pen(canvas, SIZE)
    small = canvas.resize((SIZE, SIZE), Image.Resampling.BOX)
    return apply_style(small, scene.style, rng, look)


def _tint(colour: Colour, light: str) -> Colour:
    return tuple(int(c * t) for c, t in zip(colour, _SKY[light][2], strict=True))  # type: ignore[return-value]


def _sky(light: str, horizon: int, rng: random.Random, look: int) -> Image.Image:
    top, low, _, _ = _SKY[light]
    t = np.clip(np.arange(_S) / horizon, 0, 1)[:, None, None]
    rows = np.asarray(top) * (1 - t) + np.asarray(low) * t
    canvas = Image.fromarray(np.broadcast_to(rows, (_S, _S, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    x = rng.choice((rng.uniform(0.12, 0.3), rng.uniform(0.7, 0.88))) * _S
    if light == "day":
        _disc(draw, x, 0.14 * _S, 18, (255, 236, 130))
        for _ in range(2):
            cx, cy = rng.uniform(0.1, 0.9) * _S, rng.uniform(0.08, 0.36) * _S
            for dx, r in ((-24, 11), (0, 16), (22, 12)):
                draw.ellipse((cx + dx - r * 1.5, cy - r, cx + dx + r * 1.5, cy + r), fill=(250, 252, 255))
    elif light == "dawn":
        for i in range(9):
            a = np.pi * (i + 0.5) / 9
            end = (x - np.cos(a) * 150, horizon - np.sin(a) * 150)
            draw.line([(x, horizon), end], fill=(255, 232, 220), width=5)
        _disc(draw, x, horizon, 26, (255, 244, 214))
    elif light == "sunset":
        _disc(draw, x, horizon - 34, 34, (255, 226, 110))
        for i in range(3):
            y = horizon - 96 - i * 26 + rng.uniform(-6, 6)
            left = rng.uniform(-0.2, 0.6) * _S
            draw.rounded_rectangle((left, y, left + 120, y + 8), 4, fill=(140, 44, 70))
    elif light == "night":
        for _ in range(26):
            sx, sy = rng.uniform(0, _S), rng.uniform(0, horizon - 14)
            _disc(draw, sx, sy, 2, (236, 240, 255))
        _disc(draw, x, 0.17 * _S, 21, (240, 240, 214))
        _disc(draw, x + 10, 0.15 * _S, 18, top)
    else:
        tops = [18 + i * 36 + rng.uniform(-6, 6) for i in range(4)]
        if look == 2:
            return _mist(rows, tops)
        for y in tops:
            draw.rounded_rectangle((-20, y, _S + 20, y + 14), 7, fill=(226, 229, 231))
    return canvas


def _mist(rows: np.ndarray, tops: list[float]) -> Image.Image:
    """Fog that thickens towards the ground, with a soft drifting bank for each of ``tops`` (y of its upper edge)."""
    y, x = np.mgrid[0:_S, 0:_S]
    bank = np.zeros((_S, _S))
    for i, top in enumerate(tops):
        middle = top + 7 + 5 * np.sin(x / _S * (3 + i) + 1.9 * i)
        bank += np.exp(-(((y - middle) / 12) ** 2)) * (0.75 + 0.25 * np.sin(x / _S * 4 + 2.4 * i))
    pixels = np.broadcast_to(rows, (_S, _S, 3)) + 18 * bank[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, r: float, colour: Colour) -> None:
    draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)


def _ground(canvas: Image.Image, light: str, horizon: int, colour: Colour) -> ImageDraw.ImageDraw:
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, horizon, _S, _S), fill=_tint(colour, light))
    return draw


def _meadow(canvas: Image.Image, light: str, horizon: int, rng: random.Random) -> None:
    draw = ImageDraw.Draw(canvas)
    x = rng.uniform(0, _S)
    draw.ellipse((x - 200, horizon - 26, x + 200, horizon + 120), fill=_tint((104, 178, 84), light))
    _ground(canvas, light, horizon, (124, 196, 88))
    for _ in range(26):
        fx, fy = rng.uniform(0, _S), rng.uniform(horizon + 10, _S)
        colour = rng.choice(((240, 84, 96), (250, 220, 70), (250, 250, 250)))
        _disc(draw, fx, fy, 4, _tint(colour, light))


def _sea(canvas: Image.Image, light: str, horizon: int, rng: random.Random) -> None:
    draw = _ground(canvas, light, horizon, (38, 120, 186))
    for i in range(5):
        y = horizon + 8 + i * 9
        x = rng.uniform(-30, 30)
        for k in range(4):
            left = x + k * 74 + (i % 2) * 36
            draw.line((left, y, left + 34, y), fill=_tint((120, 190, 230), light), width=3)
    shore = horizon + 56
    draw.polygon(
        [(0, shore + 6), (_S * 0.4, shore - 4), (_S, shore + 8), (_S, _S), (0, _S)], fill=_tint((238, 212, 150), light)
    )


def _forest(canvas: Image.Image, light: str, horizon: int, rng: random.Random) -> None:
    draw = _ground(canvas, light, horizon, (58, 104, 62))
    for x in range(-10, _S + 20, 30):
        h, w, cx = rng.uniform(70, 140), rng.uniform(20, 28), x + rng.uniform(-7, 7)
        shade = _tint(rng.choice(((26, 78, 50), (34, 92, 56))), light)
        draw.polygon([(cx - w, horizon + 8), (cx + w, horizon + 8), (cx, horizon - h)], fill=shade)


def _mountains(canvas: Image.Image, light: str, horizon: int, rng: random.Random) -> None:
    draw = ImageDraw.Draw(canvas)
    for i in range(3):
        cx, h, w = _S * (0.12 + 0.38 * i) + rng.uniform(-20, 20), rng.uniform(90, 130), rng.uniform(80, 100)
        draw.polygon([(cx - w, horizon), (cx + w, horizon), (cx, horizon - h)], fill=_tint((118, 122, 138), light))
        c = 0.33
        draw.polygon(
            [
                (cx - w * c, horizon - h * (1 - c)),
                (cx - w * 0.1, horizon - h * 0.76),
                (cx + w * 0.1, horizon - h * 0.62),
                (cx + w * c, horizon - h * (1 - c)),
                (cx, horizon - h),
            ],
            fill=_tint((246, 248, 252), light),
        )
    _ground(canvas, light, horizon, (112, 140, 96))


def _desert(canvas: Image.Image, light: str, horizon: int, rng: random.Random) -> None:
    draw = ImageDraw.Draw(canvas)
    x = rng.uniform(0.1, 0.9) * _S
    draw.polygon([(x - 150, horizon + 4), (x, horizon - 46), (x + 170, horizon + 4)], fill=_tint((206, 148, 86), light))
    _ground(canvas, light, horizon, (232, 184, 112))
    for i in range(3):
        y = horizon + 24 + i * 30
        draw.arc((-60 + i * 40, y - 20, 180 + i * 40, y + 26), 10, 170, fill=_tint((206, 148, 86), light), width=5)


def _city(canvas: Image.Image, light: str, horizon: int, rng: random.Random) -> None:
    draw = _ground(canvas, light, horizon, (104, 106, 114))
    x = -8
    while x < _S:
        w, h = rng.randint(32, 48), rng.randint(60, 142)
        shade = rng.choice(((122, 130, 146), (94, 100, 118), (142, 138, 142)))
        draw.rectangle((x, horizon - h, x + w - 3, horizon), fill=_tint(shade, light))
        lit = (255, 222, 120) if light in ("night", "sunset") else _tint((206, 220, 232), light)
        for wx in range(x + 7, x + w - 10, 13):
            for wy in range(horizon - h + 9, horizon - 10, 18):
                draw.rectangle((wx, wy, wx + 5, wy + 8), fill=lit)
        x += w
    draw.rectangle((0, horizon + 40, _S, horizon + 44), fill=_tint((230, 230, 230), light))


def _snow(canvas: Image.Image, light: str, horizon: int, rng: random.Random) -> None:
    draw = ImageDraw.Draw(canvas)
    x = rng.uniform(0.2, 0.8) * _S
    draw.ellipse((x - 170, horizon - 30, x + 170, horizon + 100), fill=_tint((222, 232, 246), light))
    _ground(canvas, light, horizon, (246, 250, 255))
    flake = (255, 255, 255) if light != "fog" else (250, 250, 252)
    for _ in range(38):
        _disc(draw, rng.uniform(0, _S), rng.uniform(0, _S), rng.choice((3, 4)), flake)


def _room(canvas: Image.Image, light: str, horizon: int, rng: random.Random) -> None:  # noqa: ARG001
    view = canvas.copy()
    draw = ImageDraw.Draw(canvas)
    floor = int(_S * 0.72)
    draw.rectangle((0, 0, _S, floor), fill=_tint((222, 200, 178), light))
    draw.rectangle((0, floor, _S, _S), fill=_tint((150, 98, 64), light))
    for x in range(-60, _S + 60, 52):
        draw.line((x + 26, floor, x * 1.5 - 50, _S), fill=_tint((118, 74, 48), light), width=3)
    # the window shows the sky of the hour, sun and moon included
    for left in (16, 148):
        box = (left, 22, left + 92, 136)
        canvas.paste(view.resize((92, 114), box=(left - 16, 0, left + 108, horizon)), box[:2])
        draw.rectangle(box, outline=_tint((250, 246, 240), light), width=7)
        draw.line((left + 46, 22, left + 46, 136), fill=_tint((250, 246, 240), light), width=4)


def _lavender(canvas: Image.Image, light: str, horizon: int, rng: random.Random) -> None:
    draw = _ground(canvas, light, horizon, (110, 138, 84))
    centre = rng.uniform(0.35, 0.65) * _S
    for i in range(-5, 6):
        near = centre + i * 62
        far = centre + i * 15
        draw.polygon(
            [(far - 5, horizon), (far + 5, horizon), (near + 21, _S), (near - 21, _S)],
            fill=_tint((142, 92, 192), light),
        )


_PLACES = {
    "meadow": _meadow,
    "sea": _sea,
    "forest": _forest,
    "mountains": _mountains,
    "desert": _desert,
    "city": _city,
    "snow": _snow,
    "room": _room,
    "lavender": _lavender,
}


def _haze(canvas: Image.Image, light: str, amount: float, horizon: int | None) -> None:
    """Fog over what is drawn so far, thickest at the ``horizon`` (y), or even without one."""
    if light != "fog":
        return
    veil = Image.new("RGB", canvas.size, (206, 210, 213))
    if horizon is None:
        canvas.paste(Image.blend(canvas, veil, amount))
        return
    distance = (np.arange(_S) - horizon) / (0.22 * _S)
    thickness = (255 * amount * (0.92 + 0.16 * np.exp(-(distance**2)))).round().astype(np.uint8)
    canvas.paste(veil, mask=Image.fromarray(np.repeat(thickness[:, None], _S, axis=1)))


def subject_box(framing: str, position: str) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the slot a subject stands in, as shares of the picture."""
    size = _HEIGHT[framing] // 4 * 4 / _S
    middle = 0.5 + (_MIDDLE[position] - 0.5) * (0.62 if framing == "close-up" else 1.0)
    floor = _FLOOR[framing]
    return middle - size / 2, floor - size, middle + size / 2, floor


def _subject(canvas: Image.Image, scene: Scene, rng: random.Random, steady: bool) -> None:
    left, _, right, floor = subject_box(scene.framing, scene.position)
    jitter = (rng.uniform(0.95, 1.05), rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02))
    grow, dx, dy = (1.0, 0.0, 0.0) if steady else jitter
    height = int(_HEIGHT[scene.framing] * grow)
    size = height // 4 * 4  # few distinct sizes keep the sprite cache small
    tile = sprite(scene.subject, size)
    middle, floor = (left + right) / 2 + dx, floor + dy
    at = (int(middle * _S - size / 2), int(floor * _S - size))
    tint = np.asarray((*_SKY[scene.light][3], 1.0))
    lit = Image.fromarray((np.asarray(tile) * tint).astype(np.uint8))
    shadow = Image.new("L", canvas.size, 0)
    foot = size * 0.36
    ImageDraw.Draw(shadow).ellipse(
        (middle * _S - foot, floor * _S - size * 0.05, middle * _S + foot, floor * _S + size * 0.04),
        fill=80,
    )
    canvas.paste((10, 10, 20), (0, 0), shadow)
    canvas.paste(lit, at, lit)
