"""What imagined pictures of texts are worth against the miniature's known taste."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.stats import spearmanr

from reward_models import Person, UnknownPerson
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.pamela.reward import PamelaReward
from reward_models.testing import ImaginationConformance
from steer.lexicon import Lexicon
from steer.miniature.eye import load_eye
from steer.miniature.raters import simulated_people
from steer.renderers.painter import PainterRenderer
from steer.resources import miniature_weights


def judged(reward, texts, user):
    scores = reward.judge(reward.imagination.read(texts), Person(user))
    return scores.personal, scores.uncertainty


class TestImagination(ImaginationConformance):
    @pytest.fixture(autouse=True)
    def _miniature(self, miniature):
        self.reward = miniature.parts.reward

    def make(self):
        return self.reward


def test_texts_are_ranked_as_the_person_would_rank_their_pictures(miniature):
    lexicon, judge, rng = Lexicon.load("miniature"), load_eye(miniature_weights("judge")), random.Random(0)
    groups = lexicon.open_groups("a fox")
    chosen = [{g.name: rng.choice(["", *g.phrases]) for g in groups} for _ in range(60)]
    texts = [lexicon.compose("a fox", {k: v for k, v in c.items() if v}) for c in chosen]
    reads = [judge.read(PainterRenderer().render([t] * 3, [1, 2, 3])) for t in texts]
    found = []
    for user in ("u1", "u17", "u42", "u170"):
        truth = [simulated_people()[user].satisfaction(read).mean() for read in reads]
        mean, deviation = judged(miniature.parts.reward, texts, user)
        found.append(spearmanr(mean, truth).statistic)
        error = np.sqrt(np.mean((mean - truth) ** 2))
        assert 0.4 < deviation.mean() / error < 3
    assert np.mean(found) > 0.75  # .89 on 120 texts a prompt when it was measured


def test_a_text_scores_alike_in_any_company_and_unknown_people_are_refused(miniature):
    texts = ["a fox at dawn", "a castle, sepia", "a whale in fog"]
    reward = miniature.parts.reward
    together, alone = judged(reward, texts, "u17"), judged(reward, texts[1:2], "u17")
    assert alone[0] == pytest.approx(together[0][1:2], abs=1e-5)
    assert alone[1] == pytest.approx(together[1][1:2], abs=1e-5)
    with pytest.raises(UnknownPerson):
        judged(reward, texts, "nobody")


def test_it_is_kept_with_the_reward_which_may_have_none(tmp_path):
    encoder = SiglipEncoder(miniature_weights("siglip"))
    reward = PamelaReward.from_folder(miniature_weights("reward"), encoder=encoder)
    reward.save(tmp_path / "copy", {})
    copy = PamelaReward.from_folder(tmp_path / "copy", encoder=encoder)
    theirs, ours = (judged(r, ["a fox"], "u17")[0] for r in (copy, reward))
    assert theirs == pytest.approx(ours, abs=1e-5)
    reward.imagined = None
    reward.save(tmp_path / "without", {})
    assert PamelaReward.from_folder(tmp_path / "without", encoder=encoder).imagination is None
