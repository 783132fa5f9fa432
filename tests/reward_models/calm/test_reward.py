"""The reward: everybody's score, then a person's behind their examples; kept, taught, saved and loaded."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import reward_models
from reward_models import Evidence, Person, RewardError, Seen
from reward_models.calm.model import build
from reward_models.calm.people import LEAST, draws, held_out, settled
from reward_models.calm.reading_out import digits
from reward_models.calm.reward import CalmReward
from reward_models.calm.settings import LoraSetting
from reward_models.calm.turns import Example, name_turn, personal_turn, score_turn
from reward_models.encoders.identity import weights_hash
from reward_models.testing import RewardConformance, TeacherConformance
from reward_models.testing.fakes import random_pictures
from tests.reward_models.calm.tiny import loud

LIKINGS = [0.9, 0.1, 0.8, 0.3, 0.5, 0.2]


@pytest.fixture(scope="module")
def pictures():
    return random_pictures(6)


@pytest.fixture(scope="module")
def kept(reward, pictures):
    return [Seen(k) for k in reward.teacher.keep(pictures)]


@pytest.fixture(scope="module", autouse=True)
def somebody(reward, kept):
    reward.teacher.learn("somebody", Evidence(kept, LIKINGS))


class TestReward(RewardConformance):
    @pytest.fixture(autouse=True)
    def _reward(self, reward):
        self.reward = reward

    def make(self):
        return self.reward

    def pictures(self):
        return random_pictures(4)


class TestTeacher(TeacherConformance):
    @pytest.fixture(autouse=True)
    def _reward(self, reward):
        self.reward = reward

    def make(self):
        return self.reward

    def test_who_was_taught_is_known(self):
        """That likings follow ratings is for a trained model to show; see below what of it is mechanics."""
        lesson = self.make().teacher.learn("new", Evidence(self._seen(), LIKINGS[:5]))
        assert 0 <= lesson.open <= 1
        assert "new" in self.make().people()


def test_below_five_ratings_a_person_is_scored_as_everybody(reward, pictures, kept):
    reward.teacher.learn("few", Evidence(kept[:4], LIKINGS[:4]))
    scores = reward.score(pictures[:2], ["", ""], "few")
    np.testing.assert_array_equal(scores.personal, scores.population)
    general = digits(reward.model, [score_turn(t) for t in reward.scoring.tokens(pictures[:2])], 2)
    np.testing.assert_allclose(scores.population, [n.liking for n in general], atol=1e-6)
    np.testing.assert_allclose(scores.uncertainty, [n.spread for n in general], atol=1e-6)
    assert reward.teacher.open_share("few") == 1


def test_from_five_on_it_is_the_mean_over_drawn_sets_and_their_spread(reward, pictures, kept):
    known = reward.known["somebody"]
    assert len(known.sets) == 2
    tokens = reward.scoring.tokens(pictures)
    found = []
    for drawn in draws(6, 2, reward.seed):
        examples = [Example(tokens[i], reward.model.scale.written(LIKINGS[i])) for i in drawn]
        found.append([n.liking for n in digits(reward.model, [personal_turn(t, examples) for t in tokens[:2]], 2)])
    mean, std = np.mean(found, axis=0), np.std(found, axis=0)
    general = reward.score(pictures[:2], ["", ""], Person())
    scores = reward.score(pictures[:2], ["", ""], "somebody")
    wanted = general.personal + known.share * (mean - general.personal) + known.level
    np.testing.assert_allclose(scores.personal, np.clip(wanted, 0, 1), atol=1e-4)
    left = (1 - known.share) * general.uncertainty
    np.testing.assert_allclose(scores.uncertainty, np.hypot(known.share * std, left), atol=1e-4)


def test_other_ratings_of_the_same_pictures_change_the_answer(reward, kept):
    from reward_models.calm.people import Shot

    tokens = [each.tokens for each in reward.teacher.reading(kept).pictures]
    own = [Shot(t, y) for t, y in zip(tokens[:5], LIKINGS, strict=False)]
    opposed = [Shot(s.tokens, 1 - s.liking) for s in own]
    assert reward.scoring.behind(own, tokens[5:]) != pytest.approx(reward.scoring.behind(opposed, tokens[5:]), abs=1e-6)


@pytest.mark.parametrize("n", [0, 4, 5, 9, 10, 30])
def test_draws_are_five_and_predictions_seven_and_three(n):
    assert draws(n, 3, 7) == draws(n, 3, 7)
    assert all(len(set(d)) == 5 and max(d) < n for d in draws(n, 3, 7))
    assert len(draws(n, 3, 7)) == (3 if n >= LEAST else 0)
    splits = list(held_out(n, 2, 7))
    assert all(not set(a) & set(b) for a, b in splits)
    wanted = [] if n < LEAST else [(7, 3)] * 2 if n >= 10 else [(n - 1, 1)] * n
    assert [(len(a), len(b)) for a, b in splits] == wanted


def test_the_answer_in_context_is_heeded_as_far_as_it_predicts():
    rng = np.random.default_rng(0)
    rated, noise = rng.uniform(size=60), rng.uniform(size=60)
    assert settled(noise, rated, rated)[0] == 1
    assert settled(rated, noise, rated)[0] == 0
    assert settled(np.array([0.5]), np.array([0.5]), np.array([0.5])) == (0.5, 0)
    share, level = settled(rated - 0.3, rated - 0.3, rated)
    assert (share, level) == (0.5, pytest.approx(0.3 * 60 / 64))


def test_a_trained_model_comes_back_from_its_folder(setting, pictures, tmp_path):
    model = loud(build(setting))  # whose language model differs from that of its name now
    first = CalmReward(model, batch_size=2, sets=2)
    first.save(tmp_path / "calm", {"made": "by a test"})
    again = reward_models.load(tmp_path / "calm")
    assert json.loads((tmp_path / "calm" / "config.json").read_text())["llm"]["trained"] == "all"
    scores = [r.score(pictures, [""] * 6, Person()).personal for r in (first, again)]
    np.testing.assert_allclose(*scores, atol=2e-3)
    assert np.ptp(scores[0]) > 4e-3
    assert reward_models.load(tmp_path / "calm", options={"sets": 1}).sets == 1
    assert again.fingerprint() == reward_models.load(tmp_path / "calm").fingerprint()
    told = json.loads((tmp_path / "calm" / "config.json").read_text())
    (tmp_path / "calm" / "config.json").write_text(json.dumps(told | {"tower": told["tower"] | {"taps": [1, 1, 1, 1]}}))
    with pytest.raises(RewardError, match="made with the encoder"):
        reward_models.load(tmp_path / "calm")


@pytest.mark.slow  # peft takes seconds to import
def test_adapters_alone_learn_and_are_saved(setting, pictures, tmp_path):
    pytest.importorskip("peft")
    lora = LoraSetting(rank=2, alpha=4, modules=("q_proj", "v_proj"))
    model = build(setting.model_copy(update={"llm": setting.llm.model_copy(update={"lora": lora})}))
    plain = [n.liking for n in digits(build(setting), [score_turn(pictures[0])])]
    assert [n.liking for n in digits(model, [score_turn(pictures[0])])] == pytest.approx(plain, abs=1e-6)
    before = weights_hash(model.tower.model)
    params = model.train_only(["thematic", "llm"])
    assert all(("lora_" in n) == p.requires_grad for n, p in model.llm.named_parameters())
    optimizer = torch.optim.Adam(params, lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        model.loss([name_turn(pictures[0], "noisy")]).backward()
        optimizer.step()
    assert weights_hash(model.tower.model) == before
    reward = CalmReward(model)
    reward.save(tmp_path / "calm", {})
    scores = [
        r.score(pictures[:2], [""] * 2, Person()).personal for r in (reward, reward_models.load(tmp_path / "calm"))
    ]
    np.testing.assert_allclose(*scores, atol=2e-3)
    assert abs(scores[0][0] - plain[0]) > 4e-3
