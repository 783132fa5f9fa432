"""How far rewrites may leave the prompt: one dial from "only touch the light" to "surprise me"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StrengthName = Literal["light", "gentle", "free", "surprise"]


@dataclass(frozen=True)
class Strength:
    """``kinds``: the lexicon's groups that may be chosen, None for all; ``words`` are what a chat model is told.

    ``min_kept`` is a share of the prompt's content words, ``min_likeness`` a likeness of
    :class:`steer.search.texts.TextSpace` (on the miniature: a short prompt with one phrase more .6, with four .2, other
    subjects 0), ``fidelity_floor`` a share of the original pictures' mean fidelity.
    """

    kinds: tuple[str, ...] | None
    min_kept: float
    min_likeness: float
    fidelity_floor: float
    words: str


STRENGTHS: dict[StrengthName, Strength] = {
    "light": Strength(
        ("light",),
        1.0,
        0.5,
        0.95,
        "Change nothing but the light: repeat the original prompt and add a few words about light, hour or weather.",
    ),
    "gentle": Strength(
        ("light", "mood", "palette", "style"),
        1.0,
        0.3,
        0.95,
        "Keep every word of the original prompt and add to it: light, colours, mood or style; scene and view stay.",
    ),
    "free": Strength(
        None,
        0.5,
        0.1,
        0.9,
        "Change light, style, colours, framing, viewpoint, composition or mood.",
    ),
    "surprise": Strength(
        None,
        0.3,
        0.0,
        0.75,
        "Surprise this person: unusual views, places, times, styles and stories are welcome while the subject stays.",
    ),
}
