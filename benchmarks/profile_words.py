"""What is known of a person who rated nothing: from words, from demographics, from both.

    python benchmarks/profile_words.py

The 34 people of the miniature the reward never saw say truly which two styles, lights and places they like most and
least ("sepia, fog, ..., no neon, ..."). SROCC with their true liking of the 550 test pictures; mean [95 % bootstrap
over people], and the share of taste left open.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import typer
from interview import Test
from steering import interval

from steer import Steerer
from steer.miniature.dataset import N_SEEN, N_VAL_UNSEEN
from steer.miniature.raters import simulated_people
from steer.miniature.world import ATTRIBUTES
from steer.users.store import UserStore

KINDS = ("nothing", "words", "demographics", "both")


def main(dataset: Path = Path("training/pamela")) -> None:
    store = UserStore(Path(tempfile.mkdtemp()) / "users.db")
    steerer = Steerer("miniature", store=store)
    test = Test(steerer, dataset)
    reached, left = [], []
    for name, person in list(simulated_people().items())[N_SEEN + N_VAL_UNSEEN :]:
        liked, disliked = [], []
        for kind in ("style", "light", "place"):
            order = np.argsort(person.main[kind])
            liked += [ATTRIBUTES[kind][i] for i in order[-2:]]
            disliked += [f"no {ATTRIBUTES[kind][i]}" for i in order[:2]]
        words, known = ", ".join([*liked, *disliked]), dict(person.demographics)
        for kind, told in zip(KINDS, (({}, ""), ({}, words), (known, ""), (known, words)), strict=True):
            store.add(f"{kind}-{name}", *told)
        left.append([steerer.parts.roster.learn(f"{kind}-{name}").uncertainty for kind in KINDS])
        reached.append([test.reached(f"{kind}-{name}", person) for kind in KINDS])
    values = np.array(reached)
    for i, kind in enumerate(KINDS):
        mean, low, high = interval(values[:, i])
        more, least, most = interval(values[:, i] - values[:, 0])
        print(
            f"{kind:13s} {mean:.3f} [{low:.3f}, {high:.3f}]  {more:+.3f} [{least:+.3f}, {most:+.3f}]  "
            f"open {np.mean(left, axis=0)[i]:.2f}"
        )


if __name__ == "__main__":
    typer.run(main)
