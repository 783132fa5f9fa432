"""What can be in a miniature picture: the attributes, their values and the words for them.

A scene is one choice per attribute plus a seed for the details nobody names. Everything
else in the miniature derives from this table: the painter draws it, captions say it, the
prompt reader recognises it, the eyes read it and the simulated people like or dislike it.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import asdict, dataclass, replace
from typing import Literal

# Of the simulated people whose ratings taught the rewards that ship; raters.py has them all.
WORLD: Literal[1, 2] = 1

# value -> emoji it is drawn from; the lighthouse has no emoji and is drawn by code.
SUBJECT_EMOJI: dict[str, str] = {
    "fox": "🦊",
    "lion": "🦁",
    "horse": "🐎",
    "penguin": "🐧",
    "rabbit": "🐇",
    "elephant": "🐘",
    "whale": "🐋",
    "fish": "🐟",
    "butterfly": "🦋",
    "owl": "🦉",
    "cat": "🐈",
    "turtle": "🐢",
    "snowman": "⛄",
    "tree": "🌳",
    "sunflower": "🌻",
    "mushroom": "🍄",
    "cactus": "🌵",
    "castle": "🏰",
    "house": "🏠",
    "tent": "⛺",
    "tower": "🗼",
    "lighthouse": "",
    "train": "🚂",
    "car": "🚗",
    "bicycle": "🚲",
    "sailboat": "⛵",
    "balloon": "🎈",
    "guitar": "🎸",
    "violin": "🎻",
    "cake": "🎂",
    "teapot": "🫖",
    "robot": "🤖",
}

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "subject": tuple(SUBJECT_EMOJI),
    "place": ("meadow", "sea", "forest", "mountains", "desert", "city", "snow", "room", "lavender"),
    "light": ("day", "dawn", "sunset", "night", "fog"),
    "style": ("photo", "watercolour", "oil", "pixel", "ink", "monochrome", "sepia", "neon"),
    "framing": ("close-up", "medium", "wide"),
    "position": ("left", "centre", "right"),
}

# What kind of thing a subject is.
GROUPS = {
    "animal": "fox lion horse penguin rabbit elephant whale fish butterfly owl cat turtle",
    "landscape": "tree sunflower mushroom cactus",
    "architecture": "castle house tent tower lighthouse",
    "automotive": "train car bicycle sailboat",
    "still life": "balloon guitar violin cake teapot",
    "special": "robot snowman",
}
GROUP_OF = {subject: group for group, subjects in GROUPS.items() for subject in subjects.split()}

# How an attribute value may be said. The first phrase is the usual one. A framing or style
# phrase that ends in " of" stands before the subject, every other phrase after or around it.
PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "subject": {
        "train": ("train", "steam train", "locomotive"),
        "sailboat": ("sailboat", "boat", "ship"),
        "bicycle": ("bicycle", "bike"),
        "house": ("house", "cottage"),
        "rabbit": ("rabbit", "hare"),
        "horse": ("horse",),
        "balloon": ("balloon", "red balloon"),
    },
    "place": {
        "meadow": ("in a meadow", "in a field of flowers", "on the grass"),
        "sea": ("by the sea", "on a beach", "at the ocean", "on the shore"),
        "forest": ("in a forest", "in the woods", "among pine trees"),
        "mountains": ("in the mountains", "below snowy peaks", "in the alps"),
        "desert": ("in the desert", "on sand dunes"),
        "city": ("in the city", "on a street", "before a skyline"),
        "snow": ("in the snow", "in winter", "in falling snow"),
        "room": ("in a room", "indoors", "by a window"),
        "lavender": ("in a lavender field", "among lavender"),
    },
    "light": {
        "day": ("in daylight", "at noon", "on a sunny day", "under a blue sky"),
        "dawn": ("at dawn", "at sunrise", "in soft morning light"),
        "sunset": ("at sunset", "at dusk", "in warm evening light", "in the golden hour"),
        "night": ("at night", "under the stars", "in moonlight"),
        "fog": ("in fog", "in the mist", "on a hazy grey day"),
    },
    "style": {
        "photo": ("photo of", "photo", "photograph of", "photorealistic"),
        "watercolour": ("watercolour of", "watercolour", "watercolor painting", "in watercolor"),
        "oil": ("oil painting of", "oil painting", "oil on canvas"),
        "pixel": ("pixel art of", "pixel art", "8-bit pixel art"),
        "ink": ("ink drawing of", "ink drawing", "line art", "pen and ink"),
        "monochrome": ("black and white photo of", "black and white", "monochrome", "greyscale"),
        "sepia": ("sepia print of", "sepia", "vintage sepia photo"),
        "neon": ("neon picture of", "neon", "synthwave", "in neon colours"),
    },
    "framing": {
        "close-up": ("close-up of", "close-up", "macro shot of", "filling the frame"),
        "medium": ("medium shot of", "medium shot"),
        "wide": ("wide shot of", "wide shot", "distant view of", "small in the distance"),
    },
    "position": {
        "left": ("on the left", "to the left"),
        "centre": ("in the centre", "in the middle", "centered"),
        "right": ("on the right", "to the right"),
    },
}

# What an artist does when nothing is said; its weight makes unsaid attributes usual ones.
USUAL: dict[str, str] = {
    "style": "photo",
    "light": "day",
    "framing": "medium",
    "position": "centre",
}
# Probability that a caption leaves a value out. A usual value is left out more often, so a
# picture whose style is unsaid is a photo with p = .75 / (.75 + 7 * .12), about one half.
UNSAID_USUAL, UNSAID_OTHER, UNSAID_POSITION = 0.75, 0.12, 0.55


@dataclass(frozen=True)
class Scene:
    """One picture of the world, fully determined: the same scene is the same pixels."""

    subject: str
    place: str
    light: str
    style: str
    framing: str
    position: str
    seed: int = 0

    def attributes(self) -> dict[str, str]:
        """The named attributes, without the seed."""
        values = asdict(self)
        values.pop("seed")
        return values

    def indices(self) -> tuple[int, ...]:
        """Class index per attribute, in the order of ``ATTRIBUTES``."""
        return tuple(ATTRIBUTES[name].index(getattr(self, name)) for name in ATTRIBUTES)

    def with_(self, **changes: str | int) -> Scene:
        """A copy with some attributes changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def random_scene(rng: random.Random, **fixed: str) -> Scene:
    """A scene with every attribute uniform, except the ``fixed`` ones."""
    values = {name: fixed.get(name) or rng.choice(options) for name, options in ATTRIBUTES.items()}
    return Scene(**values, seed=rng.getrandbits(31))


