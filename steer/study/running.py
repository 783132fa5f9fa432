"""A study from its plan to judged pictures, by the rules of batches: killed, it goes on; nothing is drawn twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from reward_models import RewardModel
from reward_models.doors import inside
from reward_models.pictures import read_picture
from reward_models.plural import counted
from steer.batch.folder import BatchFolder
from steer.batch.row_parts import RowParts
from steer.batch.rows import Row, read_mappings
from steer.batch.run import run_batch
from steer.config import load_config
from steer.errors import SteerError, UsageError
from steer.parts import Parts
from steer.report.stored import read_result
from steer.store.files import write_json
from steer.study.folder import Cell, StudyFolder, look_id
from steer.study.judges import Jury
from steer.study.kept import KeptRenderer
from steer.study.plan import StudyConfig

FRESH = 7_919  # added to a run's seed: fresh pictures are on seeds that no run used
Told = Callable[[str, int, int], None]  # what is done, how many of how many


class StudyRun:
    """Does what is missing of a study. ``tell`` hears of progress."""

    def __init__(self, folder: StudyFolder, beside: int = 8, tell: Told = lambda *_: None):
        self.folder, self.config, self.beside, self.tell = folder, folder.config, beside, tell
        config = load_config(self.config.config, self.config.settings)
        self._parts = Parts(config, keep=lambda renderer: KeptRenderer(renderer, folder.path / "pictures"))

    def run(self) -> None:
        """Steer, draw, judge. Raises SteerError where a row fails or nothing can go on; the same call goes on.

        Judges and the settings of all conditions are looked at before anything is drawn.
        """
        jury = Jury(self.config)
        settings = {name: self.config.settings_of(name) for name in self.config.steered()}
        for own in settings.values():
            load_config(self.config.config, self.config.settings, own)
        for name, own in settings.items():
            self._batch(name, self._parts_for(own), self.folder.runs(name), list(self._rows(name)))
        self._batch("fresh pictures", *self._looks())
        self.judge(jury)

    def judge(self, jury: Jury | None = None) -> None:
        """Every picture by every judge; what is judged already is left."""
        jury = jury or Jury(self.config)
        todo = [
            *((self.folder.run_of(n, c), c) for n in self.config.steered() for c in self.folder.cells(n)),
            *((self.folder.look_of(c.prompt, c.seed, t), c) for c, t in self._texts()),
        ]
        for done, (path, cell) in enumerate(todo, start=1):
            judge_run(path, cell, self.config.prompts[cell.prompt], self.config.everyone, jury)
            self.tell("judged", done, len(todo))

    def _rows(self, condition: str) -> Iterator[dict[str, Any]]:
        for cell in self.folder.cells(condition):
            about = self.config.critic_about(condition, cell.user)
            yield {
                "id": cell.id,
                "prompt": self.config.prompts[cell.prompt],
                "user": cell.user,
                "seed": cell.seed,
                "budget": self.config.budget,
                **({"critic.about": about} if about is not None else {}),
            }

    def _texts(self) -> Iterator[tuple[Cell, str]]:
        """Prompts and the texts that runs found for them, each once a prompt and seed."""
        seen: set[str] = set()
        for name in ("", *self.config.steered()):
            for cell in self.folder.cells(name or self.config.baseline):
                if name:
                    best = (self.folder.result(name, cell) or {}).get("best")
                    text = best["text"] if best else None
                else:
                    text = self.config.prompts[cell.prompt]
                if text is not None and (id_ := look_id(cell.prompt, cell.seed, text)) not in seen:
                    seen.add(id_)
                    yield cell, text

    def _looks(self) -> tuple[Parts, BatchFolder, list[dict[str, Any]]]:
        parts = self._parts_for(["search.rewrite=false", f"search.budget={self.config.looks}"])
        rows = [
            {
                "id": look_id(cell.prompt, cell.seed, text),
                "prompt": text,
                "user": "average",
                "seed": cell.seed + FRESH,
                # the unchanged prompt is what all is held against
                "budget": self.config.budget if text == self.config.prompts[cell.prompt] else self.config.looks,
            }
            for cell, text in self._texts()
        ]
        return parts, self.folder.looks, rows

    def _batch(self, name: str, parts: Parts, batch: BatchFolder, rows: list[dict[str, Any]]) -> None:
        config = parts.config
        if config.search.ask:
            raise UsageError("search.ask: nobody answers questions in a study")
        batch.prepare(config.model_dump(mode="json"), [], config.name, read_mappings(rows, RowParts(parts).check))
        ended = sum(batch.state(row) == "done" for row in batch.rows())

        def one_more(row: Row) -> None:  # noqa: ARG001
            nonlocal ended
            ended += 1
            self.tell(name, ended, len(rows))

        self.tell(name, ended, len(rows))
        if ended == len(rows):
            return
        states = run_batch(batch, parts, self.beside, retry_failed=True, ended=one_more)
        if states["failed"]:
            first = next(r for r in batch.rows() if batch.state(r) == "failed")
            raise SteerError(
                f"{counted(states['failed'], 'run')} of '{name}' failed, the first: {batch.outcome(first)['reason']}"
            )

    def _parts_for(self, settings: list[str]) -> Parts:
        """Models are shared wherever conditions agree on them."""
        return self._parts.with_config(load_config(self.config.config, self.config.settings, settings))


def draw_users(config: StudyConfig) -> StudyConfig:
    """The plan with its users by name: drawn from those whom the steering reward was trained on, or named, of the store
    too.
    """
    parts = Parts(load_config(config.config, config.settings))
    if isinstance(config.users, list):
        return config.drawn(parts.roster.ids())
    return config.drawn(people_of(parts.reward, config.users.dataset))


def people_of(reward: RewardModel, dataset: str | None) -> list[str]:
    """The people of one of a reward's data sets; of the first where none is named, as sets may be of other pictures and
    scales. Raises UsageError for one that it was not trained on.
    """
    people, names = list(reward.people()), list(reward.datasets)
    if dataset is not None and dataset not in names:
        known = f"it was trained on {', '.join(names)}" if names else "what it was trained on is not known"
        raise UsageError(f"users.dataset: the steering reward has no data set '{dataset}'; {known}")
    if len(names) < 2:
        return people
    return [p for p in people if p.startswith(f"{dataset or names[0]}-")]


def judge_run(path: Path, cell: Cell, prompt: str, users: list[str], jury: Jury) -> None:
    """Write ``judged.json`` of a run: by judge the liking of every picture by the run's user, of the best one by all
    users, and fidelity.

    A run for nobody, as fresh pictures are, keeps every picture's liking by all users.
    """
    target, marks = path / "judged.json", jury.fingerprint()
    if target.exists() and json.loads(target.read_text(encoding="utf-8"))["jury"] == marks:
        return
    result = read_result(path)
    drawn = [c for c in result["candidates"] if c["picture"]]
    if not drawn:
        raise SteerError(f"'{path}' has no picture to judge")
    images = [read_picture(inside(path, c["picture"]), ("PNG",)) for c in drawn]
    texts = [prompt] * len(images)
    best = next((i for i, c in enumerate(drawn) if c["picture"] == result["picture"]), 0)
    single = cell.user in users and result["user"] == cell.user
    found: dict[str, Any] = {"jury": marks, "index": [c["index"] for c in drawn]}
    for name, judge in jury.judges.items():
        if single:
            own = judge.likings(images, texts, [cell.user])[0]
            found[name] = {
                "pictures": _plain(own),
                "best": dict(zip(users, _plain(judge.likings([images[best]], [prompt], users)[:, 0]), strict=True)),
            }
        else:
            every = judge.likings(images, texts, users)  # (U, n)
            found[name] = {
                "all": {u: _plain(v) for u, v in zip(users, every, strict=True)},
                "best": dict(zip(users, _plain(every[:, best]), strict=True)),
            }
    found["fidelity"] = {"pictures": _plain(agree := jury.fidelity.agree(images, prompt)), "best": float(agree[best])}
    shown = [images[best]] if single else images
    found["features"] = [[round(float(v), 4) for v in row] for row in jury.features(shown)]
    write_json(target, found, nan=True)


def _plain(values: np.ndarray) -> list[float]:
    return [round(float(v), 5) for v in values]
