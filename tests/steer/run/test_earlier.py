"""What earlier runs taught: kept as evidence, judged anew, told to the next search, the same in a resumed run."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reward_models import Seen
from steer.batch.row_parts import RowParts
from steer.batch.rows import Row
from steer.errors import UsageError
from steer.lexicon import Lexicon
from steer.proposers.instructions import Instructions, build_ask
from steer.proposers.lexical import LexicalProposer, columns, effects_of
from steer.run.earlier import FADES, earlier_of
from steer.search.belief import Prior
from steer.search.screen import Screen
from steer.search.texts import TextSpace
from steer.store.run_folder import RunFolder
from steer.testing import FakeRenderer
from steer.types import History, Remembered, Rewrite, SteerRequest, StopReason

LEXICON = Lexicon.load("miniature")
GROUP = LEXICON.groups[0]


@pytest.fixture
def remembering(fake_steerer, store):
    """A Steerer that remembers the runs of "me"."""
    store.add("me")

    def make(**parts):
        return fake_steerer(["search.memory=true"], store=store, proposer=LexicalProposer(LEXICON), **parts)

    return make


def facts(result):
    return [c.facts() for c in result.candidates]


def test_a_run_knows_what_the_one_before_drew_and_keeps_no_score(remembering, store, tmp_path):
    steerer = remembering()
    first = steerer.run("a fox", "me", budget=12, out=tmp_path / "one")
    assert RunFolder.open(tmp_path / "one").earlier == ()
    drawn = store.drawn_before("me")
    assert {p.text for p in drawn} == {c.rewrite.text for c in first.candidates}
    assert {p.prompt for p in drawn} == {"a fox"}
    before = earlier_of(steerer.parts, SteerRequest("a boat", "me"))
    same = earlier_of(steerer.parts, SteerRequest("a fox", "me"))
    assert [e.weight for e in before] == pytest.approx([e.weight / 2 for e in same])  # another subject counts half
    by_text = {s.rewrite.text: s.liking for s in History(first.candidates).stats()}
    original = first.original.liking
    assert {e.text: e.gain for e in same}["a fox"] == 0
    for text, liking in by_text.items():
        assert {e.text: e.gain for e in same}[text] == pytest.approx(liking - original, abs=0.01)
    second = steerer.run("a boat", "me", budget=12, out=tmp_path / "two")
    assert RunFolder.open(tmp_path / "two").earlier == before
    alone = remembering().run("a boat", "u1", budget=12, out=tmp_path / "other")  # not of the store
    assert RunFolder.open(tmp_path / "other").earlier == ()
    assert [c.rewrite.text for c in second.candidates] != [c.rewrite.text for c in alone.candidates]
    third = earlier_of(steerer.parts, SteerRequest("a tree", "me"))
    faded = {e.text: e.weight for e in third}
    assert faded["a fox"] == pytest.approx(FADES * {e.text: e.weight for e in before}["a fox"])


def test_what_is_known_of_the_person_by_now_judges_the_pictures_of_before(remembering, store, tmp_path):
    steerer = remembering()
    steerer.run("a fox", "me", budget=12, out=tmp_path / "one")
    request = SteerRequest("a boat", "me")
    before = [e.gain for e in earlier_of(steerer.parts, request)]
    pictures = store.drawn_before("me")
    blue = [float(steerer.parts.reward.teacher.reading([Seen(p.kept)]).rgb[0, 2]) for p in pictures]
    kept = {str(i): pictures[i].kept for i in (int(np.argmax(blue)), int(np.argmin(blue)))}
    store.rate_many("me", [(h, "a fox", 5.0 if i == 0 else 1.0) for i, h in enumerate(kept)])
    store.keep_features(steerer.parts.reward.teacher.key, kept)
    steerer.parts.roster.learn("me")
    assert [e.gain for e in earlier_of(steerer.parts, request)] != before


def test_a_resumed_run_has_the_memory_it_began_with(remembering, store, tmp_path):
    remembering().run("a tree", "me", budget=8, out=tmp_path / "before")
    whole = remembering().run("a fox", "me", budget=16, out=tmp_path / "whole")
    store._remove(["me"], ("run_pictures",))
    remembering().run("a tree", "me", budget=8, out=tmp_path / "before-too")
    broken = remembering(renderer=FakeRenderer(interrupt_at=9))
    assert broken.run("a fox", "me", budget=16, out=tmp_path / "run").stop is StopReason.INTERRUPTED
    remembering().run("a lake", "me", budget=8, out=tmp_path / "between")
    assert facts(remembering().resume(tmp_path / "run")) == facts(whole)
    manifest = tmp_path / "run" / "manifest.json"
    told = json.loads(manifest.read_text())
    told["earlier"][0]["weight"] = -1
    manifest.write_text(json.dumps(told))
    with pytest.raises(UsageError, match=r"earlier\.0\.weight"):
        RunFolder.open(tmp_path / "run")


def test_without_the_setting_nothing_is_kept(fake_steerer, store, tmp_path):
    store.add("me")
    fake_steerer(store=store).run("a fox", "me", budget=8, out=tmp_path / "run")
    assert store.drawn_before("me") == []
    assert "earlier" not in json.loads((tmp_path / "run" / "manifest.json").read_text())


def test_a_row_of_a_batch_does_not_depend_on_the_rows_beside_it(fake_steerer, store):
    store.add("me")
    rows = RowParts(fake_steerer(store=store).parts)
    with pytest.raises(UsageError, match=r"search\.memory does not work in a batch"):
        rows.check(Row("r", "a fox", "me", settings={"search.memory": True}))
    rows.check(Row("r", "a fox", "me", settings={"search.ask": 2}))
    with pytest.raises(UsageError, match="one user of your own"):
        rows.check(Row("r", "a fox", "u1", settings={"search.ask": 2}))


def remembered(phrase, gain, weight=2.0):
    changes = {GROUP.name: phrase} if phrase else {}
    return Remembered("a tree", LEXICON.compose("a tree", changes), changes, gain, weight)


def test_the_lexical_search_begins_with_what_was_liked():
    good, bad = GROUP.phrases[:2]
    earlier = [remembered("", 0.0), remembered(good, 0.3), remembered(bad, -0.3)]
    names = columns([GROUP])
    mean, covariance = effects_of([GROUP], History(), earlier)
    blank, unsure = effects_of([GROUP], History())
    at = {phrase: i for i, (_, phrase) in enumerate(names)}
    assert mean[at[good]] > 0.1 > -0.1 > mean[at[bad]]
    assert not blank.any()
    assert covariance[at[good], at[good]] < unsure[at[good], at[good]]
    proposer = LexicalProposer(LEXICON)
    request = SteerRequest("a fox", "me", earlier=(remembered("", 0.0, 20), remembered(good, 0.4, 20)))
    texts = proposer.propose(request, History(), 12)
    others = proposer.propose(SteerRequest("a fox", "me"), History(), 12)
    said = lambda found: sum(r.changes.get(GROUP.name) == good for r in found)  # noqa: E731
    assert said(texts) > said(others)


def test_the_screen_heeds_what_earlier_runs_saw():
    vectors = {
        "a fox": [1, 0, 0],
        "a fox good": [0.6, 0.8, 0],
        "a fox bad": [0.6, 0, 0.8],
        "a fox good too": [0.6, 0.79, 0.1],
    }
    space = TextSpace(lambda texts: np.array([vectors.get(t, [1, 0, 0]) for t in texts], dtype=float))
    imagine = lambda texts: (np.full(len(texts), 0.5), np.full(len(texts), 0.2))  # noqa: E731
    rewrites = [Rewrite("a fox bad"), Rewrite("a fox good too")]
    seen = [Remembered("a tree", "a fox good", {}, 0.3, 4), Remembered("a tree", "a fox bad", {}, -0.3, 4)]
    chosen = Screen(Prior("a fox", space, imagine, seen)).choose(rewrites, History(), 1)
    assert [r.text for r in chosen] == ["a fox good too"]
    seen = [Remembered("a tree", "a fox good", {}, -0.3, 4), Remembered("a tree", "a fox bad", {}, 0.3, 4)]
    chosen = Screen(Prior("a fox", space, imagine, seen)).choose(rewrites, History(), 1)
    assert [r.text for r in chosen] == ["a fox bad"]


def test_a_chat_model_is_told_what_earlier_runs_say():
    good, bad = GROUP.phrases[:2]
    earlier = [remembered("", 0.0), remembered(good, 0.3), remembered(bad, -0.3)]
    ask = build_ask("a fox", History(), 4, "diverse", 6, earlier=earlier)
    assert [e.words for e in ask.rose_before] == [good]
    assert [e.words for e in ask.fell_before] == [bad]
    said = Instructions("reflect").messages(ask)[1]["content"]
    assert f"- {good}: +0." in said
    assert f"- {bad}: -0." in said
    assert (
        "earlier runs"
        not in Instructions("reflect").messages(build_ask("a fox", History(), 4, "diverse", 6))[1]["content"]
    )
