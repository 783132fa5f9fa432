"""A word where threads stand in each other's way, and how far a long epoch is."""

from __future__ import annotations

import torch

from reward_models import threads
from reward_models.pamela.family import EVERY, FIRST, Steps


def test_a_busy_machine_is_said(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: 4)
    assert "4 threads on 4 processors that are busy already (load 3.0)" in threads.warning(3.0)
    assert threads.warning(0.5) == ""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert threads.warning(9.0) == ""


def test_threads_are_set_only_where_they_are_told(monkeypatch):
    told = []
    monkeypatch.setattr(torch, "set_num_threads", told.append)
    threads.use(None)
    threads.use(3)
    assert told == [3]


def test_a_long_epoch_says_how_far_it_is():
    now, said = [0.0], []
    steps = Steps(said.append, lambda: now[0])
    for step in range(1, 201):
        now[0] += 1.0
        steps(0, 1, step, 700)
    assert said[0] == f"seed 0, epoch 1: step {FIRST:.0f} of 700, 1 s a step"
    assert len(said) == 1 + int((200 - FIRST) // EVERY)
