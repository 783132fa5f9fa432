"""The small objects around the texts: seeds, likeness, the guard, recombination, the funnel, the strength."""

from __future__ import annotations

import random
import threading
from itertools import pairwise

import numpy as np
import pytest

from steer import Steerer
from steer.config import load_config
from steer.config.strength import STRENGTHS
from steer.errors import ProposerError, UsageError
from steer.lexicon import Lexicon
from steer.proposers import build_proposer
from steer.search.funnel import Funnel
from steer.search.guard import Guard
from steer.search.recombination import recombine
from steer.search.texts import UNRELATED, TextSpace
from steer.testing import FakeProposer, FakeRenderer
from steer.types import Candidate, History, Rewrite, State, SteerRequest

REQUEST = SteerRequest("a fox", "u1")
GENERAL = Lexicon.load("general")


# seeds


def test_small_budgets_compare_on_fewer_seeds(fake_steerer, tmp_path):
    for budget, seeds in ((2, 1), (9, 1), (17, 2), (48, 4)):
        result = fake_steerer(["search.worth=0"]).run("a fox", "u1", budget=budget, out=tmp_path / str(budget))
        assert len(result.original.objectives) >= seeds
        assert result.comparison
        assert len({c.rewrite.text for c in result.candidates}) > budget / 5  # most pictures go to new texts


def test_only_the_promising_get_more_than_one_picture(fake_steerer, tmp_path):
    result = fake_steerer().run("a fox", "u1", out=tmp_path / "run")
    pictures = {}
    for c in result.candidates:
        pictures.setdefault(c.rewrite.text, []).append(c.objective)
    firsts = {t: y[0] for t, y in pictures.items() if t != "a fox"}
    more = [y for t, y in firsts.items() if len(pictures[t]) > 1]
    assert 3 <= len(more) < len(firsts) / 2
    assert np.median(more) > np.quantile(list(firsts.values()), 0.75)


def test_an_interrupted_search_names_the_best_so_far(fake_steerer, tmp_path):
    cut = fake_steerer(renderer=FakeRenderer(interrupt_at=14)).run("a fox", "u1", out=tmp_path / "cut")
    assert cut.winner.rewrite.text != "a fox"
    assert cut.best.objective == max(c.objective for c in cut.candidates if c.rewrite == cut.winner.rewrite)


def test_no_rewrite_is_the_best_of_n(fake_steerer, tmp_path):
    proposer = FakeProposer()
    result = fake_steerer(["search.rewrite=false"], proposer=proposer).run("a fox", "u1", 9, out=tmp_path / "run")
    assert {c.rewrite.text for c in result.candidates} == {"a fox"}
    assert len({c.seed for c in result.candidates}) == 9
    assert result.best.objective == max(c.objective for c in result.candidates)
    assert proposer.asked == []


# likeness and the guard


def by_words(texts):
    """A stand-in for a text tower: which words are said."""
    rows = np.zeros((len(texts), 512))
    for i, text in enumerate(texts):
        for word in text.lower().replace(",", " ").split():
            if word not in ("a", "the", "in", "of"):
                rows[i, hash_of(word)] += 1
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def hash_of(word):
    return sum(ord(c) * 31**i for i, c in enumerate(word)) % 512


def test_likeness_is_one_for_the_same_and_nothing_for_the_unrelated():
    space = TextSpace(by_words)
    matrix = space.likeness(UNRELATED, UNRELATED)
    assert np.allclose(np.diag(matrix), 1)
    assert abs(matrix[np.triu_indices(len(UNRELATED), 1)].mean()) < 1e-9


def test_the_guard_drops_what_means_the_same_or_something_else():
    guard = Guard("a fox in snow", 0.0, 0.3, TextSpace(by_words))
    texts = [
        "a fox in snow at dawn",
        "at dawn, fox in the snow",
        "a castle at night",
        "snow, a fox",
        "a red fox in snow",
    ]
    good, dropped = guard.check([Rewrite(t) for t in texts], ["a fox in snow"])
    assert [r.text for r in good] == ["a fox in snow at dawn", "a red fox in snow"]
    reasons = {d.text: d.reason for d in dropped}
    assert reasons["at dawn, fox in the snow"] == "says the same as 'a fox in snow at dawn'"
    assert reasons["a castle at night"].startswith("is 0.00 like the prompt, less than 0.30")
    assert reasons["snow, a fox"] == "says the same as 'a fox in snow'"


def test_the_miniatures_text_tower_knows_other_words_from_other_pictures(miniature):
    space = miniature.parts.space
    base = "close-up of a fox in the snow at dawn, sepia"
    same = ["a close-up of a fox at dawn in the snow, sepia", "sepia, close up of a fox in the snow at dawn"]
    other = [
        "close-up of a fox in the snow at sunset, sepia",
        "close-up of a fox in the snow, sepia",
        "a fox in the snow",
    ]
    assert space.likeness([base], same).min() > 0.97
    assert space.likeness([base], other).max() < 0.95
    assert space.likeness(["a fox"], ["a castle at night, neon"])[0, 0] < 0.1


