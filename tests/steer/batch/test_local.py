"""A batch in one process: each row as steer run would have made it, whatever happens in between."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter

import pyarrow.parquet as pq
import pytest
from PIL import Image

from steer import Steerer
from steer.batch.folder import BatchFolder
from steer.batch.row_parts import RowParts
from steer.batch.rows import read_rows
from steer.batch.run import run_batch
from steer.config import load_config
from steer.errors import ProposerError, SteerError, StorageError, UsageError
from steer.store.files import lock
from steer.store.run_folder import RunFolder
from steer.testing import FakeProposer, FakeRenderer
from tests.steer.batch.runs import PROMPTS, check_whole, facts_of


def make(tmp_path, fake_steerer, name="batch", lines=None, user="u1", settings=("search.budget=8",), **parts):
    """A batch folder with rows and its steerer."""
    steerer = fake_steerer(settings, **parts)
    file = tmp_path / f"{name}.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in lines or [{"prompt": p} for p in PROMPTS]))
    folder = BatchFolder(tmp_path / name)
    folder.begin(steerer.config.model_dump(mode="json"), [], "miniature")
    folder.add(read_rows([str(file)], user, RowParts(steerer.parts).check))
    return folder, steerer


def test_each_row_is_what_a_run_of_its_own_would_be(tmp_path, fake_steerer):
    folder, steerer = make(tmp_path, fake_steerer)
    assert run_batch(folder, steerer.parts) == Counter(done=5)
    for row in folder.rows():
        alone = fake_steerer(("search.budget=8",)).run(
            row.prompt, row.user, seed=row.seed, out=tmp_path / "alone" / row.id
        )
        journal = json.loads((folder.run_of(row) / "result.json").read_text())
        assert journal["candidates"] == [c.facts() for c in alone.candidates]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_batch_is_private_as_its_runs_are(tmp_path, fake_steerer):
    before = os.umask(0o022)
    try:
        folder, steerer = make(tmp_path, fake_steerer)
        run_batch(folder, steerer.parts)
    finally:
        os.umask(before)
    assert not [p for p in (folder.path, *folder.path.rglob("*")) if p.stat().st_mode & 0o077]


@pytest.fixture
def quick_disk(monkeypatch):
    """No round waits for the disk, so which rows draw together does not depend on the machine."""
    monkeypatch.setattr(RunFolder, "settled", lambda self: True)


def test_rows_share_full_batches(tmp_path, fake_steerer, quick_disk):
    class Counting(FakeRenderer):
        sizes: list = []  # noqa: RUF012

        def render(self, prompts, seeds):
            self.sizes.append(len(prompts))
            return super().render(prompts, seeds)

    renderer = Counting(batch_size=4)
    folder, steerer = make(tmp_path, fake_steerer, renderer=renderer)
    run_batch(folder, steerer.parts)
    assert sum(renderer.sizes) == 40
    assert sum(n == 4 for n in renderer.sizes) >= 8  # a row alone is drawn in 2, 4 and 2


def test_texts_of_all_rows_are_read_together(tmp_path, fake_steerer, quick_disk):
    """Text encoders that come onto the card for it come once for many batches of pictures."""

    class Reading(FakeRenderer):
        known: set = set()  # noqa: RUF012
        times = 0

        def prepare(self, prompts):
            self.times += not self.known.issuperset(prompts)
            self.known.update(prompts)

        def render(self, prompts, seeds):
            assert self.known.issuperset(prompts)
            return super().render(prompts, seeds)

    renderer = Reading(batch_size=2)
    folder, steerer = make(tmp_path, fake_steerer, renderer=renderer)
    run_batch(folder, steerer.parts)
    assert len(renderer.rendered) == 40  # in twenty batches
    assert renderer.times <= 8


def test_results_are_in_the_rows_order_in_every_form(tmp_path, fake_steerer):
    lines = [{"prompt": p, "id": f"r{9 - i}", "budget": 3 + i} for i, p in enumerate(PROMPTS)]
    folder, steerer = make(tmp_path, fake_steerer, lines=lines)
    run_batch(folder, steerer.parts, beside=3)
    with open(folder.path / "results.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [(r["id"], r["prompt"], r["state"]) for r in table] == [(r["id"], r["prompt"], "done") for r in lines]
    parquet = pq.read_table(folder.path / "results.parquet").to_pylist()
    for name in ("original", "liking", "gain"):
        assert [r[name] for r in parquet] == [float(r[name]) for r in table]
    page = (folder.path / "index.html").read_text()
    assert page.index("a fox") < page.index("a castle") < page.index("a cake")
    assert page.count('/report.html">') == page.count("&rarr;") == 5
    assert Image.open(folder.path / "sheet.png").width > 600


def test_every_png_says_its_own_prompt_seed_and_user(tmp_path, fake_steerer):
    lines = [
        {"prompt": p, "user": u, "seed": s}
        for p, u, s in zip(PROMPTS, ("u1", "u17", "blue", "u1", "u17"), range(5), strict=True)
    ]
    folder, steerer = make(tmp_path, fake_steerer, lines=lines)
    run_batch(folder, steerer.parts)
    check_whole(folder)
    assert len(list(folder.path.rglob("pictures/*.png"))) == 40


def test_rows_with_settings_of_their_own(tmp_path, fake_steerer):
    lines = [{"prompt": "a fox", "settings": {"search.rewrite": False}, "budget": 3}, {"prompt": "a fox", "budget": 3}]
    folder, steerer = make(tmp_path, fake_steerer, lines=lines)
    run_batch(folder, steerer.parts)
    texts = [{c["text"] for c in f["candidates"]} for f in facts_of(folder).values()]
    assert texts[0] == {"a fox"}
    assert len(texts[1]) > 1
    for wrong, said in (
        ({"search.sedes": 2}, "unknown setting 'search.sedes'"),
        ({"renderer.steps": 3}, "a row cannot change 'renderer'"),
        ({"nothing.at.all": 1}, "unknown setting 'nothing'"),
        ({"proposer.most": 1}, "is a setting of 'chat'.* not of 'lexical'"),
    ):
        with pytest.raises(UsageError, match=said):
            make(tmp_path, fake_steerer, "wrong", [{"prompt": "a fox", "settings": wrong}])
    with pytest.raises(UsageError, match="line 1: user 'u99' not found"):
        make(tmp_path, fake_steerer, "wrong", [{"prompt": "a fox", "user": "u99"}])


def test_rows_may_be_added_later_and_a_changed_one_is_refused(tmp_path, fake_steerer):
    folder, steerer = make(tmp_path, fake_steerer)
    run_batch(folder, steerer.parts)
    more = FakeRenderer()
    folder, steerer = make(
        tmp_path, fake_steerer, lines=[{"prompt": "first of all"}, *({"prompt": p} for p in PROMPTS)], renderer=more
    )
    assert run_batch(folder, steerer.parts) == Counter(done=6)
    assert {p.split(" variation")[0] for p, _ in more.rendered} == {"first of all"}
    make(tmp_path, fake_steerer, "named", [{"prompt": "a fox", "id": "x"}])
    with pytest.raises(UsageError, match=r"row 'x' is in .* with another content"):
        make(tmp_path, fake_steerer, "named", [{"prompt": "a cat", "id": "x"}])
    with pytest.raises(UsageError, match="made with another configuration"):
        make(tmp_path, fake_steerer, settings=("search.budget=9",))


class Unsteady(FakeProposer):
    """Fails for prompts with a word in them."""

    def __init__(self, word):
        super().__init__()
        self.word = word

    def propose(self, request, history, n):
        if self.word in request.prompt:
            raise ProposerError("the server is gone")
        return super().propose(request, history, n)


def test_a_row_that_fails_is_recorded_and_tried_again_on_demand(tmp_path, fake_steerer):
    folder, steerer = make(tmp_path, fake_steerer, proposer=Unsteady("castle"))
    told = []
    assert run_batch(folder, steerer.parts, ended=lambda row: told.append((row.prompt, folder.state(row)))) == Counter(
        done=4, failed=1
    )
    assert ("a castle", "failed") in told  # when it is known, not when it happens
    assert len(told) == 5
    assert "the server is gone" in (folder.path / "results.csv").read_text()
    renderer = FakeRenderer()
    steady = fake_steerer(("search.budget=8",), renderer=renderer)
    assert run_batch(folder, steady.parts) == Counter(done=4, failed=1)
    assert not renderer.rendered
    assert run_batch(folder, steady.parts, retry_failed=True) == Counter(done=5)
    assert len(renderer.rendered) == 7  # the original was there


def test_an_outage_stops_the_batch_and_fails_no_row(tmp_path, fake_steerer):
    folder, steerer = make(tmp_path, fake_steerer, proposer=Unsteady(""))
    with pytest.raises(ProposerError, match="3 rows one after another, last: the server is gone"):
        run_batch(folder, steerer.parts)
    assert {folder.state(r) for r in folder.rows()} <= {"begun", "waiting"}
    assert run_batch(folder, fake_steerer(("search.budget=8",)).parts) == Counter(done=5)


def test_ctrl_c_and_a_full_disk_lose_nothing(tmp_path, fake_steerer, monkeypatch):
    whole, steerer = make(tmp_path, fake_steerer, "whole")
    run_batch(whole, steerer.parts)
    renderer = FakeRenderer(interrupt_at=17)
    folder, steerer = make(tmp_path, fake_steerer, renderer=renderer)
    with pytest.raises(KeyboardInterrupt):
        run_batch(folder, steerer.parts)
    import steer.store.run_folder as store

    real, written = store.write_whole, []

    def full(path, write):
        written.append(path)
        if len(written) > 5:
            raise StorageError("the disk is full")
        real(path, write)

    with monkeypatch.context() as m:
        m.setattr(store, "write_whole", full)
        with pytest.raises(StorageError, match="the disk is full"):
            run_batch(folder, fake_steerer(("search.budget=8",)).parts)
    assert run_batch(folder, fake_steerer(("search.budget=8",)).parts) == Counter(done=5)
    assert facts_of(folder) == facts_of(whole)


def test_one_process_at_a_time(tmp_path, fake_steerer, monkeypatch):
    folder, steerer = make(tmp_path, fake_steerer)
    with folder.alone(), pytest.raises(StorageError, match="another process works on the batch"):
        run_batch(folder, steerer.parts)
    run = folder.run_of(next(folder.rows()))
    run.mkdir(parents=True)
    monkeypatch.setattr("steer.run.session.ORPHAN_S", 0.1)
    held = lock(run, "run")  # a worker of a killed batch that still lives
    with pytest.raises(StorageError, match="another process works on the run"):
        run_batch(folder, steerer.parts)
    held.release()
    assert run_batch(folder, steerer.parts) == Counter(done=5)
    assert run_batch(folder, steerer.parts) == Counter(done=5)


def test_what_pictures_cost_is_counted_over_all_rows(tmp_path, fake_steerer):
    class Till:
        cost = 0.0

        def start(self, spent):
            self.cost = spent.get("cost", 0.0)

        def spent(self):
            return {"cost": self.cost}

    class Paid(FakeRenderer):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.meter = Till()

        def render(self, prompts, seeds):
            self.meter.cost += len(prompts)
            return super().render(prompts, seeds)

    folder, steerer = make(tmp_path, fake_steerer, renderer=Paid(interrupt_at=17))
    with pytest.raises(KeyboardInterrupt):
        run_batch(folder, steerer.parts)
    folder, steerer = make(tmp_path, fake_steerer, renderer=Paid())
    run_batch(folder, steerer.parts)
    assert 40 <= folder.manifest["usage"]["renderer"]["cost"] <= 44


def test_a_real_small_batch_is_bit_for_bit_the_single_runs(miniature, tmp_path):
    """With the FluxPipeline: company changes neither a picture nor a score."""
    config = load_config("miniature", ["search.budget=5"])
    steerer = Steerer(
        config, renderer=miniature.parts.renderer, reward=miniature.parts.reward, store=miniature.parts.store
    )
    (tmp_path / "p.txt").write_text("a fox\na castle\na boat\n")
    folder = BatchFolder(tmp_path / "batch")
    folder.begin(config.model_dump(mode="json"), [], "miniature")
    folder.add(read_rows([str(tmp_path / "p.txt")], "u17"))
    run_batch(folder, steerer.parts)
    for row in folder.rows():
        alone = steerer.run(row.prompt, "u17", out=tmp_path / row.id)
        found = json.loads((folder.run_of(row) / "result.json").read_text())
        assert found["candidates"] == [c.facts() for c in alone.candidates]
        for c in alone.candidates:
            ours, theirs = (Image.open(f / c.picture).tobytes() for f in (folder.run_of(row), tmp_path / row.id))
            assert ours == theirs


def test_from_a_script(tmp_path, fake_steerer):
    rows = [{"prompt": p, "user": "u1", "budget": 4} for p in PROMPTS]
    found = [r.request.prompt for r in fake_steerer().batch(rows, tmp_path / "b", beside=2)]
    assert sorted(found) == sorted(PROMPTS)
    assert list(fake_steerer().batch(rows, tmp_path / "b")) == []  # all are done
    with pytest.raises(UsageError, match="row 2: no user"):
        next(fake_steerer().batch([{"prompt": "a", "user": "u1"}, {"prompt": "b"}], tmp_path / "c"))
    results = fake_steerer(proposer=Unsteady("castle")).batch(rows, tmp_path / "d")
    assert len([next(results) for _ in range(4)]) == 4
    with pytest.raises(SteerError, match=r"1 row of .* failed; the first, 'a castle', because the server is gone"):
        next(results)
