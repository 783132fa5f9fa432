"""A study on disk: ``study.json``, a batch a condition under ``runs/``, fresh pictures under ``looks/``, findings and
report.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reward_models.doors import read_object
from steer.batch.folder import BatchFolder
from steer.errors import UsageError
from steer.report.stored import read_result
from steer.store.files import storage_error, write_json
from steer.store.names import check_new
from steer.store.private import private_folder
from steer.study.plan import StudyConfig, parse_study

OWN = ("study.json", "manifest.json", "runs", "looks", "findings.json", "report.html", "report.md", "plots")


@dataclass(frozen=True)
class Cell:
    """One prompt (by its number), one seed, one user."""

    prompt: int
    seed: int
    user: str

    @property
    def id(self) -> str:
        """Also the row's id in a batch, which is a plain name whatever people are called."""
        return f"p{self.prompt:02d}-s{self.seed}-{_plain(self.user)}"


class StudyFolder:
    """Reads and writes one study."""

    def __init__(self, path: Path, config: StudyConfig):
        self.path, self.config = path, config
        self._results: dict[Path, dict[str, Any]] = {}  # of runs that are done, which change no more

    @classmethod
    def begin(cls, path: Path, config: StudyConfig) -> StudyFolder:
        """A new study, or the one that is there with the same plan. Raises UsageError where it has another."""
        plan = json.loads(config.model_dump_json())
        if is_study(path):
            if cls.open(path).config != config:
                raise UsageError(f"'{path}' holds a study with another plan; give another --out")
            return cls(path, config)
        check_new(path, OWN)
        try:
            private_folder(path)
        except OSError as error:
            raise storage_error(path, error) from error
        write_json(path / "study.json", {"kind": "study", "plan": plan})
        return cls(path, config)

    @classmethod
    def open(cls, path: Path) -> StudyFolder:
        """An existing study. Raises UsageError where there is none."""
        if not is_study(path):
            raise UsageError(f"there is no study in '{path}'")
        return cls(path, parse_study(read_object(path / "study.json").get("plan"), str(path)))

    def runs(self, condition: str) -> BatchFolder:
        """The batch of a condition."""
        return BatchFolder(self.path / "runs" / _slug(condition))

    @property
    def looks(self) -> BatchFolder:
        """The batch of fresh pictures of the texts that were found."""
        return BatchFolder(self.path / "looks")

    def cells(self, condition: str) -> Iterator[Cell]:
        """What a condition is tried on; one that is steered for a fixed user has one run a prompt and seed."""
        found = self.config.conditions[condition]
        users = [found.fixed] if found.fixed else self.config.users_of(condition)
        for p in range(len(self.config.prompts)):
            for seed in self.config.seeds:
                for user in users:
                    yield Cell(p, seed, user)

    def run_of(self, condition: str, cell: Cell) -> Path:
        """The run folder of a cell of a steered condition."""
        fixed = self.config.conditions[condition].fixed
        id_ = Cell(cell.prompt, cell.seed, fixed or cell.user).id
        return self.runs(condition).path / "runs" / id_[:2] / id_

    def look_of(self, prompt: int, seed: int, text: str) -> Path:
        """The run folder of fresh pictures of a text that was found for a prompt and seed."""
        id_ = look_id(prompt, seed, text)
        return self.looks.path / "runs" / id_[:2] / id_

    def result(self, condition: str, cell: Cell) -> dict[str, Any] | None:
        """``result.json`` of a cell's run; None where it is not done."""
        path = self.run_of(condition, cell) / "result.json"
        if path not in self._results and path.exists():
            self._results[path] = read_result(path.parent)
        return self._results.get(path)


def look_id(prompt: int, seed: int, text: str) -> str:
    """The row id of a text's fresh pictures."""
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]}-p{prompt:02d}-s{seed}"


def is_study(path: Path) -> bool:
    """Whether a folder holds a study."""
    try:
        return bool(read_object(path / "study.json").get("kind") == "study")
    except (OSError, ValueError, AttributeError):
        return False


def _plain(user: str) -> str:
    """A user's id; of one that is no plain name, what is plain in it and a digest, so that no two are the same."""
    if re.fullmatch("[A-Za-z0-9_-]{1,40}", user):
        return user
    return f"{_slug(user)[:24]}-{hashlib.sha256(user.encode()).hexdigest()[:12]}"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