def test_strength_light_touches_the_light_alone():
    config = load_config("miniature")
    request = SteerRequest("a fox in a meadow", "u1")
    rewrites = build_proposer(config.proposer, "light").propose(request, History(), 20)
    assert rewrites
    assert {kind for r in rewrites for kind in r.changes} == {"light"}
    everything = build_proposer(config.proposer, "free").propose(request, History(), 40)
    assert {kind for r in everything for kind in r.changes} > {"light", "style", "framing"}
    closed = tuple(g for g in Lexicon.load("miniature").groups if g.name != "light")
    guard = Guard(request.prompt, STRENGTHS["light"].min_kept, closed=closed)
    good, dropped = guard.check(
        [Rewrite("a fox in a meadow at dawn"), Rewrite("a fox in a meadow, sepia"), Rewrite("a fox at dawn")], []
    )
    assert [r.text for r in good] == ["a fox in a meadow at dawn"]
    assert [d.reason for d in dropped] == [
        "changes the style, which this strength leaves alone",
        "keeps 50% of the prompt's words, less than 100%",
    ]


def test_strengths_reach_from_near_to_far():
    ordered = [STRENGTHS[name] for name in ("light", "gentle", "free", "surprise")]
    for near, far in pairwise(ordered):
        assert near.min_kept >= far.min_kept
        assert near.min_likeness > far.min_likeness
        assert near.fidelity_floor >= far.fidelity_floor
    assert load_config("miniature", ["search.strength=gentle", "search.min_kept=0.4"]).search.limits.min_kept == 0.4


