"""The lexical proposer: what is open, what is learned, what is never repeated."""

from __future__ import annotations

import random

import pytest

from steer.errors import UsageError
from steer.lexicon import Lexicon
from steer.proposers.lexical import LexicalProposer, effects_of
from steer.testing import ProposerConformance
from steer.types import Candidate, History, Rewrite, State, SteerRequest


class TestConformance(ProposerConformance):
    def make(self):
        return LexicalProposer.from_name("miniature")


class TestGeneralConformance(ProposerConformance):
    def make(self):
        return LexicalProposer.from_name("general")


def scored(texts_and_rewards, lexicon=None):
    history = History()
    for changes, reward in texts_and_rewards:
        text = Lexicon.load("miniature").compose("a fox", changes)
        history.candidates.append(
            Candidate(len(history.candidates), 1, Rewrite(text, changes), 1, State.SCORED, objective=reward)
        )
    return history


def test_groups_the_prompt_speaks_of_are_left_alone():
    lexicon = Lexicon.load("miniature")
    names = {g.name for g in lexicon.open_groups("wide shot of a fox by the sea at dusk")}
    assert names == {"style", "position"}
    assert {g.name for g in lexicon.open_groups("a sunflower")} == {g.name for g in lexicon.groups}


def test_a_prompt_that_speaks_of_everything_is_left_as_it_is():
    """Such as the text of a picture, when more like it are wanted; it was an error."""
    proposer = LexicalProposer.from_name("miniature")
    request = SteerRequest(f"a fox {' '.join(g.phrases[0] for g in proposer.lexicon.groups)}", "u1")
    assert not proposer.lexicon.open_groups(request.prompt)
    assert proposer.propose(request, History(), 4) == []


def test_the_prompt_stays_in_every_rewrite():
    request = SteerRequest("a lighthouse by the sea", "u1")
    for rewrite in LexicalProposer.from_name("miniature").propose(request, History(), 20):
        assert "a lighthouse by the sea" in rewrite.text
        assert rewrite.changes


def test_nothing_is_proposed_twice():
    request, proposer = SteerRequest("a fox", "u1"), LexicalProposer.from_name("miniature")
    history, seen = History(), set()
    for _ in range(10):
        for r in proposer.propose(request, history, 6):
            assert r.text not in seen
            seen.add(r.text)
            history.candidates.append(Candidate(0, 1, r, 1, State.SCORED, objective=0.5))


def test_the_posterior_finds_the_liked_phrase():
    lexicon = Lexicon.load("miniature")
    groups = lexicon.groups
    history = scored([({"light": "at dawn"}, 0.9), ({"light": "at night"}, 0.1)] * 4)
    mean, _ = effects_of(groups, history)
    from steer.proposers.lexical import columns

    effects = dict(zip(columns(groups), mean, strict=True))
    assert effects["light", "at dawn"] > 0.1 > -0.1 > effects["light", "at night"]


def test_search_beats_random_combinations_at_equal_pictures():
    """On an additive taste with noise, 40 scored texts of the proposer against 40 random ones."""
    lexicon = Lexicon.load("miniature")
    gains = []
    for trial in range(8):
        rng = random.Random(trial)
        taste = {(g.name, p): rng.gauss(0, 0.15) for g in lexicon.groups for p in ("", *g.phrases)}

        def truth(changes, taste=taste):
            return 0.5 + sum(taste[g.name, changes.get(g.name, "")] for g in lexicon.groups)

        history, request = History(), SteerRequest("a fox", "u1", seed=trial)
        proposer = LexicalProposer(lexicon)
        for _ in range(8):
            for r in proposer.propose(request, history, 5):
                value = truth(r.changes) + rng.gauss(0, 0.1)
                history.candidates.append(Candidate(0, 1, r, 1, State.SCORED, objective=value))
        found = truth(history.ranked()[0].rewrite.changes)
        randoms = []
        for _ in range(40):
            changes = {g.name: rng.choice(g.phrases) for g in lexicon.groups if rng.random() < 0.8}
            randoms.append((truth(changes) + rng.gauss(0, 0.1), truth(changes)))
        gains.append(found - max(randoms)[1])
    assert sum(gains) / len(gains) > 0.05, gains


@pytest.mark.parametrize("text", ["groups: 3", "other: {}", "groups: {a: {where: above, phrases: [x]}}"])
def test_a_bad_lexicon_is_one_line(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="lexicon"):
        Lexicon.load(str(path))


def test_unknown_lexicon():
    with pytest.raises(UsageError, match="Did you mean 'general'"):
        Lexicon.load("genral")


def test_a_sure_search_goes_on_to_untried_combinations():
    """Each word has its own plain effect, so the posterior gets sharp; hundreds of combinations are still untried."""
    request, proposer = SteerRequest("a fox", "u1"), LexicalProposer.from_name("miniature")
    rng = random.Random(0)
    effect = {(g.name, phrase): rng.uniform(-0.3, 0.3) for g in proposer.lexicon.groups for phrase in g.phrases}
    history = History()
    for _ in range(60):
        rewrites = proposer.propose(request, history, 6)
        assert len(rewrites) == 6
        for r in rewrites:
            reward = 0.5 + sum(effect[change] for change in r.changes.items())
            for seed in range(4):
                history.candidates.append(
                    Candidate(len(history.candidates), 1, r, seed, State.SCORED, objective=reward)
                )
