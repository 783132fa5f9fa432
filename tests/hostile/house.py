"""What every hostile case is judged by: no bug, no hang, no flood, no raw escape, nothing outside its folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from reward_models.base import RewardError
from steer.errors import SteerError
from tests.steer.command import steer_here

MOST_GROWTH = 500 * 2**20  # bytes above what the process had before a case; with its models that is below 1 GB
SECONDS, WAITED = 30, 300  # of work, and in all: a pipe that nobody writes to takes no work
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass
class Count:
    """Of one door."""

    cases: int = 0
    refused: int = 0
    slowest: float = 0.0
    largest: int = 0  # bytes
    told: set[str] = field(default_factory=set)


class Hang(BaseException):
    """A case took longer than it may; no ``except Exception`` takes it."""


class House:
    """A folder to work in, ``inside``, and one that nothing may touch, ``outside``."""

    def __init__(self, root: Path):
        self.root, self.inside, self.outside = root, root / "inside", root / "outside"
        self.count = Count()
        self.outside.mkdir(parents=True)
        (self.outside / "private.txt").write_text("private")
        self._before = self._seen()

    @contextlib.contextmanager
    def case(self):
        """One case: a fresh ``inside`` that is the current folder."""
        shutil.rmtree(self.inside, ignore_errors=True)
        self.inside.mkdir()
        here, begun, resident = os.getcwd(), time.monotonic(), _status("VmRSS")
        _forget_peak()
        os.chdir(self.inside)
        bells = (signal.SIGALRM, signal.ITIMER_REAL, WAITED), (signal.SIGPROF, signal.ITIMER_PROF, SECONDS)
        old = [(bell, signal.signal(bell, _ring)) for bell, _, _ in bells]
        for _, timer, seconds in bells:
            signal.setitimer(timer, seconds)
        try:
            yield self.inside
        finally:
            for _, timer, _ in bells:
                signal.setitimer(timer, 0)
            for bell, handler in old:
                signal.signal(bell, handler)
            os.chdir(here)
        growth = _status("VmHWM") - resident
        count = self.count
        count.cases += 1
        count.slowest, count.largest = max(count.slowest, time.monotonic() - begun), max(count.largest, growth)
        assert growth < MOST_GROWTH, f"{growth / 2**20:.0f} MB more memory"
        assert self._seen() == self._before, "something outside the folder was changed"

    @contextlib.contextmanager
    def refusals(self):
        """What may be raised in the library: an error of steer's own, in one line or one line a row, printable once
        printed.
        """
        try:
            yield
        except (SteerError, RewardError) as error:
            self.count.refused += 1
            if len(str(error)) > 20_000:
                raise AssertionError("an error without end") from error

    def steer(self, *arguments: object, stdin: str = ""):
        """A command; its output and exit code are checked."""
        done = steer_here(*arguments, stdin=stdin)
        said = done.stdout + done.stderr
        assert done.returncode in (0, 1, 2), done
        assert "this is a bug" not in said, done.stderr
        assert "Traceback" not in said, done.stderr
        assert not RAW.search(said), f"a raw control character: {RAW.search(said)!r}"
        assert len(done.stderr) < 20_000, "an error without end"
        self.count.refused += done.returncode != 0
        return done

    def _seen(self):
        names = {p.name for p in self.root.iterdir()} - {"inside"}
        files = {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in self.outside.rglob("*")}
        return names, files


def _ring(number: int, frame: object) -> None:
    raise Hang(f"longer than {SECONDS} s of work, or {WAITED} s in all")


def _status(name: str) -> int:
    """A figure of this process, in bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return 0


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
