"""Ctrl-C and kill -9 on the real command: nothing made is lost, nothing is made twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.steer.command import steer_here


def start_and_stop(folder, how, budget=60):
    """Start a run, stop it by a signal after some pictures; its exit code and output."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "steer",
            "run",
            "-u",
            "u5",
            "-p",
            "a horse",
            "-n",
            str(budget),
            "-o",
            str(folder),
            "-s",
            "renderer=painter",
            "-s",
            "search.patience=99",
            "-s",
            "search.worth=0",
            "-s",
            "search.screen=3",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # jobs of a script's background ignore Ctrl-C
    )
    deadline = time.monotonic() + 120
    while len(list(folder.glob("pictures/*.png"))) < 12:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(how)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the run comes to undisturbed."""
    done = steer_here(
        "run",
        "-u",
        "u5",
        "-p",
        "a horse",
        "-n",
        60,
        "-o",
        tmp_path_factory.mktemp("whole") / "run",
        "--json",
        "-s",
        "renderer=painter",
        "-s",
        "search.patience=99",
        "-s",
        "search.worth=0",
        "-s",
        "search.screen=3",
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_and_resumed_equals_undisturbed(tmp_path, how, whole):
    folder = tmp_path / "cut"
    code, output, errors = start_and_stop(folder, how)
    if how is signal.SIGINT:
        assert code == 1
        assert f"steer resume {folder}" in output
        assert "interrupted" in output
    assert "Traceback" not in errors
    kept = {p.name: p.stat().st_mtime_ns for p in (folder / "pictures").glob("*.png")}
    assert 12 <= len(kept) < 60
    resumed = steer_here("resume", folder, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["candidates"] == whole["candidates"]
    journaled = {c["picture"] for c in json.loads(resumed.stdout)["candidates"]}
    again = [n for n, t in kept.items() if (folder / "pictures" / n).stat().st_mtime_ns != t]
    # a picture written a moment before its journal line may be made again: one at most
    assert len(again) <= 1
    assert len(journaled) == 60