def unsaid_probability(attribute: str, value: str) -> float:
    """Probability that a caption of a picture with this value does not mention it."""
    if attribute == "subject":
        return 0.0
    if USUAL.get(attribute) == value:
        return UNSAID_USUAL
    return UNSAID_POSITION if attribute == "position" else UNSAID_OTHER


def complete_scene(said: dict[str, str], rng: random.Random) -> Scene:
    """Draw the unsaid attributes from what captions leave out (the posterior of captions)."""
    values = dict(said)
    for name, options in ATTRIBUTES.items():
        if name not in values:
            weights = [unsaid_probability(name, v) or 1.0 for v in options]
            values[name] = rng.choices(options, weights)[0]
    return Scene(**values, seed=rng.getrandbits(31))


def held_out(scene: Scene) -> bool:
    """Whether this (subject, place, style) never appears in training: one combination in ten."""
    key = f"{scene.subject}/{scene.place}/{scene.style}".encode()
    return hashlib.sha256(key).digest()[0] % 10 == 0


def scene_at(seed: int, i: int, unseen: bool = False) -> Scene:
    """The i-th scene of the stream ``seed``; only held-out combinations with ``unseen``."""
    rng = random.Random(f"{seed}/{i}")
    while True:
        scene = random_scene(rng)
        if held_out(scene) == unseen:
            return scene
