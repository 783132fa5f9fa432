"""Models that take turns on a card."""

from __future__ import annotations

import gc
import threading

import pytest
import torch
from torch import nn

from reward_models import residency
from reward_models.residency import Guest, move, out_of_memory, size_of
from tests.fake_card import FakeCard

KB = 1024
CARD = "cuda"


def guest(name, kb, **more):
    model = nn.Linear(kb * KB // 4, 1, bias=False)  # 4 bytes a number
    return Guest(name, CARD, lambda: [model], work=more.pop("work", 0.0), **more)


@pytest.fixture
def card(monkeypatch):
    return FakeCard(monkeypatch, 100 * KB)


def test_who_has_not_worked_for_longest_makes_room(card):
    a, b, c = guest("a", 40), guest("b", 40), guest("c", 40)
    for each in (a, b, a):
        with each.at_work():
            pass
    with c.at_work():
        assert card.here() == ["a", "c"]
    with b.at_work():
        assert card.here() == ["b", "c"]
    assert [kb for kb, where in card.moved if where == "card"] == [40 * KB] * 4  # a came once


def test_nobody_moves_where_all_fit(card):
    a, b = guest("a", 40), guest("b", 40)
    for each in (a, b, a, b):
        with each.at_work():
            pass
    assert card.moved == [(40 * KB, "card")] * 2


def test_work_needs_room_beside_the_weights(card):
    a, b = guest("a", 40), guest("b", 40, work=30 * KB / residency.GIB)
    for each in (a, b):
        with each.at_work():
            pass
    assert card.here() == ["b"]


def test_who_stays_and_who_works_does_not_leave(card):
    stays, works, late = guest("stays", 40, stays=True), guest("works", 40), guest("late", 80)
    with stays.at_work():
        pass
    with works.at_work(), late.at_work():  # the same thread cannot wait for itself: it tries, though it may be too much
        assert card.here() == ["late", "stays", "works"]


def test_another_thread_waits_until_the_card_is_free(card):
    drawer, writer = guest("drawer", 80), guest("writer", 80)
    order = []

    def write():
        with writer.at_work():
            order.append("writes")

    with drawer.at_work():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(0.2)
        order.append("has drawn")
    thread.join(10)
    assert order == ["has drawn", "writes"]
    assert card.here() == ["writer"]


def test_out_of_memory_is_tried_again_without_the_others(card):
    other, own = guest("other", 20), guest("own", 20)
    with other.at_work():
        pass
    tries = []

    def work():
        tries.append(card.here())
        if len(tries) == 1:
            raise torch.cuda.OutOfMemoryError
        return "done"

    assert own.run(work) == "done"
    assert tries == [["other", "own"], ["own"]]
    with pytest.raises(torch.cuda.OutOfMemoryError):  # nobody is left to go
        own.run(lambda: (_ for _ in ()).throw(torch.cuda.OutOfMemoryError()))


def test_a_model_that_does_not_come_whole_comes_alone(card):
    other, own = guest("other", 20), guest("own", 20)
    with other.at_work():
        pass
    card.too_small = 1  # fragmentation: there is room by numbers
    with own.at_work():
        assert card.here() == ["own"]


def test_a_guest_that_is_gone_takes_no_room(card):
    with guest("gone", 60).at_work():
        pass
    gc.collect()
    with guest("next", 60).at_work():
        assert card.here() == ["next"]


def test_without_a_card_nothing_moves(monkeypatch):
    own = Guest("own", "cpu", lambda: [nn.Linear(2, 2)])
    monkeypatch.setattr(residency, "move", None)
    with own.at_work():
        assert own.here
    assert not own.alone()


def test_quantised_weights_move_between_devices_also_within_inference_mode():
    ao = pytest.importorskip("torchao.quantization")
    model = nn.Sequential(nn.Linear(32, 32)).requires_grad_(False)
    ao.quantize_(model, ao.Int8WeightOnlyConfig())
    assert 32 * 32 < size_of(model) * residency.GIB < 2 * 32 * 32  # a byte a number, and a scale a row
    with torch.inference_mode(), pytest.raises(RuntimeError):
        model.to("meta")  # what the rest of this test is about
    with torch.inference_mode():
        move([model], "meta")
    assert {p.device.type for p in model.parameters()} == {"meta"}


def test_what_running_out_of_memory_looks_like():
    assert out_of_memory(torch.cuda.OutOfMemoryError())
    assert out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 17.8 GiB, ...)"))
    assert not out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert out_of_memory(MemoryError())
