"""A batch whose pictures are drawn elsewhere: the next are asked for while these are scored, and none is lost."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter

import pytest

from steer.batch.folder import BatchFolder
from steer.batch.row_parts import RowParts
from steer.batch.rows import read_rows
from steer.batch.run import run_batch
from steer.config import RemoteConfig
from steer.errors import RenderError
from steer.renderers import build_renderer
from steer.testing import FakeRenderer
from tests.steer.batch.runs import PROMPTS, check_whole, facts_of, in_journals
from tests.steer.engines import EngineProcess


class Elsewhere(FakeRenderer):
    """Slow, and says what it was asked; ``broken``: the number of the call that fails."""

    elsewhere = True

    def __init__(self, seconds=0.02, broken=0):
        super().__init__(batch_size=4)
        self.seconds, self.broken, self.calls, self.busy = seconds, broken, [], 0.0

    def render(self, prompts, seeds):
        begun = time.monotonic()
        time.sleep(self.seconds)
        self.calls.append([f"{seed} {prompt}" for prompt, seed in zip(prompts, seeds, strict=True)])
        self.busy += time.monotonic() - begun
        if len(self.calls) == self.broken:
            self.calls.pop()
            self.broken = 0
            raise RenderError("the engine is gone")
        return super().render(prompts, seeds)


def batch(tmp_path, fake_steerer, renderer, name="batch"):
    steerer = fake_steerer(("search.budget=8",), renderer=renderer)
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps({"prompt": p}) for p in PROMPTS))
    folder = BatchFolder(tmp_path / name)
    folder.begin(steerer.config.model_dump(mode="json"), [], "miniature")
    folder.add(read_rows([str(tmp_path / "rows.jsonl")], "u1", RowParts(steerer.parts).check))
    return folder, steerer


def test_rows_are_what_they_would_be_without(tmp_path, fake_steerer):
    renderer = Elsewhere()
    folder, steerer = batch(tmp_path, fake_steerer, renderer)
    assert run_batch(folder, steerer.parts) == Counter(done=5)
    here, other = batch(tmp_path, fake_steerer, FakeRenderer(batch_size=4), "here")
    run_batch(here, other.parts)
    assert facts_of(folder) == facts_of(here)
    assert max(Counter(each for call in renderer.calls for each in call).values()) == 1


def test_a_fault_keeps_what_was_drawn_beside_it_and_nothing_is_drawn_again(tmp_path, fake_steerer):
    renderer = Elsewhere(broken=3)
    folder, steerer = batch(tmp_path, fake_steerer, renderer)
    with pytest.raises(RenderError, match="the engine is gone"):
        run_batch(folder, steerer.parts)
    assert in_journals(folder.path) == {each for call in renderer.calls for each in call}
    assert run_batch(folder, steerer.parts) == Counter(done=5)
    assert max(Counter(each for call in renderer.calls for each in call).values()) == 1
    check_whole(folder)


def test_a_pool_draws_a_batch_and_an_engine_may_be_killed(tmp_path, fake_steerer):
    engines = [EngineProcess(0.03) for _ in range(3)]
    try:
        urls = [e.url for e in engines]
        renderer = build_renderer(RemoteConfig(dialect="vllm-omni", base_urls=urls, hedge=None))
        folder, steerer = batch(tmp_path, fake_steerer, renderer)
        before = []

        def kill():
            before.extend(engines[2].drawn())
            engines[2].kill()

        timer = threading.Timer(0.2, kill)
        timer.start()
        assert run_batch(folder, steerer.parts) == Counter(done=5)
        timer.join()
        sent = Counter(each for e in engines[:2] for each in e.drawn()) + Counter(before)
        drawn = {f"{seed} {text}" for seed, text in sent}
        assert in_journals(folder.path) <= drawn | {f"{seed} {text}" for seed, text in before}
        assert len(in_journals(folder.path)) == 40
        usage = folder.manifest["usage"]["renderer"]
        assert sum(sent.values()) - len(sent) <= usage["checks"]
        check_whole(folder)
    finally:
        for engine in engines:
            engine.close()
