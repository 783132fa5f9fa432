"""A store of 10,000 people and a million ratings: seconds to list, enrol, score, export and delete.

    python benchmarks/users.py [--people 10000] [--each 100]

Random ratings of the shipped pictures and of invented ones; medians of five. Listing is also timed as the command,
start included.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import typer

from reward_models import Person
from reward_models.pamela.reward import PamelaReward
from steer import Steerer
from steer.users.exchange import export_user
from steer.users.pictures import shipped_pictures
from steer.users.store import UserStore


def seconds(work: Callable[[], object], times: int = 5) -> float:
    each = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        each.append(time.perf_counter() - begun)
    return statistics.median(each)


def main(people: int = 10_000, each: int = 100, pictures: int = 5_000) -> None:
    path = Path(tempfile.mkdtemp()) / "users.db"
    store, rng, questions = UserStore(path), np.random.default_rng(0), shipped_pictures()
    steerer = Steerer("miniature", store=store)
    reward = steerer.parts.reward
    assert isinstance(reward, PamelaReward)
    assert reward.teacher
    key = reward.teacher.key
    hashes = [q.hash for q in questions] + [f"picture-{i}" for i in range(pictures - len(questions))]
    prompts = [q.prompt for q in questions] + [""] * (pictures - len(questions))
    begun = time.perf_counter()
    for start in range(0, people, 500):
        with store.together():
            for u in range(start, min(start + 500, people)):
                store.add(f"person{u}")
                rows = rng.choice(pictures, each, replace=False)
                store.rate_many(
                    f"person{u}",
                    [(hashes[i], prompts[i], float(s)) for i, s in zip(rows, rng.uniform(1, 5, each), strict=True)],
                )
    print(
        f"written    {people} people, {people * each} ratings: {time.perf_counter() - begun:.0f} s, "
        f"{path.stat().st_size / 2**20:.0f} MiB"
    )
    features = rng.normal(size=(pictures, reward.encoder.width)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    kept = [row.tobytes() for row in features.astype(np.float16)]
    store.keep_features(key, dict(zip(hashes, kept, strict=True)))
    images = [q.image for q in questions[:4]]
    turn = iter(range(people))
    print(f"list       {seconds(lambda: store.users()):.2f} s")
    environment = {**os.environ, "STEER_USERS": str(path)}
    command = [sys.executable, "-m", "steer", "user", "list"]
    print(
        f"command    {seconds(lambda: subprocess.run(command, env=environment, check=True, capture_output=True)):.2f} s"
    )
    print(f"show one   {seconds(lambda: store.user('person77')):.3f} s")
    print(f"rate       {seconds(lambda: store.rate('person77', 'picture-3', 4)):.3f} s")
    print(f"enrol      {seconds(lambda: steerer.parts.roster.learn(f'person{next(turn)}')):.2f} s, from {each} ratings")
    print(f"again      {seconds(lambda: steerer.parts.roster.learn('person0')):.2f} s, nothing changed")
    print(f"score      {seconds(lambda: reward.score(images, ['a fox'] * 4, Person('person0'))):.2f} s, 4 pictures")
    print(f"export     {seconds(lambda: export_user(store, 'person0', [key])):.2f} s")
    gone = iter(range(100, people))
    print(f"delete     {seconds(lambda: store.delete(f'person{next(gone)}')):.2f} s")


if __name__ == "__main__":
    typer.run(main)
