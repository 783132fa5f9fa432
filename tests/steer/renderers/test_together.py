"""One picture by several processes: they draw what one draws, and one that fails is a line and never a hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from steer.config import DiffusersConfig
from steer.errors import RenderError, UsageError
from steer.renderers import build_renderer
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.share import Share
from steer.renderers.together import Together, device_for, serve
from steer.testing import RendererConformance

PROMPTS, SEEDS = ["a fox", "a castle at night", "a red balloon by the sea"], [1, 2, 3]


def settings(folder, **changes):
    """100 tokens of a picture, 64 of a draft, and 31 of a text, which two cannot share evenly."""
    values = {
        "model": str(folder),
        "width": 40,
        "height": 40,
        "steps": 4,
        "batch_size": 2,
        "device": "cpu",
        "call": {"max_sequence_length": 31},
        "draft": {"scale": 0.8, "cache": "taylorseer", "cache_settings": {"first": 1, "last": 0}},
        "context_parallel": {"degree": 2},
    }
    return DiffusersConfig(**{**values, **changes})


def one(config, **changes):
    """The same, drawn by one process."""
    return DiffusersRenderer(config.model_copy(update={"context_parallel": None, **changes}))


def furthest(some, others):
    """The largest difference of a pixel, of 255."""
    pairs = zip(some, others, strict=True)
    return max(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max() for a, b in pairs)


def ended(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"


@pytest.fixture(scope="module")
def config(flux):
    return settings(flux)


@pytest.fixture(scope="module")
def together(config):
    found = build_renderer(config)
    assert isinstance(found, Together)
    yield found
    found.close()


@pytest.mark.slow
class TestTogether(RendererConformance):
    @pytest.fixture(autouse=True)
    def _together(self, together):
        self.together = together

    def make(self):
        return self.together


@pytest.mark.slow
def test_two_processes_draw_the_picture_of_one(config, together):
    single = one(config)
    for many, alone in ((together, single), (together.drafts, single.drafts), (together, single)):
        made, expected = many.render(PROMPTS, SEEDS), alone.render(PROMPTS, SEEDS)
        assert furthest(made, expected) <= 1
        assert furthest(made[:2], made[1:]) > 10


@pytest.mark.slow
def test_a_process_that_is_killed_in_the_middle_of_a_picture_is_said_at_once(together):
    """The last one with these processes."""
    pids = [p.pid for p in together._processes]
    threading.Timer(0.5, os.kill, (pids[1], signal.SIGKILL)).start()
    began = time.monotonic()
    with pytest.raises(RenderError, match="process 2 of the 2 that draw together has died"):
        together.drafts.render(PROMPTS * 200, SEEDS * 200)  # with a cache, which has faults of its own
    assert time.monotonic() - began < 20
    assert all(ended(pid) for pid in pids)
    with pytest.raises(RenderError, match="process 2 of the 2"):
        together.render(PROMPTS, SEEDS)


@pytest.mark.slow
def test_a_process_that_hangs_is_waited_for_no_longer_than_set(config):
    hanging = Together(config, patience_s=5)
    pids = [p.pid for p in hanging._processes]
    os.kill(pids[1], signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(RenderError, match=r"the cards cannot draw together: .*[Tt]imed out"):
        hanging.render(PROMPTS, SEEDS)
    assert time.monotonic() - began < 30
    assert all(ended(pid) for pid in pids)


PARENT = """
import sys
from tests.steer.renderers.test_together import settings
from steer.renderers.together import Together
if __name__ == "__main__":
    together = Together(settings(sys.argv[1], steps=200))
    print(*(p.pid for p in together._processes), flush=True)
    while True:
        together.render(["a fox"], [1])
