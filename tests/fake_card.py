"""A card that is not there: capacity and guests are counted as on a real one, and the weights stay where they are."""

from __future__ import annotations

import torch

from reward_models import residency


class FakeCard:
    """``capacity`` in bytes. ``moved``: size in bytes of each guest that came ("card") or left ("cpu"), in order."""

    def __init__(self, monkeypatch, capacity):
        self.capacity, self.moved = capacity, []
        self.too_small = 0  # how many of the next moves onto the card run out of memory
        come, leave = residency.Guest._come, residency.Guest.leave
        monkeypatch.setattr(residency, "moves", lambda device: True)
        monkeypatch.setattr(residency, "free", lambda device: (self.capacity - self.used()) / residency.GIB)
        monkeypatch.setattr(residency, "move", self._move)
        monkeypatch.setattr(residency, "_GUESTS", type(residency._GUESTS)())  # nobody from other tests
        monkeypatch.setattr(residency.Guest, "_come", lambda guest: self._note(guest, "card", come))
        monkeypatch.setattr(residency.Guest, "leave", lambda guest: self._note(guest, "cpu", leave))

    def used(self):
        return sum(size(g) for g in residency._GUESTS if g.here)

    def here(self):
        return sorted(g.name for g in residency._GUESTS if g.here)

    def _note(self, guest, where, do):
        was = guest.here
        do(guest)
        if guest.here != was:
            self.moved.append((size(guest), where))

    def _move(self, parts, device):
        if device != "cpu" and self.too_small:
            self.too_small -= 1
            raise torch.cuda.OutOfMemoryError


def size(guest):
    return round(guest.size * residency.GIB)