def test_a_lexicon_without_the_kinds_of_a_strength_is_said(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("groups: {hat: {where: end, phrases: [top hat]}}")
    config = load_config("miniature", [f"proposer.lexicon={path}"])
    with pytest.raises(UsageError, match=r"the lexicon 'mine' has no group light"):
        build_proposer(config.proposer, "light")


# recombination


def test_children_join_what_their_parents_add():
    parents = [Rewrite(t) for t in ("close-up of a fox at dawn, sepia", "a fox in the snow, oil painting")]
    children = [r.text for r in recombine("a fox", parents, 8, random.Random(0))]
    assert "close-up of a fox in the snow at dawn" in children
    assert all("a fox" in c and c != "a fox" for c in children)
    assert len(set(children)) == len(children)
    assert not {p.text for p in parents} & set(children)


def test_children_of_phrases_say_one_of_each_kind():
    one = {"light": "misty light", "style": "oil painting"}
    other = {"light": "neon light", "mood": "playful"}
    parents = [Rewrite(GENERAL.compose("a fox", c), c) for c in (one, other)]
    for child in recombine("a fox", parents, 10, random.Random(1), GENERAL.compose):
        assert child.text == GENERAL.compose("a fox", child.changes)
        for kind, phrase in child.changes.items():
            assert phrase in (one.get(kind), other.get(kind))


def test_one_parent_has_no_children():
    assert recombine("a fox", [Rewrite("a fox at dawn")], 5, random.Random(0)) == []
    assert recombine("a fox", [], 5, random.Random(0)) == []


# the funnel


class Paid(FakeProposer):
    """A fake that waits for a model, as it were, and whose texts are kept."""

    slow, most = True, 4


class FirstBest:
    """A screen that takes texts in the order of their numbers, the highest first."""

    def choose(self, rewrites, history, n):
        return sorted(rewrites, key=lambda r: -int(r.text.split()[-1]))[:n]


def test_what_was_paid_for_stays_in_the_pool():
    proposer = Paid([["a fox 1", "a fox 9"], ["a fox 5"], []])
    funnel = Funnel(REQUEST, proposer, Guard("a fox"), FirstBest(), screen=2)
    assert [r.text for r in funnel.texts(1, History(), 1)[0]] == ["a fox 9"]
    rendered = History([Candidate(0, 1, Rewrite("a fox 9"), 1)])
    assert [r.text for r in funnel.texts(2, rendered, 1)[0]] == ["a fox 5"]
    rendered.candidates.append(Candidate(1, 2, Rewrite("a fox 5"), 1))
    assert [r.text for r in funnel.texts(3, rendered, 1)[0]] == ["a fox 1"]


def test_texts_written_before_a_kill_are_not_asked_for_again():
    kept = {}
    first = Funnel(REQUEST, Paid(), Guard("a fox"), FirstBest(), screen=3, on_written=kept.__setitem__)
    chosen, _ = first.texts(1, History(), 2)
    proposer = Paid()
    again = Funnel(REQUEST, proposer, Guard("a fox"), FirstBest(), screen=3, written=kept)
    assert again.texts(1, History(), 2)[0] == chosen
    assert proposer.asked == []


def test_the_next_texts_are_written_while_these_are_rendered():
    entered, release = threading.Event(), threading.Event()

    class Slow(FakeProposer):
        def propose(self, request, history, n):
            entered.set()
            assert release.wait(10)
            assert "a fox 7" in history.texts()  # known to be rendered now, its reward not
            assert all(s.rewrite.text != "a fox 7" for s in history.stats())
            return super().propose(request, history, n)

    funnel = Funnel(REQUEST, Slow(), Guard("a fox"), ahead=True)
    pending = Candidate(0, 1, Rewrite("a fox 7"), 1)
    funnel.look_ahead(2, History(), [pending], 3)
    assert entered.wait(10)  # it runs beside us
    pending.state, pending.objective = State.SCORED, 0.5  # rendered meanwhile
    release.set()
    good, _ = funnel.texts(2, History([pending]), 3)
    assert len(good) == 3


def test_an_error_ahead_comes_where_its_texts_are_wanted():
    class Broken(FakeProposer):
        def propose(self, request, history, n):
            raise ProposerError("server gone")

    funnel = Funnel(REQUEST, Broken(), Guard("a fox"), ahead=True)
    funnel.look_ahead(1, History(), [], 2)
    with pytest.raises(ProposerError, match="server gone"):
        funnel.texts(1, History(), 2)


def test_a_search_ahead_is_the_same_after_a_kill(fake_steerer, tmp_path):
    settings = ["search.ahead=true"]
    whole = fake_steerer(settings).run("a fox", "u1", out=tmp_path / "whole")
    for at in (3, 11, 30):
        folder = tmp_path / str(at)
        fake_steerer(settings, renderer=FakeRenderer(interrupt_at=at)).run("a fox", "u1", out=folder)
        resumed = fake_steerer(settings).resume(folder)
        assert [c.facts() for c in resumed.candidates] == [c.facts() for c in whole.candidates]


def test_a_killed_run_with_a_paid_writer_pays_nothing_twice(fake_steerer, tmp_path):
    whole = Paid()
    result = fake_steerer(["search.ahead=true"], proposer=whole).run("a fox", "u1", out=tmp_path / "whole")
    first, second = Paid(), Paid()
    folder = tmp_path / "cut"
    fake_steerer(["search.ahead=true"], proposer=first, renderer=FakeRenderer(interrupt_at=17)).run(
        "a fox", "u1", out=folder
    )
    resumed = fake_steerer(["search.ahead=true"], proposer=second).resume(folder)
    assert [c.facts() for c in resumed.candidates] == [c.facts() for c in result.candidates]
    assert len(first.asked) + len(second.asked) == len(whole.asked)


def test_what_was_left_in_the_pool_is_there_again_after_a_kill(miniature, tmp_path):
    """With a screen most of what was paid for is not rendered at once; a resumed run must choose from the same
    texts."""
    config = load_config(
        "miniature",
        ["search.screen=3", "search.rewrites=2", "search.min_likeness=0", "search.patience=99", "search.worth=0"],
    )
    lists = [
        [f"a fox {place} {light}" for light in ("at dawn", "at night", "in fog")]
        for place in ("in a forest", "by the sea", "in the city", "in the snow", "in a room")
    ]

    def run(proposer, renderer, folder=None):
        steerer = Steerer(config, proposer=proposer, renderer=renderer, reward=miniature.parts.reward)
        return steerer.resume(folder) if folder and folder.exists() else steerer.run("a fox", "u17", 16, out=folder)

    whole = run(Paid([list(t) for t in lists]), FakeRenderer(batch_size=1), tmp_path / "whole")
    for at in (4, 7, 9):
        folder = tmp_path / str(at)
        first = Paid([list(t) for t in lists])
        run(first, FakeRenderer(interrupt_at=at, batch_size=1), folder)
        resumed = run(Paid([list(t) for t in lists[len(first.asked) :]]), FakeRenderer(batch_size=1), folder)
        assert [c.facts() for c in resumed.candidates] == [c.facts() for c in whole.candidates]


# what the words did


def test_a_report_says_which_words_raised_the_reward_and_how_surely(fake_steerer, tmp_path):
    """The fakes like red; a phrase's effect is found where pictures of texts with it are redder."""
    from steer.report import summary

    result = fake_steerer().run("a fox", "u1", out=tmp_path / "run")
    words = {w["words"]: w for w in summary(result)["words"]}
    assert words
    assert all(w["low"] < w["effect"] < w["high"] for w in words.values())
    assert "what saying them added" in (tmp_path / "run" / "report.html").read_text()
