"""Writing beside the work: order, shared fsyncs, and what is there after a kill or a power cut."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from steer.errors import StorageError
from steer.store import writer as module
from steer.store.files import read_lines
from steer.store.run_folder import RunFolder
from steer.store.writer import WAITING, Writer
from tests.steer.store.keeping import keep, run


class Disk:
    """What a power cut leaves: each file as it was at its last fsync."""

    def __init__(self, monkeypatch):
        self.files, self.syncs, self.real, self.lock = {}, [], os.fsync, threading.Lock()
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, descriptor):
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        content = path.read_bytes()
        self.real(descriptor)
        with self.lock:
            self.files[str(path).removesuffix(".partial")] = content
            self.syncs.append(path.name)

    def lines(self, folder):
        return [json.loads(line) for line in self.files.get(str(folder / "journal.jsonl"), b"").splitlines()]


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


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


def test_lines_share_an_fsync_and_are_on_the_disk_after_flush(disk, tmp_path):
    writer, path = Writer(), tmp_path / "journal.jsonl"
    for i in range(200):
        writer.append(path, {"i": i})
    writer.flush()
    assert [line["i"] for line in disk.lines(tmp_path)] == list(range(200))
    assert len(disk.syncs) <= 10


def test_a_line_waits_for_company_no_longer_than_the_window_and_not_at_all_when_asked(disk, tmp_path, monkeypatch):
    writer, path = Writer(), tmp_path / "journal.jsonl"
    monkeypatch.setattr(module, "WINDOW_S", 0.05)
    writer.append(path, {"i": 0})
    begun = time.monotonic()
    while not disk.syncs:  # nobody flushes
        assert time.monotonic() - begun < 5
        time.sleep(0.005)
    monkeypatch.setattr(module, "WINDOW_S", 60)
    writer.append(path, {"i": 1})
    time.sleep(0.1)
    assert [line["i"] for _, line in read_lines(path)] == [0, 1]  # the system has it: a kill does not lose it
    assert len(disk.lines(tmp_path)) == 1
    begun = time.monotonic()
    while not writer.settled():
        time.sleep(0.001)
    assert time.monotonic() - begun < 5
    assert len(disk.lines(tmp_path)) == 2


def test_what_is_written_later_finds_the_lines_on_the_disk(disk, tmp_path):
    writer, seen = Writer(), []
    for i in range(20):
        writer.append(tmp_path / "journal.jsonl", {"i": i})
        writer.submit(lambda: seen.append(len(disk.lines(tmp_path))))
    writer.flush()
    assert seen == list(range(1, 21))


def test_a_file_that_fails_keeps_its_line_and_all_later_ones_out(disk, tmp_path):
    writer, gate, path = Writer(), threading.Event(), tmp_path / "journal.jsonl"

    def full():
        raise StorageError("no room")

    writer.submit(gate.wait)  # what follows is one group
    for i in range(6):
        writer.submit_file(full if i == 3 else lambda: None)
        writer.append(path, {"i": i})
    gate.set()
    with pytest.raises(StorageError, match="no room"):
        writer.flush()
    assert [line["i"] for line in disk.lines(tmp_path)] == [0, 1, 2]


def test_after_a_power_cut_every_candidate_that_was_told_is_there_with_its_picture(disk, tmp_path):
    """Runs side by side, as in a batch."""
    folders, wrong = [run(tmp_path / str(i)) for i in range(4)], []

    def go(number):
        for index in range(24):
            keep(folders[number], index)
            if index % 6 == 5:
                folders[number].flush()
                scored = {line["index"] for line in disk.lines(folders[number].path) if line["state"] == "SCORED"}
                if scored != set(range(index + 1)):
                    wrong.append((number, index, scored))

    threads = [threading.Thread(target=go, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert disk.syncs.count("journal.jsonl") <= 4 * 24 / 2  # and that with a flush every six


def test_no_journal_on_the_disk_names_a_picture_that_is_not(disk, tmp_path):
    folder, missing, real = run(tmp_path / "run"), [], disk.fsync

    def looked(descriptor):
        real(descriptor)
        there = [str(folder.path / line["picture"]) for line in disk.lines(folder.path)]
        missing.extend(name for name in there if name not in disk.files)

    os.fsync = looked  # the fixture puts it back
    for index in range(40):
        keep(folder, index)
    folder.flush()
    assert missing == []
    assert len(disk.lines(folder.path)) == 80


def test_killed_in_the_middle_of_a_group_nothing_told_is_lost_and_nothing_is_there_twice(tmp_path):
    path, told = tmp_path / "run", -1
    for times in range(2):
        command = [sys.executable, "-m", "tests.steer.store.keeping", str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], text=True)
        for _ in range(times + 2):
            told = int(process.stdout.readline())
        time.sleep(0.003 * times)
        os.kill(process.pid, signal.SIGKILL)
        told = max([told, *(int(line) for line in process.stdout.read().split())])
        process.wait()
        if times == 0:
            with open(path / "journal.jsonl", "ab") as file:
                file.write(b'{"kind": "candidate", "ru')  # as a crash of the system leaves it
        folder = RunFolder.open(path)
        scored = [line for _, line in read_lines(path / "journal.jsonl") if line.get("state") == "SCORED"]
        indices = [line["index"] for line in scored]
        assert indices == sorted(set(indices))  # once each: what is in the journal is not made again
        assert set(range(told + 1)) <= set(indices)
        assert all(folder._is_whole(line["picture"]) for line in scored)
