"""CPU threads: how many torch uses, and a word where they stand in each other's way."""

from __future__ import annotations

import os

import torch

BUSY = 0.5  # of the processors: with so many others at work, threads wait for each other


def use(threads: int | None) -> None:
    """Let torch use so many threads; None leaves it as it is."""
    if threads is not None:
        torch.set_num_threads(threads)


def warning(load: float | None = None) -> str:
    """One line where torch has several threads on a machine that is busy with other work, "" elsewhere.

    ``load``: processes that want a processor, the last minute's mean where it is not given.
    """
    processors, threads = os.cpu_count() or 1, torch.get_num_threads()
    if load is None:
        try:
            load = os.getloadavg()[0]
        except (AttributeError, OSError):  # not told on this system
            return ""
    if threads < 2 or load < BUSY * processors:
        return ""
    return (
        f"torch uses {threads} threads on {processors} processors that are busy already (load {load:.1f}): on the CPU "
        "a step can then take many times longer. `threads: 1` in the configuration, or OMP_NUM_THREADS=1, avoids that"
    )
