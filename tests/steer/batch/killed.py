"""A batch in a process of its own, to be killed: fakes, or the miniature itself; every rendered picture is one line of
a log.

python -m tests.steer.batch.killed FOLDER ROWS LOG fake|miniature
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from steer import Steerer
from steer.batch.folder import BatchFolder
from steer.batch.rows import read_rows
from steer.batch.run import run_batch
from steer.config import load_config
from steer.protocols import Renderer
from steer.testing import FakeProposer, FakeRenderer, FakeReward


class Logged(Renderer):
    """A renderer that writes down what it was asked, before it draws."""

    def __init__(self, renderer, log, delay):
        self.renderer, self.log, self.delay = renderer, Path(log), delay
        self.name, self.batch_size = renderer.name, renderer.batch_size

    def describe(self):
        return self.renderer.describe()

    def render(self, prompts, seeds):
        time.sleep(self.delay)
        pictures = self.renderer.render(prompts, seeds)
        with open(self.log, "a") as file:
            file.writelines(f"{seed} {prompt}\n" for prompt, seed in zip(prompts, seeds, strict=True))
            file.flush()
            os.fsync(file.fileno())
        return pictures


def main(folder, rows, log, kind):
    if kind == "fake":
        config = load_config("miniature", ["search.screen=1", "search.budget=8"])
        parts = {"renderer": Logged(FakeRenderer(), log, 0.02), "reward": FakeReward(), "proposer": FakeProposer()}
    else:
        config = load_config("miniature", ["search.budget=6"])
        parts = {"renderer": Logged(Steerer(config).parts.renderer, log, 0)}
    steerer = Steerer(config, **parts)
    batch = BatchFolder(Path(folder))
    batch.begin(config.model_dump(mode="json"), [], config.name)
    batch.add(read_rows([rows], "u1"))
    print(dict(run_batch(batch, steerer.parts)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
