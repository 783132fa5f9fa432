"""Writing beside the work."""

from __future__ import annotations

import threading
import time

import pytest

from steer.errors import StorageError
from steer.store.writer import WAITING, Writer


def test_jobs_are_done_in_order_and_flush_waits_for_them():
    writer, done = Writer(), []
    for i in range(100):
        writer.submit(lambda i=i: (time.sleep(0.0005), done.append(i)))
    writer.flush()
    assert done == list(range(100))


def test_the_work_waits_for_a_slow_disk_instead_of_filling_the_memory():
    writer, gate = Writer(), threading.Event()
    writer.submit(gate.wait)
    for _ in range(WAITING - 1):
        writer.submit(lambda: None)
    late = threading.Thread(target=writer.submit, args=(lambda: None,))
    late.start()
    late.join(0.2)
    assert late.is_alive()
    gate.set()
    late.join(5)
    assert not late.is_alive()


def test_after_a_fault_nothing_more_is_written_and_it_is_said():
    writer, done = Writer(), []

    def full():
        raise StorageError("no room")

    writer.submit(full)
    while not writer._failed:
        time.sleep(0.001)
    with pytest.raises(StorageError, match="no room"):
        writer.submit(lambda: done.append(1))
    writer.submit(lambda: done.append(2))  # it was said; still nothing may follow what is not there
    writer.flush()
    assert done == []
