"""A run that asks its user: what it asks, what an answer changes, and that it never waits."""

from __future__ import annotations

import json
import shutil
import threading
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from steer.cli.answering import TerminalAnswers, check_answers
from steer.errors import UsageError
from steer.events import CandidateDone, QuestionAsked, QuestionClosed
from steer.search.worth import rating, which, worth
from steer.testing import FakeRenderer
from steer.types import StopReason


@pytest.fixture
def asking(fake_steerer, store):
    """A Steerer whose runs ask "me", who is in the store."""
    store.add("me")

    def make(asks=3, **parts):
        return fake_steerer([f"search.ask={asks}"], store=store, **parts)

    return make


def blue(question):
    """Somebody who likes blue, which the fake reward does not expect."""
    shown = [np.array(c.image or _opened(p))[0, 0, 2] for c, p in zip(question.pictures, question.paths, strict=True)]
    if question.form == "rate":
        return 1 + 4 * float(shown[0]) / 255
    return question.pictures[int(np.argmax(shown))].index


def _opened(path):
    from PIL import Image

    with Image.open(path) as image:
        return image.convert("RGB")


def lines(folder, kind):
    told = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return [line for line in told if line["kind"] == kind]


def facts(result):
    return [c.facts() for c in result.candidates]


def test_an_answer_is_kept_learned_and_the_pictures_are_judged_again(asking, store, tmp_path):
    seen = []
    steerer = asking()
    steerer.listeners.append(seen.append)
    result = steerer.run("a fox", "me", budget=16, out=tmp_path / "run", ask=blue)
    asked = [e.question for e in seen if isinstance(e, QuestionAsked)]
    assert 1 <= len(asked) <= 3
    assert [e.number for e in seen if isinstance(e, QuestionClosed)] == [q.number for q in asked]
    told = store.told("me")
    assert len(told.ratings) + len(told.choices) >= len(asked)
    assert {r.prompt for r in told.ratings} | set(told.prompts.values()) == {"a fox"}
    assert len(lines(tmp_path / "run", "question")) == len(lines(tmp_path / "run", "answer")) == len(asked)
    assert lines(tmp_path / "run", "learned")
    assert result.tastes[0].ratings >= len(asked)
    assert not result.warnings


@pytest.mark.parametrize("at", [9, 15])
def test_a_resumed_run_is_the_same_and_asks_nothing_twice(asking, store, tmp_path, at):
    whole = asking().run("a fox", "me", budget=16, out=tmp_path / "whole", ask=blue)
    store.reset("me")
    asked = []

    def counted(question):
        asked.append(question.number)
        return blue(question)

    broken = asking(renderer=FakeRenderer(interrupt_at=at))
    assert broken.run("a fox", "me", budget=16, out=tmp_path / "run", ask=counted).stop is StopReason.INTERRUPTED
    again = asking().resume(tmp_path / "run", ask=counted)
    assert facts(again) == facts(whole)
    assert asked == sorted(set(asked))
    assert again.best.facts() == whole.best.facts()


def test_without_an_answer_the_run_goes_on_alone_and_says_so(asking, store, tmp_path, fake_steerer):
    steerer = asking()
    steerer.listeners.append(lambda event: None)
    result = steerer.run("a fox", "me", budget=16, out=tmp_path / "run")
    assert result.warnings == ["Its last question was not answered; the run went on alone."]
    assert store.told("me").digest() == store.told("me").digest()
    plain = fake_steerer(store=store).run("a fox", "me", budget=16, out=tmp_path / "plain")
    assert facts(plain) == facts(result)
    assert len(lines(tmp_path / "run", "question")) == 1  # one at a time


def test_what_nobody_answered_is_asked_again_when_the_run_goes_on(asking, tmp_path):
    broken = asking(renderer=FakeRenderer(interrupt_at=12))
    broken.listeners.append(lambda event: None)
    broken.run("a fox", "me", budget=16, out=tmp_path / "run")
    (before,) = lines(tmp_path / "run", "question")
    asked = []
    asking().resume(tmp_path / "run", ask=lambda q: asked.append((q.number, [c.index for c in q.pictures])))
    assert asked[0] == (before["number"], before["pictures"])
    assert lines(tmp_path / "run", "answer")[0] == {
        "kind": "answer", "run": before["run"], "number": 0, "round": before["round"] + 1, "value": None
    }  # fmt: skip


