"""Makes pictures worse in ways that have a name: what CALM's self-supervision teaches a model to say.

The paper's: the three groups and their kinds, and that several come together. Ours: strengths, and where the subject
is. A strength is a number in [0, 1]; a box is left, top, right and bottom as shares of the picture.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

Group = Literal["quality", "colour", "subject"]
Box = tuple[float, float, float, float]
GROUPS: tuple[Group, ...] = ("quality", "colour", "subject")
# kind -> group, in the order in which they are applied
KINDS: dict[str, Group] = {
    "masked": "subject",
    "blurred subject": "subject",
    "cropped": "subject",
    "bright": "colour",
    "dark": "colour",
    "vivid": "colour",
    "dull": "colour",
    "harsh": "colour",
    "flat": "colour",
    "pixelation": "quality",
    "blur": "quality",
    "noise": "quality",
    "compression": "quality",
}
OPPOSITES = ({"bright", "dark"}, {"vivid", "dull"}, {"harsh", "flat"}, {"masked", "blurred subject"})
CENTRE: Box = (0.25, 0.25, 0.75, 0.75)
EDGE = 0.02  # of the shorter side: how soft the edge of a blurred subject is
SEEN = 3.0  # levels of 255 by which a picture changes on the mean, below which nobody would see it


@dataclass(frozen=True)
class Augmentation:
    """What is done, and how strongly."""

    kind: str
    strength: float

    @property
    def group(self) -> Group:
        """Of its kind."""
        return KINDS[self.kind]


def draw(
    rng: np.random.Generator, groups: Sequence[Group], most: int = 1, strengths: tuple[float, float] = (0.0, 1.0)
) -> tuple[Augmentation, ...]:
    """One to ``most`` augmentations of these groups, no two of which undo or hide each other."""
    wanted = int(rng.integers(1, most + 1))
    found: list[str] = []
    for i in rng.permutation(len(of := kinds_of(groups))):
        if not any({of[i], other} <= pair for pair in OPPOSITES for other in found):
            found.append(of[i])
        if len(found) == wanted:
            break
    return tuple(Augmentation(kind, float(rng.uniform(*strengths))) for kind in KINDS if kind in found)


def kinds_of(groups: Sequence[Group]) -> list[str]:
    """Those of some groups, in the order of :data:`KINDS`."""
    return [kind for kind, group in KINDS.items() if group in groups]


def augmented(
    image: Image.Image, done: Sequence[Augmentation], rng: np.random.Generator, box: Box = CENTRE
) -> Image.Image:
    """The picture, RGB and of the same size, after all of ``done`` in the order of :data:`KINDS`. ``box``: where its
    subject is.
    """
    picture = image.convert("RGB")
    for each in sorted(done, key=lambda a: list(KINDS).index(a.kind)):
        picture = _CHANGES[each.kind](picture, each.strength, rng, _within(box))
    return picture


def change(before: Image.Image, after: Image.Image) -> float:
    """Mean difference of two pictures of one size, in levels of 255."""
    first, second = (np.asarray(i.convert("RGB"), dtype=np.float32) for i in (before, after))
    return float(np.abs(first - second).mean())


def _within(box: Box) -> Box:
    left, top, right, bottom = (min(1.0, max(0.0, x)) for x in box)
    return (left, top, right, bottom) if right - left > 0.02 and bottom - top > 0.02 else CENTRE


def _side(image: Image.Image) -> int:
    return min(image.size)


def _pixels(image: Image.Image, box: Box) -> tuple[int, int, int, int]:
    (w, h), (left, top, right, bottom) = image.size, box
    return round(left * w), round(top * h), max(round(right * w), 1), max(round(bottom * h), 1)


def _masked(image: Image.Image, s: float, rng: np.random.Generator, box: Box) -> Image.Image:  # noqa: ARG001
    """A plain patch in the picture's mean colour over half to all of the box's sides."""
    left, top, right, bottom = box
    x, y, share = (left + right) / 2, (top + bottom) / 2, 0.5 + 0.5 * s
    w, h = (right - left) * share / 2, (bottom - top) * share / 2
    colour = tuple(int(c) for c in np.asarray(image).reshape(-1, 3).mean(0))
    found = image.copy()
    found.paste(colour, _pixels(image, (x - w, y - h, x + w, y + h)))
    return found


def _blurred_subject(image: Image.Image, s: float, rng: np.random.Generator, box: Box) -> Image.Image:  # noqa: ARG001
    side = _side(image)
    mask = Image.new("L", image.size, 0)
    mask.paste(255, _pixels(image, box))
    soft = mask.filter(ImageFilter.GaussianBlur(EDGE * side))
    return Image.composite(image.filter(ImageFilter.GaussianBlur((0.012 + 0.04 * s) * side)), image, soft)


def _cropped(image: Image.Image, s: float, rng: np.random.Generator, box: Box) -> Image.Image:
    """The picture's edge goes through the subject: a third to two thirds of it are cut off on one side."""
    left, _, right, _ = box
    cut = (0.33 + 0.34 * s) * (right - left)
    from_left, to_right = left + cut, right - cut
    start, width = (from_left, 1 - from_left) if 1 - from_left >= to_right else (0.0, to_right)
    top = float(rng.uniform(0, 1 - width))
    return image.resize(
        image.size, Image.Resampling.BICUBIC, _float_pixels(image, (start, top, start + width, top + width))
    )


