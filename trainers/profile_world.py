"""What P-MLLM's small Llama learns from: cards of simulated people, and what they make of pictures in words.

Shapes: K pictures for a card, n pictures or hints.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from reward_models.cards import PARTS, card
from reward_models.prompted.question import liking_question
from steer.miniature.person import SimulatedPerson
from steer.miniature.profiles import self_report
from steer.miniature.words import bare, caption, phrases
from steer.miniature.world import ATTRIBUTES, Scene, random_scene

TOLD = 0.7  # probability that a card says each of its parts
ALONE = 0.6  # share of the cards that have one part, from which it is learnt fastest
NOBODY = 0.12  # share of the questions about people at large
CROWD = 200  # people whose mean is everybody's
FEWEST = 3  # ratings that a hint's liking is the mean of, where there is a table of them
GAIN, FULL, LESS = 3.0, 0.6, 0.85  # see `gain_at`
COMPLETIONS = 32  # pictures over which the liking of a hint is averaged
VALUES = [(name, value) for name, values in ATTRIBUTES.items() for value in values]  # V of them


def card_of(person: SimulatedPerson, parts: Sequence[str], manner: int = 0) -> str:
    """A person's card as the family writes it."""
    report = self_report(person)
    return card({**person.demographics, **report.fields()}, report.words(manner), parts)


def gain_at(progress: float) -> float:
    """How much larger differences between people are made, at ``progress`` in [0, 1] of the training: ``GAIN`` up to
    ``FULL``, down to 1 at ``LESS``. As they are they drown in what everybody likes: in 3,000 steps the model hardly
    learnt to look at the card.

    >>> gain_at(0.5), gain_at(0.9)
    (3.0, 1.0)
    """
    return GAIN - (GAIN - 1) * min(1.0, max(0.0, (progress - FULL) / (LESS - FULL)))


@dataclass
class Rated:
    """One card and what its person thinks of K pictures in words: ``likings`` (K,) in [0, 1]; ``taste`` (V,): how much
    more than others they like each value, in standard deviations of people, NaN where unknown.
    """

    instructions: str
    texts: list[str]
    likings: np.ndarray
    taste: np.ndarray = field(default_factory=lambda: np.full(len(VALUES), np.nan))


@dataclass(frozen=True)
class Usual:
    """What people at large make of a picture that shows these values: ``base``, and what each adds, by itself."""

    base: float
    adds: dict[tuple[str, str], float]

    @classmethod
    def of(cls, scenes: Sequence[Scene], likings: np.ndarray) -> Usual:
        """From likings (n,) of scenes."""
        base, adds = float(np.mean(likings)), {}
        for name, read in one_hot(scenes).items():
            seen = read.sum(0)
            means = (read.T @ likings + base) / (seen + 1)
            adds |= {(name, value): float(m - base) for value, m in zip(ATTRIBUTES[name], means, strict=True)}
        return cls(base, adds)

    def __call__(self, shown: dict[str, str]) -> float:
        return self.base + sum(self.adds[item] for item in shown.items())


