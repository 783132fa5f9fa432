"""The small Llama of CALM's miniature learns to read before it sees: all that CALM is asked, of pictures in words.

A description, and a sentence that says what was done, stand in the picture's place. First it says descriptions again as
they are: a small model finds out how to look a word up only where it has to at every token. Then come all the tasks.
A language model of full size can do all this, and learns nothing here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from reward_models.calm.course import Course
from reward_models.calm.model import build
from reward_models.calm.stages import CalmSettings, CalmStage, Task
from reward_models.encoders.precision import mixed
from trainers.common import Trainer
from trainers.muon import Muon

STEPS, LR, BATCH, LOG_EVERY = 2500, 3e-3, 24, 50
AGAIN = 0.15  # share of the steps in which descriptions are said again
TASKS: dict[Task, float] = {
    "describe": 0.5,
    "name": 2,
    "contrast": 1.5,
    "question": 1.5,
    "comment": 1,
    "score": 1,
    "person": 3,
}


def stages(steps: int) -> tuple[CalmStage, CalmStage]:
    """Descriptions alone, then all tasks."""
    again = round(AGAIN * steps)

    def stage(name: str, tasks: dict[Task, float], steps: int) -> CalmStage:
        return CalmStage(
            name=name, train=("llm",), sees="words", tasks=tasks, steps=steps, lr=LR, batch=BATCH, singles=0
        )

    return stage("again", {"describe": 1}, again), stage("words", TASKS, steps - again)


def teach(settings: CalmSettings, folder: Path, steps: int) -> Path:
    """The folder of the language model of ``settings`` after it; what is there already is not made again."""
    finished = folder / "model"
    if (finished / "config.json").exists():
        return finished
    again, words = stages(steps)
    model = build(settings.model)
    course = Course(settings.model_copy(update={"stages": [again, words]}), model)
    model.train_only(["llm"])
    trainer = Trainer(
        folder, model.llm, steps, LR, muon=lambda name: "layers" in name, muon_class=Muon, weight_decay=0.0
    )
    said: dict[str, list[float]] = {}

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        stage, at = (again, step) if step < again.steps else (words, step - again.steps)
        batch = course.batch(stage, at)
        with mixed():
            value = model.loss(batch.turns)
        said.setdefault(str(batch.turns[0].asked[-1]), []).append(float(value.detach()))
        if step % LOG_EVERY == LOG_EVERY - 1:
            print({question[:24]: round(float(np.mean(values)), 3) for question, values in said.items()}, flush=True)
            said.clear()
        return value, {}

    trainer.run(loss, log_every=LOG_EVERY)
    model.llm.eval()
    model.tokenizer.save_pretrained(finished)
    model.llm.save_pretrained(finished)
    return finished
