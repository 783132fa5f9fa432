"""``steer ui`` as a process: it prints a link that opens the page, and Ctrl-C ends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import httpx

from tests.steer.command import steer_here


def test_the_command_prints_its_link_and_ends_with_one_interrupt(tmp_path):
    told = f"--no-browser --set renderer=painter --out {tmp_path / 'outputs'} --store {tmp_path / 'users.db'}"
    ui = subprocess.Popen(
        [sys.executable, "-m", "steer", "ui", *told.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where tests run in the background
    )
    assert ui.stdout
    said = ui.stdout.readline()
    link = re.fullmatch(r"open (http://127\.0\.0\.1:\d+/[\w-]+/)\?token=([\w-]{32})\n", said)
    assert link, (said, *ui.communicate())
    assert "whoever on this machine has this link can open it" in ui.stdout.readline()
    with httpx.Client(base_url=link.group(1), timeout=60) as visitor:
        assert visitor.get("", params={"token": link.group(2)}).status_code == 200
        start = visitor.get("ui/start").json()
        assert (start["preset"], start["out"], start["teaches"]) == ("miniature", "outputs", True)
        assert visitor.get("ui/runs").json() == {"runs": [], "more": False}
    ui.send_signal(signal.SIGINT)
    _, errors = ui.communicate(timeout=60)
    assert ui.returncode == 0, errors
    assert "Traceback" not in errors


def test_wrong_input_is_one_line_before_anything_is_loaded(tmp_path):
    for wrong in (["--tokens", tmp_path / "none.yaml"], ["--host", "no such host"], ["--config", "nothing-like-it"]):
        done = steer_here("ui", "--no-browser", *wrong)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