class World:
    """Endless ratings: any of ``people`` of any scene, and what they make of a phrase or two ("a picture of: ink
    drawing"): their mean liking over all else that such a picture may show.
    """

    def __init__(self, people: Sequence[SimulatedPerson], rng: random.Random):
        self.people, self.rng, self.numbers = list(people), rng, np.random.default_rng(rng.getrandbits(32))
        self.usual = self._usual()
        self.gain = 1.0
        self.tastes = self._tastes()

    def _usual(self) -> Usual:
        scenes = [random_scene(self.rng) for _ in range(3000)]
        read = one_hot(scenes)
        return Usual.of(scenes, np.mean([p.satisfaction(read) for p in self.people[:CROWD]], axis=0))

    def _tastes(self) -> dict[str, np.ndarray]:
        """Each person's taste, as in :class:`Rated`."""
        drawn = [random_scene(self.rng, **{name: value}) for name, value in VALUES for _ in range(COMPLETIONS)]
        read = one_hot(drawn)
        return tastes_of(
            self.people,
            np.array([p.satisfaction(read) for p in self.people]).reshape(-1, len(VALUES), COMPLETIONS).mean(2),
        )

    def cards(self, n: int) -> list[Rated]:
        """As many cards without pictures: all that is to be learnt is their people's taste."""
        found = []
        for _ in range(n):
            person, told = self.somebody()
            found.append(Rated(liking_question(told).instructions, [], np.empty(0), self.taste(person, told)))
        return found

    def taste(self, person: SimulatedPerson, told: str) -> np.ndarray:
        """A person's; zeros where nothing is told of them."""
        return self.tastes[person.id] if told else np.zeros(len(VALUES))

    def apart(self, likings: np.ndarray, shown: Sequence[dict[str, str]]) -> np.ndarray:
        """Likings (n,) whose distance from what is usual for such pictures is ``gain`` times as large; how high a
        person rates all of them stays.
        """
        usual = np.array([self.usual(each) for each in shown])
        differs = likings - usual
        level = differs.mean()
        return np.clip(usual + level + self.gain * (differs - level), 0, 1)

    def one(self, k: int) -> Rated:
        """A person with some of their card, and k pictures in words, most of them hints: their likings are means, so
        they say more about a card than a rating does. Half of the pictures show something that the person speaks of,
        which by chance few would.
        """
        person, told = self.somebody()
        who = [person] if told else self.rng.sample(self.people, min(CROWD, len(self.people)))
        report = self_report(person)
        spoken = [*report.liked, *report.disliked]
        scenes = [random_scene(self.rng, **self._of(spoken)) for _ in range(k // 4)]
        hints = [self._of(spoken) or _hint(self.rng) for _ in range(k - len(scenes))]
        drawn = [random_scene(self.rng, **hint) for hint in hints for _ in range(COMPLETIONS)]
        read, of_hints = one_hot(scenes), one_hot(drawn)
        rated = np.mean([(p.rate(p.satisfaction(read), self.numbers) - 1) / 4 for p in who], axis=0)
        meant = np.mean([p.satisfaction(of_hints) for p in who[:20]], axis=0).reshape(-1, COMPLETIONS).mean(1)
        texts = [caption(s, self.rng, full=True) for s in scenes] + [said(hint, self.rng) for hint in hints]
        likings = np.concatenate([rated, meant])
        if told:
            likings = self.apart(likings, [*(values_of(s) for s in scenes), *hints])
        return Rated(liking_question(told).instructions, texts, likings, self.taste(person, told))

    def _of(self, spoken: Sequence[tuple[str, str]]) -> dict[str, str]:
        """One of these values half of the time."""
        return dict([self.rng.choice(spoken)]) if self.rng.random() < 0.5 else {}

    def somebody(self) -> tuple[SimulatedPerson, str]:
        """A person, and a card of some of the parts, often of one alone; "" for nobody in particular."""
        person = self.rng.choice(self.people)
        parts = [p for p in PARTS if self.rng.random() < TOLD] if self.rng.random() > NOBODY else []
        if parts and self.rng.random() < ALONE:
            parts = [self.rng.choice(("words", "words", "traits", "traits", "demographics"))]
        return person, card_of(person, parts, self.rng.randrange(6)) if parts else ""


def _hint(rng: random.Random) -> dict[str, str]:
    """One or two attributes of a picture."""
    return {name: rng.choice(ATTRIBUTES[name]) for name in rng.sample(list(ATTRIBUTES), rng.choice((1, 1, 1, 2)))}


def said(hint: dict[str, str], rng: random.Random) -> str:
    """A hint in words."""
    return ", ".join(bare(rng.choice(phrases(a, v)).removesuffix(" of")) for a, v in hint.items())


class Table(World):
    """No rating beyond those of a data set: ``rows`` by person, of scene and liking; for an arm that has few people."""

    def __init__(
        self, people: Sequence[SimulatedPerson], rng: random.Random, rows: dict[str, list[tuple[Scene, float]]]
    ):
        self.rows = rows
        super().__init__(people, rng)
        by_scene: dict[Scene, list[float]] = {}
        for scene, liking in (row for own in rows.values() for row in own):
            by_scene.setdefault(scene, []).append(liking)
        self.means = [(scene, float(np.mean(values))) for scene, values in by_scene.items()]

    def _usual(self) -> Usual:
        rows = [row for own in self.rows.values() for row in own]
        return Usual.of([scene for scene, _ in rows], np.array([liking for _, liking in rows]))

    def _tastes(self) -> dict[str, np.ndarray]:
        """From each person's ratings of pictures that show the value, where there are ``FEWEST``."""
        means = []
        for person in self.people:
            rows = [(values_of(scene), liking) for scene, liking in self.rows[person.id]]
            found = [[liking for shown, liking in rows if shown[name] == value] for name, value in VALUES]
            means.append([np.mean(each) if len(each) >= FEWEST else np.nan for each in found])
        return tastes_of(self.people, np.array(means))

    def one(self, k: int) -> Rated:
        """As :class:`World`. A hint's liking is the mean of the person's ratings of pictures that show it."""
        person, told = self.somebody()
        rows = self.rows[person.id] if told else self.means
        drawn = self.rng.choices(rows, k=k // 4)
        report = self_report(person)
        spoken = [*report.liked, *report.disliked]
        shown, likings = [values_of(scene) for scene, _ in drawn], [liking for _, liking in drawn]
        texts = [caption(scene, self.rng, full=True) for scene, _ in drawn]
        while len(shown) < k:
            hint = self._of(spoken) or _hint(self.rng)
            found = [liking for scene, liking in rows if hint.items() <= values_of(scene).items()]
            if len(found) < FEWEST:
                continue
            shown.append(hint)
            likings.append(float(np.mean(found)))
            texts.append(said(hint, self.rng))
        targets = self.apart(np.array(likings), shown) if told else np.array(likings)
        return Rated(liking_question(told).instructions, texts, targets, self.taste(person, told))


def tastes_of(people: Sequence[SimulatedPerson], means: np.ndarray) -> dict[str, np.ndarray]:
    """Tastes as in :class:`Rated` from the mean likings (people, V) of pictures that show each value."""
    differs = means - np.nanmean(means, axis=0)
    differs -= np.nanmean(differs, axis=1, keepdims=True)  # how high somebody rates everything is no taste
    differs /= np.nanstd(differs)
    return {person.id: row for person, row in zip(people, differs, strict=True)}


def values_of(scene: Scene) -> dict[str, str]:
    """The value of each attribute."""
    return {name: values[i] for (name, values), i in zip(ATTRIBUTES.items(), scene.indices(), strict=True)}


def one_hot(scenes: Sequence[Scene]) -> dict[str, np.ndarray]:
    """What a perfect eye reads, (n, classes) by attribute."""
    index = np.array([s.indices() for s in scenes])
    return {name: np.eye(len(values))[index[:, i]] for i, (name, values) in enumerate(ATTRIBUTES.items())}