"""


@pytest.mark.slow
def test_the_processes_end_with_the_one_that_started_them(flux, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    told = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, script, flux], stdout=subprocess.PIPE, text=True, env=told) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert not any(ended(pid) for pid in pids)
        parent.kill()
    until = time.monotonic() + 20
    while not all(ended(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.1)


OTHERS = {
    "klein": {"cache": "mag", "cache_settings": {"threshold": 0.5, "first": 1, "ratios": [1.0, 0.99, 1.01, 1.0]}},
    "qwen_image": {"negative_prompt": "rain"},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_other_families(kind, request):
    config = settings(request.getfixturevalue(kind), **{"draft": None, "call": {}, **OTHERS[kind]})
    many = Together(config)
    try:
        assert furthest(many.render(PROMPTS, SEEDS), one(config).render(PROMPTS, SEEDS)) <= 1
    finally:
        many.close()


def serve_with_flash(*told):
    """As ``serve``, with PyTorch's flash attention on a CPU: this one operation, which only cards have, is written out
    here."""
    library = torch.library.Library("aten", "IMPL")
    library.impl("_scaled_dot_product_flash_attention", flash, "CPU")
    serve(*told)


def flash(query, key, value, dropout_p=0.0, is_causal=False, return_debug_mask=False, *, scale=None):
    scores = (query.shape[-1] ** -0.5 if scale is None else scale) * query @ key.transpose(-1, -2)
    none = torch.empty(0)
    sizes = none, none, query.shape[2], key.shape[2]
    return scores.softmax(-1) @ value, scores.logsumexp(-1), *sizes, none, none, none


class WithFlash(Together):
    serves = staticmethod(serve_with_flash)


@pytest.mark.slow
def test_a_ring(flux):
    config = settings(flux, attention="_native_flash", context_parallel={"kind": "ring"})
    many = WithFlash(config)
    try:
        made = many.render(PROMPTS, SEEDS)
    finally:
        many.close()
    assert furthest(made, one(config, attention=None).render(PROMPTS, SEEDS)) <= 1


@pytest.mark.slow
def test_a_ring_on_a_cpu_is_said_to_have_no_attention(flux):
    """PyTorch has no flash attention for a CPU that tells its sums; what it says comes back as a line."""
    many = Together(settings(flux, attention="_native_flash", context_parallel={"kind": "ring"}, draft=None))
    with pytest.raises(RenderError, match="the cards cannot draw together: "):
        many.render(PROMPTS, SEEDS)


@pytest.mark.slow
def test_a_fault_of_loading_is_the_renderers_own_line(tmp_path):
    with pytest.raises(RenderError, match="there is no pipeline in"):
        build_renderer(settings(tmp_path / "none"))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"workers": 2}, "workers one each"),
        ({"preview": {"step": 2}, "batch_size": 1, "draft": None}, "goes with no preview"),
        ({"offload": "group"}, "goes with no offload=group"),
        ({"device": "mps"}, "not for mps"),
        ({"cache": "first-block"}, "goes with no cache=first-block"),
        ({"draft": {"cache": "sea"}}, "goes with no cache=sea"),
        ({"context_parallel": {"kind": "ring"}}, "ring needs attention="),
        ({"context_parallel": {"degree": 1}}, "greater than or equal to 2"),
    ],
)
def test_what_cannot_go_with_it(changes, line):
    with pytest.raises(ValidationError, match=line):
        settings("folder", **changes)


def test_too_few_cards(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="degree=2 needs 2 CUDA cards, and there is no CUDA card here"):
        device_for(settings("folder", device="auto"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(UsageError, match="degree=3 needs 3 CUDA cards, and there are 2 CUDA cards here"):
        device_for(settings("folder", device="auto", context_parallel={"degree": 3}))
    assert device_for(settings("folder", device="auto")) == "cuda"


@pytest.mark.parametrize(
    ("kind", "changes", "line"),
    [
        ("sdxl", {"call": {}}, "does not know how to share the work of a UNet2DConditionModel"),
        ("sd3", {}, "does not know how to share the work of a SD3Transformer2DModel"),
        ("flux", {"context_parallel": {"degree": 3}}, "the 2 heads of a FluxTransformer2DModel cannot be shared by 3"),
        (
            "flux",
            {"width": 36, "height": 36},
            "the 81 tokens of a picture of 36 x 36 pixels cannot be shared evenly by 2",
        ),
        ("flux", {"cache": "mag"}, "mag needs its ratios"),
    ],
)
def test_pipelines_that_several_cannot_draw(kind, changes, line, request):
    config = settings(request.getfixturevalue(kind), **{"draft": None, **changes})
    with pytest.raises((RenderError, UsageError), match=line):
        Share(config, "cpu", config.context_parallel.degree)


def test_weights_that_do_not_fit_on_each_card(config):
    share = Share(config, "cpu", 2)
    share.place.placement = "group"
    with pytest.raises(RenderError, match="shares the work and not the weights"):
        share.check()


def test_memory_that_does_not_suffice_for_one_is_said_and_not_tried_again(config):
    def too_large():
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(RenderError, match="the memory of a card does not suffice for its share"):
        Share(config, "cpu", 2)._within_memory(too_large)
