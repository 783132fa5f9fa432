"""The main memory of this machine, in GiB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Memory:
    """``free``: what can be had without swapping; ``total``: of the machine, or of the container that this runs in."""

    free: float
    total: float
    swap: float


def main_memory(cgroup: Path = CGROUP) -> Memory:
    """What there is now; a container's limit counts where it is the smaller."""
    found, swap = psutil.virtual_memory(), psutil.swap_memory().free
    free, total = found.available, found.total
    limit, used = _number(cgroup / "memory.max"), _number(cgroup / "memory.current")
    if limit is not None and limit < total:
        total = limit
        free = min(free, limit - ((used or 0) - _cached(cgroup / "memory.stat")))
    return Memory(free / 2**30, total / 2**30, swap / 2**30)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such limit, or "max"
        return None


def _cached(path: Path) -> int:
    """Bytes of files that the container's memory holds and would give up."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, ValueError, IndexError):
        return 0