def test_a_late_answer_from_another_thread_counts_in_the_next_round(asking, store, tmp_path):
    held, steerer = [], asking(asks=1)

    def heard(event):
        if isinstance(event, QuestionAsked):
            held.append(event.question)
        elif held and isinstance(event, CandidateDone) and not held[0].answered:
            other = threading.Thread(target=lambda: held[0].answer(blue(held[0])))
            other.start()
            other.join()

    steerer.listeners.append(heard)
    steerer.run("a fox", "me", budget=16, out=tmp_path / "run")
    (question,), (answer,) = lines(tmp_path / "run", "question"), lines(tmp_path / "run", "answer")
    assert answer["round"] == question["round"] + 1
    assert lines(tmp_path / "run", "learned")[0]["round"] == answer["round"]
    assert not held[0].answer(None)  # the first answer holds


def test_nobody_to_ask_is_said_before_there_is_a_folder(asking, fake_steerer, store, tmp_path):
    for user in ("u1", "average", "me,u1"):
        with pytest.raises(UsageError, match="one user of your own"):
            asking().run("a fox", user, out=tmp_path / "run", ask=blue)
    with pytest.raises(UsageError, match="nobody answers"):
        asking().run("a fox", "me", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    wrong = fake_steerer(store=store)
    with pytest.raises(UsageError, match=r"is not asked about|must be from 1 to 5"):
        wrong.run("a fox", "me", budget=16, out=tmp_path / "run", ask=lambda q: 99)


def test_an_answer_that_somebody_else_wrote_into_the_journal_is_refused(asking, tmp_path):
    asking().run("a fox", "me", budget=16, out=tmp_path / "run", ask=blue)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    journal = tmp_path / "copy" / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"form": "', '"form": "x').replace('"form":"', '"form":"x'))
    with pytest.raises(UsageError, match="was not written by steer"):
        asking().resume(tmp_path / "copy", ask=blue)


def test_worth_is_what_the_answer_adds_to_the_best_option():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.6, 0.2, 4000), rng.normal(0.6, 0.2, 4000)
    options = np.stack([one, other], axis=1)
    told = worth(options, which(options, 0.01))
    assert told == pytest.approx(np.maximum(one, other).mean() - max(one.mean(), other.mean()), abs=0.005)
    assert worth(options, which(options, 5.0)) < 0.1 * told  # who answers at random tells nothing
    sure = np.stack([one, one - 0.9], axis=1)
    assert worth(sure, which(sure, 0.1)) == pytest.approx(0, abs=1e-6)  # whatever is answered, the winner stays
    assert 0 < worth(options, rating(one, 0.1)) < told
    assert rating(one, 0.1).sum(1) == pytest.approx(np.ones(4000))


def test_where_nobody_can_answer_the_command_refuses():
    with pytest.raises(UsageError, match="add --page"):
        check_answers(2, page=False, as_json=True)  # and so without a terminal
    check_answers(2, page=True, as_json=True)
    check_answers(0, page=False, as_json=True)


def test_in_the_terminal_a_number_answers(asking, tmp_path):
    out, seen = StringIO(), []
    terminal = TerminalAnswers(Console(file=out, width=200), lambda path: None, read=lambda: "")
    steerer = asking()

    def type_(event):
        if isinstance(event, QuestionAsked):
            for typed in ("nonsense", "7", "1"):
                terminal.take(typed)
            seen.append(event.question)

    steerer.listeners += [terminal, type_]
    steerer.run("a fox", "me", budget=16, out=tmp_path / "run")
    assert seen
    assert all(q.answered and q.value in ((1.0,) if q.form == "rate" else (q.pictures[0].index,)) for q in seen)
    said = out.getvalue()
    assert "'nonsense' is no answer" in said
    assert "'7' is no answer" in said
    assert seen[0].paths[0].name in said
    assert "it counts from the next round on" in said
