"""Keeps candidates in a run folder until it is killed, and says after each flush how far it is.

python -m tests.steer.store.keeping FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from steer.store.run_folder import RunFolder
from steer.types import Candidate, Rewrite, State


def run(path):
    return RunFolder.create(
        path, {"prompt": "a fox", "user": "u1", "budget": 400, "seed": 0}, {"name": "x"}, {"renderer": {"name": "fake"}}
    )


def keep(folder, index):
    candidate = Candidate(index, 0, Rewrite(f"a fox {index}"), index)
    folder.save_picture(candidate, Image.new("RGB", (8, 8)))
    candidate.personal = candidate.population = candidate.fidelity = candidate.uncertainty = candidate.objective = 0.5
    candidate.state = State.SCORED
    folder.record(candidate)


def main(path):
    folder = RunFolder.open(path) if path.exists() else run(path)
    index = max(folder.candidates, default=-1) + 1
    while True:
        keep(folder, index)
        if index % 5 == 4:
            folder.flush()
            print(index, flush=True)
        index += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
