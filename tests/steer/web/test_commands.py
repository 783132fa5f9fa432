"""The commands that serve a page: their options, a taken port, and how they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.steer.command import steer_here


@pytest.mark.parametrize("command", ["run", "ui", "user rate", "study page"])
def test_every_page_has_the_same_options(command):
    said = steer_here(*command.split(), "--help", env={"COLUMNS": "160"}).stdout
    assert all(option in said for option in ("--host", "--port", "--no-browser"))


def test_options_of_the_page_need_the_page():
    done = steer_here("run", "-u", "u17", "-p", "a fox", "--port", "8000")
    assert done.returncode == 2
    assert "--host, --port and --no-browser belong to --page" in done.stderr


def test_a_taken_port_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = steer_here("user", "rate", "me", "--store", tmp_path / "u.db", "--no-browser", "--port", port)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"--port: {port} is taken" in line


def test_a_finished_run_says_how_to_leave_and_one_interrupt_is_enough(tmp_path):
    options = f"-n 3 --set renderer=painter --page --no-browser --out {tmp_path / 'run'}".split()
    run = subprocess.Popen(
        [sys.executable, "-m", "steer", "run", "-u", "u17", "-p", "a fox", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "STEER_USERS": str(tmp_path / "users.db")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )
    assert run.stdout
    said = []
    while not said or "press Done on it, or Ctrl-C here" not in said[-1]:
        said.append(run.stdout.readline())
        assert said[-1], run.communicate()  # it must not end by itself
    assert any(line.startswith("open http://127.0.0.1:") for line in said)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=30)
    assert run.returncode == 0
    assert "Traceback" not in errors
