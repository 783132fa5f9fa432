"""Models that take turns on one card: who works comes onto it, and who has not worked for longest makes room.

A card of 12 GiB holds a text encoder, a transformer, a VLM and a SigLIP one after another, though never all at once.
Each of them is a :class:`Guest`. Sizes are in GiB. On a CPU, and on a Mac, whose GPU has no memory of its own, nothing
moves.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar
from weakref import WeakSet

import torch
from torch import nn

log = logging.getLogger(__name__)
T = TypeVar("T")
GIB = 2**30
NO_MEMORY = (  # what RuntimeErrors say that have no class for it
    "out of memory",  # MPS, and CUDA outside of torch's allocator
    "Invalid buffer size",  # MPS, for one tensor that is too large
    "kIOGPUCommandBufferCallbackErrorOutOfMemory",  # Metal
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator",  # the main memory
)

_GUESTS: WeakSet[Guest] = WeakSet()
_CHANGED = threading.Condition(threading.RLock())
_clock = itertools.count()


class Guest:
    """``parts`` come onto ``device`` together and leave it together. ``work``: what they need beside their weights.

    ``parts`` is asked at each move, as a pipeline may lose parts. ``stays``: it never leaves.
    """

    def __init__(
        self, name: str, device: str, parts: Callable[[], Iterable[nn.Module]], work: float = 1.0, stays: bool = False
    ):
        self.name, self.device, self.parts, self.work, self.stays = name, device, parts, work, stays
        self.here = not moves(device)
        self._workers: Counter[int] = Counter()  # threads that use it now
        self._used = -1
        with _CHANGED:
            _GUESTS.add(self)

    @property
    def size(self) -> float:
        """Of the weights."""
        return sum(size_of(part) for part in self.parts())

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The parts are on the device and stay there meanwhile."""
        if not moves(self.device):
            yield
            return
        with _CHANGED:
            self._make_room()
            self._workers[threading.get_ident()] += 1
            self._used = next(_clock)
        try:
            if not self.here:
                self._come()
            yield
        finally:
            with _CHANGED:
                self._workers -= Counter([threading.get_ident()])
                _CHANGED.notify_all()

    def run(self, work: Callable[[], T]) -> T:
        """``work`` with the parts on the device; where its memory does not suffice, a second time without the others.

        Raises what the second time raises.
        """
        with self.at_work():
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error) or not self.alone():
                    raise
            return work()

    def alone(self) -> bool:
        """Send everybody else away; whether anybody was there to go."""
        if not moves(self.device):
            return False
        with _CHANGED:
            others = [g for g in self._others() if g.may_leave]
            for other in others:
                other.leave()
        empty_cache()
        return bool(others)

    @property
    def may_leave(self) -> bool:
        """Whether it is on the card and idle."""
        return self.here and not self.stays and not self._workers

    def leave(self) -> None:
        """Into the main memory, now."""
        if moves(self.device) and self.here:
            log.info("%s leaves the card", self.name)
            move(self.parts(), "cpu")
            self.here = False
            empty_cache()

    def _come(self) -> None:
        try:
            move(self.parts(), self.device)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            move(self.parts(), "cpu")
            if not self.alone():
                raise
            move(self.parts(), self.device)
        self.here = True

    def _others(self) -> list[Guest]:
        """The others of this device, who has not worked for longest first."""
        return sorted((g for g in _GUESTS if g is not self and g.device == self.device), key=lambda g: g._used)

    def _make_room(self) -> None:
        need = self.work + (0.0 if self.here else self.size)
        while free(self.device) < need:
            leaving = next((g for g in self._others() if g.may_leave), None)
            if leaving is not None:
                leaving.leave()
            elif any(set(g._workers) - {threading.get_ident()} for g in self._others()):
                _CHANGED.wait()
            else:
                return  # nobody is left to go: it may still fit, as `work` is an estimate


def evictable(device: str) -> float:
    """GiB that guests would give back if they were asked to go."""
    with _CHANGED:
        return sum(g.size for g in _GUESTS if g.device == device and g.may_leave) if moves(device) else 0.0


def moves(device: str) -> bool:
    """Whether a device has a memory of its own."""
    return device.startswith("cuda")


def free(device: str) -> float:
    """GiB that a card has free now, what torch holds in reserve included."""
    index = torch.device(device)
    held = torch.cuda.memory_reserved(index) - torch.cuda.memory_allocated(index)
    return (torch.cuda.mem_get_info(index)[0] + held) / GIB


def move(parts: Iterable[nn.Module], device: str) -> None:
    """Move frozen parts. Not in inference mode, in which quantised weights cannot change their device."""
    with torch.inference_mode(False), torch.no_grad():
        for part in parts:
            part.to(device)


def size_of(part: nn.Module) -> float:
    """GiB of a part's weights; of quantised ones what they take now."""
    return sum(tensor_bytes(t) for t in (*part.parameters(), *part.buffers())) / GIB


def tensor_bytes(tensor: torch.Tensor) -> int:
    """Bytes of a tensor, or of those that it is made of, as quantised ones are."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return tensor.numel() * tensor.element_size()
    return sum(tensor_bytes(part) for name in flatten()[0] if (part := getattr(tensor, name)) is not None)


def out_of_memory(error: BaseException) -> bool:
    """Whether the memory of a card, or the main memory, was too small for what was asked.

    CUDA has a class for it, MPS and some of CUDA's libraries only a text.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in NO_MEMORY)


def empty_cache() -> None:
    """Give back what torch holds in reserve."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
