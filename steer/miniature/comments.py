"""What CALM's miniature learns to say of a painted picture: comments and suggestions by the common taste, and answers
about what is to be seen.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from steer.miniature.words import bare, phrases
from steer.miniature.world import ATTRIBUTES, Scene

Adds = Mapping[tuple[str, str], float]  # what each value of an attribute adds to everybody's liking
SHOWN = 2  # values that are named as good
COMMENTS = (
    "What pleases is the {good}. What it lacks is the {better}.",
    "People like the {good} here, but the {bad} takes from it.",
    "The {good} is good. It would be better with the {better}.",
    "A picture liked for its {good} and not for the {bad}.",
    "The {bad} does it no good, the {good} does.",
)
QUESTIONS = {
    "subject": "What is shown?",
    "place": "Where is it?",
    "light": "What is the light like?",
    "style": "What is the style?",
    "framing": "How is it framed?",
}


def taste_of(scene: Scene, adds: Adds) -> dict[str, list[tuple[str, str]]]:
    """What common taste keeps in a scene, and what it would rather have more and less of: attributes with values."""
    values = scene.attributes()
    shown = sorted(((name, values[name]) for name in QUESTIONS), key=adds.__getitem__)
    worst = shown[0]
    best = max(ATTRIBUTES[worst[0]], key=lambda value: adds[worst[0], value])
    more = [(worst[0], best)] if best != worst[1] else []
    return {"keep": shown[: -SHOWN - 1 : -1], "more": more, "less": [worst] if more else []}


def said(item: tuple[str, str], rng: random.Random | None = None) -> str:
    """A value in words: the usual ones, or drawn."""
    texts = phrases(*item)
    return bare((rng.choice(texts) if rng else texts[0]).removesuffix(" of"))


def comment(scene: Scene, adds: Adds, rng: random.Random) -> str:
    """What is liked and lacking, in one of several wordings."""
    taste = taste_of(scene, adds)
    good = " and the ".join(said(item, rng) for item in taste["keep"])
    if not taste["more"]:
        return f"What pleases is the {good}. It lacks nothing."
    bad, better = said(taste["less"][0], rng), said(taste["more"][0], rng)
    return rng.choice(COMMENTS).format(good=good, bad=bad, better=better)


def remarks(scene: Scene, adds: Adds) -> dict[str, list[str]]:
    """The same as remarks on what to keep and to change."""
    return {way: [said(item) for item in items] for way, items in taste_of(scene, adds).items()}


def answers(scene: Scene) -> list[tuple[str, str]]:
    """Questions about what is to be seen, and their answers."""
    return [(question, f"{said((name, getattr(scene, name)))}.") for name, question in QUESTIONS.items()]
