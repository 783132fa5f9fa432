"""Several renderers in processes of their own: order, seeds and pictures are one renderer's."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from steer.config import DiffusersConfig
from steer.errors import RenderError
from steer.renderers import build_renderer
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.workers import Workers
from steer.testing import RendererConformance

PROMPTS = [f"a fox {i}" for i in range(7)]
SEEDS = list(range(7))


@pytest.fixture(scope="module")
def config(flux):
    return DiffusersConfig(
        model=str(flux),
        width=32,
        height=32,
        steps=2,
        batch_size=2,
        workers=2,
        device="cpu",
        call={"max_sequence_length": 32},
        draft={"steps": 1},
    )


@pytest.fixture(scope="module")
def workers(config):
    found = build_renderer(config)
    assert isinstance(found, Workers)
    yield found
    found.close()


class TestWorkers(RendererConformance):
    @pytest.fixture(autouse=True)
    def _workers(self, workers):
        self.workers = workers

    def make(self):
        return self.workers


def test_two_processes_give_the_pictures_of_one_in_order(config, workers):
    one = DiffusersRenderer(config)
    assert workers.describe() == one.describe()
    assert workers.batch_size == 4
    for many, single in ((workers, one), (workers.drafts, one.drafts)):
        ours, theirs = (np.array([np.asarray(i, int) for i in r.render(PROMPTS, SEEDS)]) for r in (many, single))
        # a process has fewer threads, whose sums are rounded otherwise: seen once in many runs, on a busy machine
        assert np.abs(ours - theirs).max() <= 1
        assert min(np.abs(a - b).max() for i, a in enumerate(ours) for b in theirs[i + 1 :]) > 1


def test_both_work(workers):
    found = {workers._pool.submit(os.getpid).result() for _ in range(20)} | set(workers._pool._processes)
    assert len(found) == 2


def test_a_fault_is_the_renderers_own_line(config, tmp_path):
    with pytest.raises(RenderError, match="there is no pipeline in"):
        build_renderer(config.model_copy(update={"model": str(tmp_path / "none")}))


def test_a_process_that_dies_is_said(config):
    dying = build_renderer(config)
    for pid in list(dying._pool._processes):
        os.kill(pid, signal.SIGKILL)
    for _ in range(2):  # the second time it is known before anything is asked
        with pytest.raises(RenderError, match="a process that renders has died"):
            dying.render(PROMPTS, SEEDS)


def test_every_process_reads_the_texts_and_draws_fewer_together_if_told(config, workers):
    """The last one here, as they do so from then on."""
    workers.prepare(PROMPTS)
    known = {workers._pool.submit(_texts_known).result() for _ in range(20)}
    assert all(n >= len(PROMPTS) for _, n in known)
    workers.narrow(1)
    assert workers.drawn_together == 1
    one = DiffusersRenderer(config)
    one.narrow(1)
    pairs = zip(workers.render(PROMPTS, SEEDS), one.render(PROMPTS, SEEDS), strict=True)
    assert all(a.tobytes() == b.tobytes() for a, b in pairs)


def _texts_known():
    from steer.renderers import workers

    return os.getpid(), len(workers._own.conditioning._known)
