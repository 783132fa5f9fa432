"""The temporary folder of a page: gone with its process, however that ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from steer.web import temporary

CODE = """
import sys, time
from steer.web.temporary import own_folder
print(own_folder(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def another(tmp_path, monkeypatch):
    """Start a process that has a folder below ``tmp_path``, and the folder."""
    monkeypatch.setattr(temporary.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(temporary, "YOUNG_S", -1)
    running = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        running.append(process)
        return process, tmp_path / process.stdout.readline().strip().rpartition(os.sep)[2]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_of_a_killed_process_it_goes_when_the_next_one_starts(another):
    (killed, left), (_, used) = another(), another()
    (left / "a picture of mine").write_text("")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.is_dir()
    temporary.remove_left()
    assert not left.exists()
    assert used.is_dir()  # its process is at work


def test_of_one_that_ends_it_goes_at_once(another):
    process, folder = another()
    assert folder.is_dir()
    process.communicate("")
    assert not folder.exists()


def test_what_is_not_ours_or_just_made_stays(another, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("")
    (tmp_path / "steer-page-link").symlink_to(elsewhere)
    temporary.remove_left()
    assert (elsewhere / "file").exists()
    (tmp_path / "steer-page-new").mkdir()
    monkeypatch.setattr(temporary, "YOUNG_S", 60)
    temporary.remove_left()
    assert (tmp_path / "steer-page-new").is_dir()
    os.utime(tmp_path / "steer-page-new", (time.time() - 90,) * 2)
    temporary.remove_left()
    assert not (tmp_path / "steer-page-new").exists()
