"""The loop with fakes: budget, equal seeds, failures, stop reasons, resume."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from steer.errors import StorageError, UsageError
from steer.events import CandidateDone, RoundProposed, RunStarted, RunStopped
from steer.testing import FakeProposer, FakeRenderer
from steer.types import State, StopReason


def facts(result):
    return [c.facts() for c in result.candidates]


@pytest.mark.parametrize("budget", [1, 3, 5, 11, 48])
def test_the_budget_is_met_and_never_passed(fake_steerer, tmp_path, budget):
    renderer = FakeRenderer()
    result = fake_steerer(renderer=renderer).run("a fox", "u1", budget=budget, out=tmp_path / "run")
    assert len(renderer.rendered) == len(result.candidates) <= budget
    assert len(result.candidates) > budget - 3  # an odd picture may be left over, never a round
    assert result.stop is StopReason.BUDGET
    assert result.best is not None


def test_round_zero_is_the_prompt_itself_and_the_winner_is_compared_on_its_seeds(fake_steerer, tmp_path):
    result = fake_steerer().run("a fox", "u1", out=tmp_path / "run")
    first = [c for c in result.candidates if c.round == 0]
    assert {c.rewrite.text for c in first} == {"a fox"}
    assert len({c.seed for c in first}) == 2  # the other two seeds when the leaders get them
    assert len(result.original.objectives) == 4
    assert set(result.winner.seeds) <= set(result.original.seeds)
    original = [
        y for y, s in zip(result.original.likings, result.original.seeds, strict=True) if s in result.winner.seeds
    ]
    assert result.gain == pytest.approx(result.winner.liking - sum(original) / len(original), abs=1e-5)


def test_rivals_of_a_round_share_their_seeds(fake_steerer, tmp_path):
    result = fake_steerer().run("a fox", "u1", out=tmp_path / "run")
    second = [c for c in result.candidates if c.round == 1]
    seeds_of = {}
    for c in second:
        seeds_of.setdefault(c.rewrite.text, []).append(c.seed)
    assert len({tuple(s) for s in seeds_of.values()}) == 1


def test_the_winner_is_never_worse_than_the_original(fake_steerer, tmp_path):
    for seed in range(5):
        result = fake_steerer().run("a fox", "u1", seed=seed, out=tmp_path / str(seed))
        assert result.gain >= 0


def test_the_same_seed_is_the_same_run(fake_steerer, tmp_path):
    one = fake_steerer().run("a fox", "u1", seed=3, out=tmp_path / "one")
    two = fake_steerer().run("a fox", "u1", seed=3, out=tmp_path / "two")
    assert facts(one) == facts(two)
    other = fake_steerer().run("a fox", "u1", seed=4, out=tmp_path / "other")
    assert facts(one) != facts(other)


def test_another_user_is_another_score(fake_steerer, tmp_path):
    red = fake_steerer().run("a fox", "u1", budget=4, out=tmp_path / "red")
    blue = fake_steerer().run("a fox", "blue", budget=4, out=tmp_path / "blue")
    assert [c.personal for c in red.candidates] != [c.personal for c in blue.candidates]


def test_a_failed_picture_is_recorded_and_never_best(fake_steerer, tmp_path):
    result = fake_steerer(renderer=FakeRenderer(fail=range(0, 48, 3))).run("a fox", "u1", out=tmp_path / "run")
    states = Counter(c.state for c in result.candidates)
    assert states == {State.FAILED: 16, State.SCORED: 32}
    assert all("told to fail" in c.reason for c in result.candidates if c.state is State.FAILED)
    assert result.best.state is State.SCORED


def test_all_failed_gives_no_best(fake_steerer, tmp_path):
    result = fake_steerer(renderer=FakeRenderer(fail=range(99))).run("a fox", "u1", budget=8, out=tmp_path / "run")
    assert result.best is None
    assert (tmp_path / "run" / "report.html").exists()


def test_interrupted_and_resumed_equals_uninterrupted(fake_steerer, tmp_path):
    whole = fake_steerer().run("a fox", "u1", out=tmp_path / "whole")
    for at in (2, 4, 17, 46):
        folder = tmp_path / f"cut{at}"
        cut = fake_steerer(renderer=FakeRenderer(interrupt_at=at)).run("a fox", "u1", out=folder)
        assert cut.stop is StopReason.INTERRUPTED
        assert (folder / "report.html").exists()
        renderer, proposer = FakeRenderer(), FakeProposer()
        resumed = fake_steerer(renderer=renderer, proposer=proposer).resume(folder)
        assert facts(resumed) == facts(whole)
        kept = len(list((folder / "pictures").glob("*.png")))
        assert kept == len(whole.candidates)
        already = sum(1 for c in cut.candidates if c.picture)
        assert len(renderer.rendered) == len(whole.candidates) - already, "a picture was paid for twice"


def test_a_torn_journal_line_is_tolerated(fake_steerer, tmp_path):
    folder = tmp_path / "run"
    fake_steerer(renderer=FakeRenderer(interrupt_at=9)).run("a fox", "u1", out=folder)
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    torn = [line for line in lines if b'"stopped"' not in line]
    journal.write_bytes(b"".join(torn[:-1]) + torn[-1][:25])
    resumed = fake_steerer().resume(folder)
    assert facts(resumed) == facts(fake_steerer().run("a fox", "u1", out=tmp_path / "whole"))


def test_resume_refuses_other_settings_and_names_them(fake_steerer, tmp_path):
    folder = tmp_path / "run"
    fake_steerer(renderer=FakeRenderer(interrupt_at=9)).run("a fox", "u1", out=folder)
    with pytest.raises(UsageError, match=r"search\.patience: 6 then, 9 now"):
        fake_steerer(["search.patience=9"]).resume(folder)


def test_target_stops_early_and_confirms(fake_steerer, tmp_path):
    result = fake_steerer(["search.target=0.5"]).run("a fox", "u1", out=tmp_path / "run")
    assert result.stop is StopReason.TARGET
    assert len(result.candidates) < 48
    assert len(result.winner.objectives) == 4


def test_no_improvement_stops_early(fake_steerer, tmp_path):
    result = fake_steerer(["search.patience=1"]).run("a fox", "u1", budget=200, out=tmp_path / "run")
    assert result.stop is StopReason.NO_IMPROVEMENT


def test_nothing_new_to_propose_stops(fake_steerer, tmp_path):
    proposer = FakeProposer(queue=[["a fox red"], [], []])
    result = fake_steerer(proposer=proposer).run("a fox", "u1", out=tmp_path / "run")
    assert result.stop is StopReason.NO_PROPOSALS
    assert {c.rewrite.text for c in result.candidates} == {"a fox", "a fox red"}


def test_a_guard_that_drops_every_text_is_the_reason_and_stays_it_after_a_resume(fake_steerer, tmp_path):
    prompt, texts = "portrait of my grandmother", ["a grandmother", "grandmother at dawn", "a grandmother, sepia"]
    whole = fake_steerer(proposer=FakeProposer([texts])).run(prompt, "u1", out=tmp_path / "whole")
    assert whole.stop is StopReason.GUARD
    assert whole.why == "the fidelity guard dropped all 3 rewrites: they no longer say 'portrait' and 'my'"
    assert json.loads((tmp_path / "whole" / "result.json").read_text())["why"] == whole.why
    renderer = FakeRenderer(interrupt_at=3)  # while the original is confirmed
    steerer = fake_steerer(renderer=renderer, proposer=FakeProposer([texts]))
    assert steerer.run(prompt, "u1", out=tmp_path / "broken").stop is StopReason.INTERRUPTED
    again = fake_steerer().resume(tmp_path / "broken")
    assert (again.stop, again.why) == (whole.stop, whole.why)
    assert facts(again) == facts(whole)


def test_time_limit(fake_steerer, tmp_path):
    result = fake_steerer(["search.time_limit_s=0.000001"]).run("a fox", "u1", out=tmp_path / "run")
    assert result.stop is StopReason.TIME
    assert result.best is not None


def test_the_guard_is_applied_to_proposals(fake_steerer, tmp_path):
    proposer = FakeProposer(queue=[["a fox", "  a  fox\n at dawn\x00 ", "a submarine", "a fox " + "x" * 700]])
    result = fake_steerer(proposer=proposer, settings=["search.patience=1"]).run("a fox", "u1", out=tmp_path / "run")
    assert {c.rewrite.text for c in result.candidates if c.round == 1} == {"a fox at dawn"}
    rows = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    dropped = next(r["dropped"] for r in rows if r["kind"] == "proposed")
    assert [reason for _, reason, _ in dropped] == [
        "already tried",
        "keeps 0% of the prompt's words, less than 50%",
        "longer than 600 characters",
    ]


def test_events_in_order(fake_steerer, tmp_path):
    steerer, seen = fake_steerer(), []
    steerer.listeners.append(seen.append)
    steerer.run("a fox", "u1", budget=8, out=tmp_path / "run")
    kinds = [type(e) for e in seen]
    assert kinds[0] is RunStarted
    assert kinds[-1] is RunStopped
    assert kinds.count(CandidateDone) == 8
    assert RoundProposed in kinds


def test_ask_and_tell_without_the_loop(fake_steerer):
    steerer, renderer = fake_steerer(), FakeRenderer()
    search = steerer.search("a fox", "u1", budget=20)
    while candidates := search.ask():
        images = renderer.render([c.rewrite.text for c in candidates], [c.seed for c in candidates])
        search.tell(steerer.score(candidates, images, search.request))
    assert search.winner().mean >= next(iter(search.history.stats())).mean
    assert len(search.history.candidates) == 20


def test_a_full_disk_is_one_line_and_what_was_made_stays(fake_steerer, tmp_path, monkeypatch):
    import steer.store.files as files

    real, calls = files.os.fsync, []

    def fsync(fd):
        calls.append(fd)
        if len(calls) > 20:
            raise OSError(28, "No space left on device")
        real(fd)

    monkeypatch.setattr(files.os, "fsync", fsync)
    folder = tmp_path / "run"
    with pytest.raises(StorageError, match=r"no room left on the disk .*steer resume"):
        fake_steerer().run("a fox", "u1", out=folder)
    monkeypatch.setattr(files.os, "fsync", real)
    assert not list(folder.rglob("*.partial"))
    resumed = fake_steerer().resume(folder)
    assert facts(resumed) == facts(fake_steerer().run("a fox", "u1", out=tmp_path / "whole"))


def test_a_run_is_not_overwritten(fake_steerer, tmp_path):
    fake_steerer().run("a fox", "u1", budget=4, out=tmp_path / "run")
    with pytest.raises(UsageError, match="already holds a run"):
        fake_steerer().run("a fox", "u1", budget=4, out=tmp_path / "run")


@pytest.mark.parametrize("prompt", ["", "   ", "\x00\n", "fox " * 200])
def test_unusable_prompts(fake_steerer, tmp_path, prompt):
    with pytest.raises(UsageError, match="prompt"):
        fake_steerer().run(prompt, "u1", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unknown_user_names_the_nearest(fake_steerer, tmp_path):
    with pytest.raises(UsageError, match=r"user 'u71' not found \(3 known\)\. Did you mean 'u17'"):
        fake_steerer().run("a fox", "u71", out=tmp_path / "run")


def test_user_and_prompt_never_become_a_path(fake_steerer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = fake_steerer().run("../../etc/passwd", "u1", budget=2)
    parts = Path(result.folder).parts
    assert parts[0] == "outputs"
    assert len(parts) == 2
    assert re.fullmatch(r"\d{8}-\d{6}-[a-z0-9-]+", parts[1])  # letters, digits and hyphens of what was typed


def test_a_negative_seed_is_refused(fake_steerer, tmp_path):
    with pytest.raises(UsageError, match="the seed is -1"):
        fake_steerer().run("a fox", "u1", seed=-1, out=tmp_path / "run")


def test_an_unspent_picture_is_said(fake_steerer, tmp_path):
    result = fake_steerer(["search.draft_seeds=2"]).run("a fox", "u1", budget=17, out=tmp_path / "run")
    unspent = 17 - len(result.candidates)
    assert unspent == 1
    assert "1 of 17 pictures left" in json.loads((tmp_path / "run" / "result.json").read_text())["why"]


def test_resume_refuses_other_words(fake_steerer, tmp_path):
    folder = tmp_path / "run"
    fake_steerer(renderer=FakeRenderer(interrupt_at=9)).run("a fox", "u1", out=folder)
    changed = FakeProposer()
    changed.fingerprint = lambda: "other"
    with pytest.raises(UsageError, match=r"proposer\.fingerprint: 'fake' then, 'other' now"):
        fake_steerer(proposer=changed).resume(folder)


# two tiers


class TwoTiers(FakeRenderer):
    """Its drafts are other pictures, counted on their own."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.drafts = FakeRenderer()


