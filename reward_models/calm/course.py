"""What the stages of a cycle draw: turns whose pictures are what the tower sees of them, or their descriptions.

What is drawn follows from the seed, the stage's name and the step alone, so a resumed training sees what an
uninterrupted one sees. Shapes: N patches, E width of the tower.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from torch import Tensor

from reward_models.base import RewardError
from reward_models.calm.alignment import LEVELS, Level
from reward_models.calm.augment import CENTRE, SEEN, Augmentation, Box, Group, augmented, change, draw
from reward_models.calm.foreground import Segmenter, tuple_of
from reward_models.calm.model import CalmModel
from reward_models.calm.sentences import load_sentences
from reward_models.calm.stages import ROUTED, CalmSettings, CalmStage, Task
from reward_models.calm.turns import (
    Example,
    Turn,
    comment_turn,
    contrast_turn,
    name_turn,
    personal_turn,
    question_turn,
    score_turn,
)
from reward_models.describing import DESCRIBE
from reward_models.doors import parse_json, read_text
from reward_models.pictures import open_picture
from reward_models.ratings.sets import load_set
from reward_models.ratings.table import DataError

T = TypeVar("T")
Row = dict[str, Any]
SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp"))
UNCHANGED, BESIDE = 0.08, 0.5  # shares: labels of pictures as they were; contrasts whose second picture is as it was


@dataclass(frozen=True)
class Batch:
    """``turns`` with states (4, N, E) as pictures, and the levels whose tokens stand for these."""

    turns: list[Turn]
    levels: tuple[Level, ...]


@dataclass
class Material:
    """All that a config's data say. ``texts``: picture, question and answer, by task. ``means``: picture and
    everybody's liking. ``people``: of each person pictures and likings.
    """

    pictures: list[Path] = field(default_factory=list)
    boxes: dict[Path, Box] = field(default_factory=dict)
    texts: dict[Task, list[tuple[Path, str, str]]] = field(default_factory=dict)
    means: list[tuple[Path, float]] = field(default_factory=list)
    people: list[list[tuple[Path, float]]] = field(default_factory=list)
    fingerprint: str = ""

    def by_task(self) -> dict[Task, Sequence[Any]]:
        """What each task draws from."""
        pictures = self.pictures
        return {"name": pictures, "contrast": pictures, **self.texts, "score": self.means, "person": self.people}


def material(settings: CalmSettings, say: Callable[[str], None] = print) -> Material:
    """Raises DataError for what does not read."""
    data, found, facts = settings.data, Material(), list[Any]()
    for folder in data.pictures:
        paths = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise DataError(f"there is no picture in '{folder}'")
        found.pictures += paths
        facts.append([str(p.relative_to(folder)) for p in paths])
    for name in data.boxes:
        for row in (own := _rows(Path(name), ("picture", "box"))):
            found.boxes[Path(name).parent / str(row["picture"])] = box_told(row["box"], name)
        facts.append(own)
    kinds: list[tuple[Task, Sequence[str], str, str]] = [
        ("describe", data.descriptions, "text", DESCRIBE),
        ("comment", data.comments, "text", ""),
        ("question", data.questions, "answer", ""),
    ]
    for task, names, key, question in kinds:
        for name in names:
            own = _rows(Path(name), ("picture", key, *(("question",) if task == "question" else ())))
            said = [(Path(name).parent / str(r["picture"]), str(r.get("question", question)), str(r[key])) for r in own]
            found.texts.setdefault(task, []).extend(said)
            facts.append(own)
    for told in data.ratings:
        ratings = load_set(told, say=say)
        train = ratings.split("train")
        means = train.groupby("picture", sort=True)["score"].mean()
        found.means += [(ratings.root / str(p), float(y)) for p, y in means.items()]
        for _, rows in train.groupby("person", sort=True):
            columns = zip(rows["picture"], rows["score"], strict=True)
            found.people.append([(ratings.root / str(p), float(y)) for p, y in columns])
        facts.append(ratings.fingerprint())
    found.fingerprint = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return found


class Course:
    """Draws batches for a ``model`` that learns. ``kept``: what the tower has seen, to be shared by courses that have
    tower, data, seed and size in common.

    Raises RewardError for a task that there is no data for.
    """

    def __init__(
        self,
        settings: CalmSettings,
        model: CalmModel,
        say: Callable[[str], None] = print,
        kept: OrderedDict[Any, Tensor] | None = None,
    ):
        self.settings, self.model, self.found = settings, model, material(settings, say)
        self.sentences = load_sentences(Path(settings.sentences) if settings.sentences else None)
        segmenter = settings.data.segmenter
        self._segmenter = Segmenter(segmenter, model.device) if segmenter else None
        self.found.people = [rows for rows in self.found.people if len(rows) > settings.shown]
        self._told = {path: text for path, _, text in self.found.texts.get("describe", ())}
        self._kept = OrderedDict[Any, Tensor]() if kept is None else kept
        self._changes: dict[Any, tuple[Augmentation, ...]] = {}
        for stage in settings.stages:
            have = (self._described if stage.sees == "words" else self.found).by_task()
            if missing := [task for task, share in stage.tasks.items() if share and not have.get(task)]:
                words = ", with descriptions," if stage.sees == "words" else ""
                raise RewardError(f"no data{words} are told for the task '{missing[0]}' of the stage '{stage.name}'")

    def batch(self, stage: CalmStage, step: int, part: int = 0) -> Batch:
        """Of one task, for one part of a step."""
        rng = np.random.default_rng([*stage.seeds(self.settings.seed), step, part])
        tasks, shares = zip(*stage.shares(step).items(), strict=True)
        task: Task = tasks[int(rng.choice(len(tasks), p=shares))]
        if task in ROUTED:
            groups = self._groups(stage, rng)
            turns = [self._worse(stage, task, groups, rng) for _ in range(stage.batch)]
            return self._as_seen(stage, turns, self.route(groups))
        turns = [self._plain(stage, task, rng) for _ in range(stage.batch)]
        return self._as_seen(stage, turns, LEVELS)

    @cached_property
    def _described(self) -> Material:
        """What there is of pictures that are described."""
        found, told = self.found, self._told
        people = [[row for row in rows if row[0] in told] for rows in found.people]
        return Material(
            [p for p in found.pictures if p in told],
            found.boxes,
            {task: [row for row in rows if row[0] in told] for task, rows in found.texts.items()},
            [row for row in found.means if row[0] in told],
            [rows for rows in people if len(rows) > self.settings.shown],
        )

    def route(self, groups: Sequence[Group]) -> tuple[Level, ...]:
        """Which levels learn from what was done out of these groups."""
        routed = {level for group in groups for level in self.settings.routes[group]}
        return tuple(level for level in LEVELS if level in routed)

    def _as_seen(self, stage: CalmStage, turns: list[Turn], routed: Sequence[Level]) -> Batch:
        """``routed``: the levels where the stage does not name its own."""
        if stage.sees == "words":
            return Batch(turns, ())
        levels = routed if stage.sees == "routed" else stage.sees
        if not levels:
            turns = [Turn(tuple(p for p in turn.asked if isinstance(p, str)), turn.answer) for turn in turns]
        return Batch(turns, tuple(level for level in self.model.alignment.levels if level in levels))

    def _groups(self, stage: CalmStage, rng: np.random.Generator) -> tuple[Group, ...]:
        """One to ``most`` groups, for all examples of a batch, as they go one way."""
        n = int(rng.integers(1, min(stage.most, len(stage.groups)) + 1))
        sets = list(itertools.combinations(stage.groups, n))
        return sets[int(rng.integers(len(sets)))]

    def _worse(self, stage: CalmStage, task: Task, groups: tuple[Group, ...], rng: np.random.Generator) -> Turn:
        """A label or a contrast of a picture that was made worse."""
        pool = self.settings.pool
        which = int(rng.integers(pool)) if pool else int(rng.integers(2**62))
        own = np.random.default_rng([self.settings.seed, which, *map(ord, "".join(groups))])
        pictures = (self._described if stage.sees == "words" else self.found).pictures
        path = pictures[int(own.integers(len(pictures)))]
        first = () if own.random() < UNCHANGED and task == "name" else self._drawn(stage, groups, own)
        done, states = self._looked(stage, path, first, own, (groups, which, 0))
        if task == "name":
            return name_turn(states, self.sentences.label(done, rng))
        second: tuple[Augmentation, ...] = () if own.random() < BESIDE else self._drawn(stage, groups, own)
        others, beside = self._looked(stage, path, second, own, (groups, which, 1))
        if set(done) == set(others):
            others, beside = [], self._seen(stage, path)
        if not done and not others:
            return name_turn(states, self.sentences.label(done, rng))
        return contrast_turn(states, beside, self.sentences.contrast(done, others, rng))

    def _drawn(self, stage: CalmStage, groups: Sequence[Group], rng: np.random.Generator) -> tuple[Augmentation, ...]:
        return draw(rng, groups, stage.most, stage.strengths)

    def _looked(
        self, stage: CalmStage, path: Path, done: Sequence[Augmentation], rng: np.random.Generator, key: tuple[Any, ...]
    ) -> tuple[list[str], Tensor | str]:
        """What was done, of that what changes this picture, and what the tower sees of it."""
        seed, key = int(rng.integers(2**62)), (*key, str(path), tuple(done))
        if stage.sees == "words":
            kinds = [each.kind for each in done]
            return kinds, f"{self._seen(stage, path)} {self.sentences.label(kinds, rng)}"
        if not done or not stage.sees:
            return [each.kind for each in done], self._seen(stage, path)
        if key not in self._changes:
            self._changes[key] = self._changing(path, done, seed)
            if not self.settings.pool:  # what is not drawn again need not be remembered
                self._changes = {key: self._changes[key]}
        if not (changing := self._changes[key]):
            return [], self._seen(stage, path)

        def made() -> Image.Image:
            image = self._opened(path)
            return augmented(image, changing, np.random.default_rng(seed), self._box(path, image, changing))

        return [each.kind for each in changing], self._seen(stage, key, made)

    def _changing(self, path: Path, done: Sequence[Augmentation], seed: int) -> tuple[Augmentation, ...]:
        """Those that change this picture enough to be seen: a grey one is not made paler."""
        image = self._opened(path)
        box = self._box(path, image, done)
        each_alone = ((each, augmented(image, [each], np.random.default_rng(seed), box)) for each in done)
        return tuple(each for each, after in each_alone if change(image, after) >= SEEN)

    def _seen(self, stage: CalmStage, key: Any, made: Callable[[], Image.Image] | None = None) -> Tensor | str:
        """States, or none where pictures are left out; the description of a path where words are seen."""
        if stage.sees == "words":
            return self._told[key]
        if not stage.sees:
            return _NOTHING
        return self._remembered(key, made or (lambda: self._opened(key)))

    def _plain(self, stage: CalmStage, task: Task, rng: np.random.Generator) -> Turn:
        written, found = self.model.scale.written, self._described if stage.sees == "words" else self.found
        if task == "score":
            path, liking = _one(found.means, rng)
            return score_turn(self._seen(stage, path), written(liking))
        if task == "person":
            rows = _one(found.people, rng)
            drawn = [rows[int(i)] for i in rng.permutation(len(rows))[: self.settings.shown + 1]]
            *before, (asked, rated) = [(self._seen(stage, path), liking) for path, liking in drawn]
            return personal_turn(asked, [Example(p, written(y)) for p, y in before], written(rated), learnt=True)
        path, question, answer = _one(found.texts[task], rng)
        states = self._seen(stage, path)
        return comment_turn(states, answer) if task == "comment" else question_turn(states, question, answer)

    def _box(self, path: Path, image: Image.Image, done: Sequence[Augmentation]) -> Box:
        if not any(each.group == "subject" for each in done):
            return CENTRE
        if (box := self.found.boxes.get(path)) is None:
            box = self.found.boxes[path] = self._segmenter(image) if self._segmenter else CENTRE
        return box

    def _opened(self, path: Path) -> Image.Image:
        with open_picture(path.read_bytes()) as image:
            found = image.convert("RGB")
        found.thumbnail((self.settings.size, self.settings.size))
        return found

    def _remembered(self, key: Any, made: Callable[[], Image.Image]) -> Tensor:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        states = self.model.picture_states([made()])[0]
        self._kept[key] = states
        while len(self._kept) * states.numel() * states.element_size() > self.settings.keep * 2**30:
            self._kept.popitem(last=False)
        return states


_NOTHING = Tensor()


def _one(rows: Sequence[T], rng: np.random.Generator) -> T:
    return rows[int(rng.integers(len(rows)))]


def _rows(path: Path, keys: Sequence[str]) -> list[Row]:
    """JSON lines. Raises DataError."""
    found: list[Row] = []
    try:
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if not line.strip():
                continue
            row = parse_json(line)
            if not isinstance(row, dict) or (missing := [key for key in keys if key not in row]):
                wanting = f"no '{missing[0]}'" if isinstance(row, dict) else "no object"
                raise DataError(f"'{path}', line {number}: {wanting}")
            found.append(row)
    except FileNotFoundError as error:
        raise DataError(f"there is no file '{path}'") from error
    except (OSError, ValueError) as error:
        raise DataError(f"'{path}' does not read as JSON lines: {error}") from error
    if not found:
        raise DataError(f"'{path}' is empty")
    return found


def box_told(values: Any, name: str) -> Box:
    """A box of a file ``name``. Raises DataError."""
    try:
        return tuple_of(values)
    except (TypeError, ValueError) as error:
        raise DataError(f"'{name}': a box is four numbers, not {values!r}") from error
