"""A batch on a real local Ray, with actors killed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter

import pytest
import ray

from steer import Steerer
from steer.batch.cluster import RayEngine
from steer.batch.folder import BatchFolder
from steer.batch.rows import read_rows
from steer.batch.run import run_batch
from steer.config import load_config
from steer.errors import ProposerError, SteerError
from steer.parts import Parts
from steer.testing import FakeProposer, FakeRenderer, FakeReward
from tests.steer.batch.runs import check_whole, facts_of, in_journals

SETTINGS = ["search.screen=1", "search.budget=8"]


@pytest.fixture(scope="module", autouse=True)
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def maker(log):
    def make():
        from tests.steer.batch.killed import Logged

        with open(log.with_suffix(".pids"), "a") as file:
            file.write(f"{os.getpid()}\n")
        return Steerer(
            load_config("miniature", SETTINGS),
            renderer=Logged(FakeRenderer(), log, 0.02),
            reward=FakeReward(),
            proposer=FakeProposer(),
        ).parts

    return make


def batch_of(tmp_path, name, n):
    (tmp_path / "rows.txt").write_text("\n".join(f"a fox number {i}" for i in range(n)))
    config = load_config("miniature", SETTINGS)
    folder = BatchFolder(tmp_path / name)
    folder.begin(config.model_dump(mode="json"), [], "miniature")
    folder.add(read_rows([str(tmp_path / "rows.txt")], "u1"))
    return folder


def test_actors_that_are_killed_change_nothing(tmp_path):
    whole = batch_of(tmp_path, "whole", 8)
    run_batch(whole, maker(tmp_path / "whole.log")())
    folder = batch_of(tmp_path, "ray", 8)
    engine = RayEngine(folder, maker(tmp_path / "ray.log"), workers=2, beside=2)
    killed = []

    def kill():
        log = tmp_path / "ray.log"
        for n in (5, 30):
            while not log.exists() or len(log.read_text().splitlines()) < n:
                time.sleep(0.02)
            while (pid := int((tmp_path / "ray.pids").read_text().split()[-1])) in killed:
                time.sleep(0.02)  # the youngest actor is still the one that was killed
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    ended = []
    states = run_batch(folder, None, ended=lambda row: ended.append(row.id), engine=engine)
    assert states == Counter(done=8)
    assert killed
    assert sorted(ended) == sorted(r.id for r in folder.rows())
    assert facts_of(folder) == facts_of(whole)
    once, drawn = (Counter((tmp_path / f"{n}.log").read_text().splitlines()) for n in ("whole", "ray"))
    assert set(once) == set(drawn)
    assert sum(drawn.values()) - len(drawn) <= 2 * 8  # only what was on its way to the disk
    check_whole(folder)


def real_maker(log):
    def make():
        from tests.steer.batch.killed import Logged

        with open(log.with_suffix(".pids"), "a") as file:
            file.write(f"{os.getpid()}\n")
        config = load_config("miniature", ["search.budget=6"])
        return Parts(config, renderer=Logged(Parts(config).renderer, log, 0))

    return make


@pytest.mark.slow
def test_forty_rows_of_the_miniature_and_twenty_killed_actors(tmp_path):
    prompts = [
        f"a {thing} {place}"
        for thing in ("fox", "castle", "robot", "cake", "boat")
        for place in (
            "by the sea",
            "in a forest",
            "in the city",
            "in the snow",
            "in the desert",
            "in a meadow",
            "in a room",
            "in the mountains",
        )
    ]
    config = load_config("miniature", ["search.budget=6"])
    batches = {}
    for name in ("whole", "ray"):
        (tmp_path / "rows.txt").write_text("\n".join(prompts))
        batches[name] = folder = BatchFolder(tmp_path / name)
        folder.begin(config.model_dump(mode="json"), [], "miniature")
        folder.add(read_rows([str(tmp_path / "rows.txt")], "u1"))
    run_batch(batches["whole"], real_maker(tmp_path / "whole.log")())
    log, pids, folder = tmp_path / "ray.log", tmp_path / "ray.pids", batches["ray"]
    killed, again, over, rng = [], [], threading.Event(), random.Random(0)

    def kill():
        """The youngest actor, some time after it begins to draw."""
        while len(killed) < 20 and not over.is_set():
            drawn = len(log.read_text().splitlines()) if log.exists() else 0
            while not over.is_set() and (not log.exists() or len(log.read_text().splitlines()) == drawn):
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 2))
            pid = int(pids.read_text().split()[-1])
            if pid in killed or over.is_set():
                continue
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
            time.sleep(0.1)
            known = in_journals(folder.path)  # its rows wait for another actor, which takes seconds to load
            again.append((len(log.read_text().splitlines()), known))

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        states = run_batch(folder, None, engine=RayEngine(folder, real_maker(log), workers=2, beside=4))
    finally:
        over.set()
    thread.join()
    assert states == Counter(done=40)
    print(f"{len(killed)} actors killed, {len(log.read_text().splitlines())} pictures drawn for {40 * 6}")
    assert len(killed) == 20
    assert facts_of(folder) == facts_of(batches["whole"])
    check_whole(folder)
    drawn = log.read_text().splitlines()
    for until, known in again:
        assert not known & set(drawn[until:])  # what a journal names is never drawn again
    assert len(drawn) - len(set(drawn)) <= 20 * 8


class Gone(FakeProposer):
    def propose(self, request, history, n):
        raise ProposerError("the server is gone")


def test_what_stops_a_batch_stops_it_here_too(tmp_path):
    def make():
        return Steerer(
            load_config("miniature", SETTINGS), renderer=FakeRenderer(), reward=FakeReward(), proposer=Gone()
        ).parts

    folder = batch_of(tmp_path, "out", 8)
    with pytest.raises(ProposerError, match="3 rows one after another"):
        run_batch(folder, None, engine=RayEngine(folder, make, workers=1))
    assert run_batch(folder, maker(tmp_path / "log")()) == Counter(done=8)


@pytest.mark.slow
def test_actors_that_cannot_live(tmp_path, monkeypatch):
    monkeypatch.setattr("steer.batch.cluster.LOST", 1)

    def make():
        os._exit(1)

    folder = batch_of(tmp_path, "dead", 3)
    with pytest.raises(SteerError, match="actors died one after another"):
        run_batch(folder, None, engine=RayEngine(folder, make, workers=1))