def _float_pixels(image: Image.Image, box: Box) -> tuple[float, float, float, float]:
    (w, h), (left, top, right, bottom) = image.size, box
    return left * w, top * h, min(right, 1.0) * w, min(bottom, 1.0) * h


def _enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance], weakest: float, strongest: float) -> _Change:
    """A factor from ``weakest`` to ``strongest``; 1 leaves a picture as it is."""

    def change(image: Image.Image, s: float, rng: np.random.Generator, box: Box) -> Image.Image:  # noqa: ARG001
        return kind(image).enhance(weakest + (strongest - weakest) * s)

    return change


def _pixelated(image: Image.Image, s: float, rng: np.random.Generator, box: Box) -> Image.Image:  # noqa: ARG001
    cell = (0.02 + 0.06 * s) * _side(image)
    small = [max(1, round(n / cell)) for n in image.size]
    return image.resize((small[0], small[1]), Image.Resampling.BOX).resize(image.size, Image.Resampling.NEAREST)


def _blurred(image: Image.Image, s: float, rng: np.random.Generator, box: Box) -> Image.Image:  # noqa: ARG001
    return image.filter(ImageFilter.GaussianBlur((0.006 + 0.025 * s) * _side(image)))


def _noisy(image: Image.Image, s: float, rng: np.random.Generator, box: Box) -> Image.Image:  # noqa: ARG001
    noise = rng.normal(0, 8 + 42 * s, (*image.size[::-1], 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _compressed(image: Image.Image, s: float, rng: np.random.Generator, box: Box) -> Image.Image:  # noqa: ARG001
    file = io.BytesIO()
    image.save(file, "JPEG", quality=round(30 - 26 * s))
    with Image.open(file) as found:
        return found.convert("RGB")


_Change = Callable[[Image.Image, float, np.random.Generator, Box], Image.Image]
_CHANGES: Mapping[str, _Change] = {
    "masked": _masked,
    "blurred subject": _blurred_subject,
    "cropped": _cropped,
    "bright": _enhanced(ImageEnhance.Brightness, 1.2, 2.2),
    "dark": _enhanced(ImageEnhance.Brightness, 0.8, 0.2),
    "vivid": _enhanced(ImageEnhance.Color, 1.4, 3.0),
    "dull": _enhanced(ImageEnhance.Color, 0.6, 0.0),
    "harsh": _enhanced(ImageEnhance.Contrast, 1.3, 2.6),
    "flat": _enhanced(ImageEnhance.Contrast, 0.7, 0.2),
    "pixelation": _pixelated,
    "blur": _blurred,
    "noise": _noisy,
    "compression": _compressed,
}