def test_rounds_are_drafts_and_only_full_pictures_win(fake_steerer, tmp_path):
    renderer = TwoTiers()
    result = fake_steerer(renderer=renderer).run("a fox", "u1", out=tmp_path / "run")
    full = [c for c in result.candidates if c.tier == "full"]
    assert len(result.candidates) <= 48
    assert len(renderer.rendered) == len(full) == 12  # the original and two leaders on four seeds
    assert len(renderer.drafts.rendered) == len(result.candidates) - 12
    assert result.best.tier == "full"
    texts = {c.rewrite.text for c in full}
    assert "a fox" in texts
    assert result.winner.rewrite.text in texts
    assert set(result.winner.seeds) == set(result.original.seeds)
    own = [c.objective for c in full if c.rewrite.text == result.winner.rewrite.text]
    assert result.winner.mean == pytest.approx(sum(own) / 4)  # its drafts do not count any more
    correlation, pictures = result.agreement
    assert -1 <= correlation <= 1
    assert pictures >= 4
    stored = json.loads((tmp_path / "run" / "result.json").read_text())
    assert stored["agreement"] == pytest.approx(correlation, abs=1e-3)


def test_two_tiers_resume_as_one(fake_steerer, tmp_path):
    whole = fake_steerer(renderer=TwoTiers()).run("a fox", "u1", out=tmp_path / "whole")
    folder = tmp_path / "cut"
    fake_steerer(renderer=TwoTiers(interrupt_at=5)).run("a fox", "u1", out=folder)  # in the full pictures
    again = TwoTiers()
    resumed = fake_steerer(renderer=again).resume(folder)
    assert facts(resumed) == facts(whole)
    assert again.drafts.rendered == []
    assert len(again.rendered) == 12 - 4  # the interrupted batch of four was not drawn


