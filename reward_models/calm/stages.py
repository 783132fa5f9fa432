"""What the training of a CALM model reads from YAML: its data, and the stages of its cycle.

The paper's: which stages there are, what each trains, Adam, its peak rates, warm-up and cosine. Ours: numbers of steps,
batches, shares of tasks, which Q-Formers a group of augmentations trains, and how many come at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from reward_models.calm.alignment import LEVELS, Level
from reward_models.calm.augment import GROUPS, Group
from reward_models.calm.foreground import SegmenterSetting
from reward_models.calm.settings import ModelSetting
from reward_models.ratings.settings import DataSetting, Packaged, Strict
from reward_models.settings_file import read_settings

Task = Literal["name", "contrast", "describe", "comment", "question", "score", "person"]
Part = Literal["low", "middle", "high", "thematic", "llm"]
ROUTES: dict[Group, tuple[Level, ...]] = {
    "quality": ("low", "middle"),
    "colour": ("low", "middle"),
    "subject": ("middle", "high"),
}
ROUTED: tuple[Task, ...] = ("name", "contrast")


class CalmData(Strict):
    """All paths in a file of JSON lines are below the folder that the file is in."""

    pictures: tuple[str, ...] = ()
    """Folders of pictures without a label, which are made worse and named."""
    boxes: tuple[str, ...] = ()
    """JSON lines with `picture` and `box`: where subjects are, as left, top, right, bottom in [0, 1]."""
    segmenter: SegmenterSetting | None = None
    """Finds the subject where no box is told. null: it is taken to be the centre."""
    descriptions: tuple[str, ...] = ()
    """JSON lines with `picture` and `text`, as `steer data describe` writes them."""
    comments: tuple[str, ...] = ()
    """JSON lines with `picture` and `text`: what people say is good and lacking."""
    questions: tuple[str, ...] = ()
    """JSON lines with `picture`, `question` and `answer`: what CALM-E adds."""
    ratings: tuple[DataSetting, ...] = ()
    """Data sets of ratings, for everybody's scores and for persons'."""


class CalmStage(Strict):
    """One stage: ``steps`` of ``accumulate`` times ``batch`` examples of one task, drawn by these shares."""

    name: str = Field(pattern="^[a-z][a-z0-9-]{0,31}$")
    """What its files are called by."""
    train: tuple[Part, ...] = Field(min_length=1)
    """Which parts learn; all others are frozen, which is checked."""
    sees: tuple[Level, ...] | Literal["routed", "words"] = LEVELS
    """Whose tokens stand for a picture. `routed`: for pictures that were made worse those that their groups of
    augmentations go to, and all that there are for others. `words`: instead of the picture the language model reads its
    description and what was done to it; so a small one learns to read what stands in a picture's place. []: nothing."""
    tasks: dict[Task, float]
    """Shares of name, contrast, describe, comment, question, score and person."""
    steps: int = Field(ge=0)
    """Of the optimiser."""
    lr: float = Field(gt=0)
    """Peak rate, after a linear warm-up and before a cosine."""
    batch: int = Field(16, ge=1)
    """Examples that are looked at together."""
    accumulate: int = Field(1, ge=1)
    """Batches a step."""
    warmup: float = Field(0.03, ge=0, lt=1)
    """Of the steps."""
    singles: float = Field(0.5, ge=0, le=1)
    """Share of the stage's beginning that has no contrast of two pictures: what one picture is must be learnt first."""
    groups: tuple[Group, ...] = Field(GROUPS, min_length=1)
    """Which augmentations there are."""
    most: int = Field(2, ge=1, le=6)
    """Augmentations of one picture at once."""
    strengths: tuple[float, float] = (0.2, 1.0)
    """Between which they are drawn, in [0, 1]."""

    @field_validator("tasks")
    @classmethod
    def _some(cls, tasks: dict[Task, float]) -> dict[Task, float]:
        if any(share < 0 for share in tasks.values()) or not sum(tasks.values()):
            raise ValueError("a stage needs a task, and no share below 0")
        return tasks

    @field_validator("strengths")
    @classmethod
    def _between(cls, strengths: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= strengths[0] <= strengths[1] <= 1:
            raise ValueError("strengths are two numbers in [0, 1], the weaker first")
        return strengths

    def seeds(self, seed: int) -> list[int]:
        """Of what the stage draws, wherever it stands among the others."""
        return [seed, int.from_bytes(self.name.encode(), "big")]

    def shares(self, step: int) -> dict[Task, float]:
        """Of tasks at a step; their sum is 1. Where contrasts are not due yet, labels stand in for them."""
        shares = {task: share for task, share in self.tasks.items() if share}
        if "contrast" in shares and step < self.singles * self.steps:
            shares["name"] = shares.get("name", 0.0) + shares.pop("contrast")
        total = sum(shares.values())
        return {task: share / total for task, share in shares.items()}


class CalmSettings(Strict):
    """A YAML with ``family: calm``."""

    family: Literal["calm"]
    """Which family it is."""
    model: ModelSetting = ModelSetting()
    """Tower, alignment and language model."""
    data: CalmData
    """What it learns from."""
    stages: list[CalmStage] = Field(min_length=1)
    """In their order; a stage begins with what those before it have learnt."""
    routes: dict[Group, tuple[Level, ...]] = ROUTES
    """Which Q-Formers the sentences about a group of augmentations train."""
    sentences: str | None = None
    """A YAML of wordings; null: the shipped one."""
    pool: int | None = Field(None, ge=1)
    """How many pictures that were made worse there are for each set of groups; null: a new one each time."""
    keep: float = Field(0.5, ge=0)
    """GiB of main memory for what the tower sees of training pictures."""
    size: int = Field(448, ge=32, le=2048)
    """Longer side, in pixels, that pictures are opened at."""
    shown: int = Field(5, ge=1, le=10)
    """Pictures of a person in context."""
    weight_decay: float = Field(0.0, ge=0)
    """Of the optimiser, Adam with decoupled decay."""
    checkpointing: bool = False
    """Compute the language model's activations twice instead of keeping them."""
    save_every: int = Field(200, ge=1)
    """Steps between checkpoints."""
    batch_size: int = Field(8, ge=1)
    """Pictures that are scored at once, after training."""
    sets: int = Field(3, ge=1)
    """Draws of examples whose mean is a person's score."""
    fidelity: Packaged | None = None
    """An image-text encoder that says how well a picture fits its prompt."""
    seed: int = 0
    """Of all that is drawn in training."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it is trained."""
    out: str
    """Folder of the result, and of the checkpoints on the way."""

    @model_validator(mode="after")
    def _fits(self) -> CalmSettings:
        names, levels = [stage.name for stage in self.stages], set(self.model.alignment.levels)
        if len(set(names)) < len(names):
            raise ValueError("two stages have one name")
        for stage in self.stages:
            routed = {level for group in stage.groups for level in self.routes.get(group, ())}
            wanted = routed if stage.sees == "routed" else set()
            if stage.sees == "words" and set(stage.train) != {"llm"}:
                raise ValueError(f"the stage '{stage.name}' sees words, which teach the language model alone")
            if missing := sorted(((set(stage.train) - {"llm"}) | wanted) - levels):
                raise ValueError(f"the stage '{stage.name}' wants the level '{missing[0]}', which the model has not")
            if stage.sees == "routed" and (apart := [g for g in stage.groups if not self.routes.get(g)]):
                raise ValueError(f"no route says which levels '{apart[0]}' trains")
        return self


def load_settings(path: Path) -> CalmSettings:
    """Raises RewardError with the key that is wrong."""
    return read_settings(path, CalmSettings)
