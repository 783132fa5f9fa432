"""A batch that is killed again and again ends as if undisturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from steer.batch.folder import BatchFolder
from tests.steer.batch.runs import PROMPTS, check_whole, facts_of, in_journals


def _killed(tmp_path, kind, prompts, kills, longest):
    """Start, kill after a random time, again and again; then let it end. The batch, and how often each picture was
    drawn."""
    rows = tmp_path / "rows.txt"
    rows.write_text("\n".join(prompts))
    rng, outcome = random.Random(0), {}
    for name, times in (("whole", 0), ("killed", kills)):
        command = [
            sys.executable,
            "-m",
            "tests.steer.batch.killed",
            str(tmp_path / name),
            str(rows),
            str(tmp_path / f"{name}.log"),
            kind,
        ]
        done, kept = 0, []
        while done < times:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[3]
            )
            begun, log = time.monotonic(), tmp_path / f"{name}.log"
            size = log.stat().st_size if log.exists() else 0
            while process.poll() is None and (not log.exists() or log.stat().st_size == size):
                time.sleep(0.01)  # it draws now
                assert time.monotonic() - begun < 300
            time.sleep(rng.uniform(0, longest))
            if process.poll() is not None:
                break  # it was quicker
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            done += 1
            kept.append((len(log.read_text().splitlines()), in_journals(tmp_path / name)))
        assert done >= min(times, 3)
        last = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[3])
        assert last.returncode == 0, last.stderr
        drawn = (tmp_path / f"{name}.log").read_text().splitlines()
        for until, known in kept:
            assert not known & set(drawn[until:])  # what a journal names is never drawn again
        outcome[name] = BatchFolder(tmp_path / name), Counter(drawn), done
    return outcome


def _check_killed(outcome, in_flight):
    """Equal results, no torn file, and drawn twice only what was on its way to the disk when it was killed."""
    (whole, once, _), (killed, drawn, kills) = outcome["whole"], outcome["killed"]
    assert facts_of(killed) == facts_of(whole)
    assert max(once.values()) == 1
    assert set(drawn) == set(once)
    assert sum(drawn.values()) - len(drawn) <= kills * in_flight
    check_whole(killed)


@pytest.mark.slow
def test_killed_again_and_again_it_ends_as_if_undisturbed(tmp_path):
    _check_killed(
        _killed(tmp_path, "fake", [f"a fox number {i}" for i in range(12)], kills=3, longest=0.3), in_flight=8
    )


@pytest.mark.slow
def test_forty_rows_of_the_miniature_killed_twenty_times(tmp_path):
    prompts = [
        f"{p} {place}"
        for p in PROMPTS
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
    _check_killed(_killed(tmp_path, "miniature", prompts, kills=20, longest=4), in_flight=8)