def test_without_drafts_there_is_no_agreement_to_tell(fake_steerer, tmp_path):
    result = fake_steerer().run("a fox", "u1", budget=9, out=tmp_path / "run")
    assert {c.tier for c in result.candidates} == {"full"}
    assert result.agreement[1] == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text())["agreement"] is None


class Cramped(FakeRenderer):
    """Memory suffices for half of its batch only, which it finds out."""

    def render(self, prompts, seeds):
        self.narrow(2)
        return super().render(prompts, seeds)

    def narrow(self, batch_size):
        self.drawn_together = batch_size


def test_a_resumed_run_draws_as_many_pictures_together_as_it_did(fake_steerer, tmp_path):
    """Company changes the last bits of a picture on a card."""
    folder = tmp_path / "run"
    fake_steerer(renderer=FakeRenderer(interrupt_at=9)).run("a fox", "u1", out=folder)
    assert "drawn_together" not in json.loads((folder / "manifest.json").read_text())
    fake_steerer(renderer=(cramped := Cramped(interrupt_at=20))).resume(folder)
    assert json.loads((folder / "manifest.json").read_text())["drawn_together"] == 2
    narrowed = []
    again = Cramped()
    again.narrow = narrowed.append
    fake_steerer(renderer=again).resume(folder)
    assert narrowed[0] == cramped.drawn_together == 2
