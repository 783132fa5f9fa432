"""Between words and scenes: captions are written from scenes, prompts are read into attributes."""

from __future__ import annotations

import difflib
import random
import re
from functools import lru_cache
from typing import Any

from steer.miniature.world import ATTRIBUTES, PHRASES, Scene, unsaid_probability

# Words that say a value without being used in captions.
EXTRA_WORDS: dict[str, dict[str, tuple[str, ...]]] = {
    "subject": {"balloon": ("balloons",), "cactus": ("cacti",), "cat": ("kitten",)},
    "place": {
        "meadow": ("meadow", "field", "grass", "garden"),
        "sea": ("sea", "beach", "ocean", "shore", "coast", "seaside"),
        "forest": ("forest", "woods", "pines"),
        "mountains": ("mountains", "mountain", "peaks", "alps"),
        "desert": ("desert", "dunes"),
        "city": ("city", "street", "skyline", "town"),
        "snow": ("snow", "winter", "snowy"),
        "room": ("room", "indoors", "window"),
        "lavender": ("lavender", "lavender field"),
    },
    "light": {
        "day": ("daylight", "noon", "sunny", "blue sky", "sunny day"),
        "dawn": ("dawn", "sunrise", "morning", "morning light"),
        "sunset": ("sunset", "dusk", "evening", "golden hour", "twilight"),
        "night": ("night", "stars", "moonlight", "starry", "nighttime"),
        "fog": ("fog", "mist", "hazy", "foggy", "misty", "overcast"),
    },
    "style": {
        "photo": ("photo", "photograph", "photography"),
        "watercolour": ("watercolour", "watercolor"),
        "oil": ("oil",),
        "pixel": ("pixel", "pixelated", "8-bit"),
        "ink": ("ink", "line drawing"),
        "monochrome": ("black and white photo", "b&w", "grayscale"),
        "sepia": ("vintage",),
        "neon": (),
    },
    "framing": {"close-up": ("closeup", "macro"), "medium": (), "wide": ("distant", "tiny", "far")},
    "position": {"left": ("left",), "centre": ("centred", "center", "central"), "right": ("right",)},
}


def phrases(attribute: str, value: str) -> tuple[str, ...]:
    """The ways captions say a value, the usual one first."""
    return PHRASES[attribute].get(value, (value,))


def caption(scene: Scene, rng: random.Random, full: bool = False) -> str:
    """A caption of ``scene``: attributes left out, phrasing and word order varied.

    With ``full`` every attribute is said.
    """
    said = {
        name: rng.choice(phrases(name, value))
        for name, value in scene.attributes().items()
        if full or rng.random() >= unsaid_probability(name, value)
    }
    return compose(said, rng)


def compose(said: dict[str, str], rng: random.Random) -> str:
    """Join phrases (attribute -> phrase) into one caption in a random natural order."""
    subject = said["subject"]
    heads = [p for n, p in said.items() if n != "subject" and p.endswith(" of")]
    rest = [(n, p) for n, p in said.items() if n != "subject" and not p.endswith(" of")]
    rng.shuffle(rest)
    joined = [p for n, p in rest if n in ("place", "light", "position")]
    listed = [p for n, p in rest if n in ("style", "framing")]
    article = rng.choice(("a ", "a ", "a ", "the ", ""))
    if article == "a " and subject[0] in "aeiou":
        article = "an "
    text = f"{article}{subject}"
    if heads:
        rng.shuffle(heads)
        indefinite = "an " if heads[0][0] in "aeiou" else "a "
        opening = rng.choice((indefinite, "")) + heads[0]
        listed += [h.removesuffix(" of") for h in heads[1:]]
        text = f"{opening} {text}"
    text = " ".join([text, *joined]) if rng.random() < 0.75 else ", ".join([text, *joined])
    before = [p for p in listed if rng.random() < 0.3]
    after = [p for p in listed if p not in before]
    return ", ".join([*before, text, *after])


@lru_cache(maxsize=1)
def _lexicon() -> tuple[re.Pattern[str], dict[str, tuple[str, str]]]:
    meaning: dict[str, tuple[str, str]] = {}
    for attribute, values in ATTRIBUTES.items():
        for value in values:
            extra = EXTRA_WORDS.get(attribute, {}).get(value, ())
            for text in (value, *phrases(attribute, value), *extra):
                meaning[text.removesuffix(" of")] = (attribute, value)
    longest_first = sorted(meaning, key=len, reverse=True)
    pattern = r"(?<![\w-])(" + "|".join(map(re.escape, longest_first)) + r")(?![\w-])"
    return re.compile(pattern), meaning


def read_prompt(text: str) -> dict[str, str]:
    """Attributes a text names. The longest phrase wins; of rivals the first said counts.

    >>> read_prompt("wide shot of a fox in snow at dusk, watercolour")["light"]
    'sunset'
    """
    pattern, meaning = _lexicon()
    said: dict[str, str] = {}
    for match in pattern.finditer(text.lower()):
        attribute, value = meaning[match.group(1)]
        said.setdefault(attribute, value)
    return said


def nearest_subject(text: str) -> str:
    """The subject whose name is most like a word of the text that means nothing here; the first one where none is.

    >>> nearest_subject("a catsle in fog"), nearest_subject("雪の中の狐")
    ('castle', 'fox')
    """
    pattern, _ = _lexicon()
    words = re.findall(r"[^\W\d_]{3,}", pattern.sub(" ", text.lower()))
    subjects = ATTRIBUTES["subject"]
    return max(subjects, key=lambda s: max((difflib.SequenceMatcher(None, w, s).ratio() for w in words), default=0.0))


# Captions say these of one thing alone ("red balloon", "blue sky"), so a red fox is just a fox.
_COLOURS = frozenset(("red", "blue", "golden", "grey", "black", "white"))
_LEADING = re.compile(r"^(in|on|at|by|under|below|before|among|to) ((the|a) )?")


def bare(phrase: str) -> str:
    """A phrase without what ties it to a subject.

    >>> bare("by the sea")
    'sea'
    """
    return _LEADING.sub("", phrase)


def vocabulary(with_extra: bool) -> dict[str, Any]:
    """What the world can show, JSON-ready: ``subjects`` with the phrases that name them, all other ``phrases``, and the
    ``words`` that mean the same outside their phrase.

    ``with_extra``: :data:`EXTRA_WORDS` too, which captions never use: the painter reads them, a model that was
    trained on captions does not.
    """
    said: dict[str, dict[str, tuple[str, ...]]] = {}
    for attribute, values in ATTRIBUTES.items():
        for value in values:
            extra = EXTRA_WORDS.get(attribute, {}).get(value, ()) if with_extra else ()
            every = [text.removesuffix(" of") for text in (*phrases(attribute, value), *extra)]
            said.setdefault(attribute, {})[value] = tuple(dict.fromkeys(map(bare, every)))
    subjects = said.pop("subject")
    others = sorted({text for values in said.values() for texts in values.values() for text in texts})
    words = {word for text in others for word in re.findall(r"[\w-]+", text)}
    return {
        "subjects": {value: list(texts) for value, texts in subjects.items()},
        "phrases": others,
        "words": sorted(words - _COLOURS),
    }
