"""Pictures imagined of texts: the ridge, and what it is worth against the miniature's known taste."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from reward_models import Person, RewardError, UnknownPerson
from reward_models.encoders.imagination import PENALTIES, fit_imagination
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.pamela.reward import PamelaReward
from steer.lexicon import Lexicon
from steer.miniature.eye import load_eye
from steer.miniature.raters import simulated_people
from steer.renderers.painter import PainterRenderer
from steer.resources import miniature_weights


def unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


def test_a_linear_tie_is_found_and_noise_is_shrunk():
    generator = torch.Generator().manual_seed(0)
    texts = unit(torch.randn(300, 16, generator=generator))
    tie = torch.randn(16, 16, generator=generator)
    clean = fit_imagination(texts, unit(texts @ tie.T + 3))
    new = unit(torch.randn(50, 16, generator=generator))
    assert (clean.pictures(new) * unit(new @ tie.T + 3)).sum(-1).min() > 0.98
    noise = fit_imagination(texts, unit(torch.randn(300, 16, generator=generator)))
    assert noise.weight.norm() < 0.3 * clean.weight.norm()


def by_generalised_cross_validation(texts, pictures):
    """What ``fit_imagination`` was before scikit-learn (Golub, Heath, Wahba 1979): weight, bias and penalty."""
    x, y = texts.double(), pictures.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    u, s, v = torch.linalg.svd(x - x_mean, full_matrices=False)
    target = u.T @ (y - y_mean)
    found = []
    for penalty in PENALTIES:
        shrink = s**2 / (s**2 + penalty)
        residual = (y - y_mean) - u @ (shrink[:, None] * target)
        score = float((residual**2).sum()) / (1 - float(shrink.sum()) / len(x)) ** 2
        found.append((score, penalty, ((s / (s**2 + penalty))[:, None] * target).T @ v))
    _, penalty, weight = min(found, key=lambda each: each[0])
    return weight.float(), (y_mean - weight @ x_mean).float(), penalty


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5, 3.0])
def test_leaving_out_chooses_as_generalised_cross_validation_did(noise):
    """The same penalty on these data, so the same map to 1e-6; near a tie between penalties the two may differ."""
    generator = torch.Generator().manual_seed(1)
    texts = unit(torch.randn(300, 16, generator=generator))
    tie = torch.randn(16, 24, generator=generator)
    pictures = unit(texts @ tie + noise * torch.randn(300, 24, generator=generator))
    ours = fit_imagination(texts, pictures, 0.2)
    weight, bias, _ = by_generalised_cross_validation(texts, pictures)
    assert ours.weight.shape == (24, 16)
    assert (ours.weight - weight).abs().max() < 1e-6
    assert (ours.bias - bias).abs().max() < 1e-6
    assert ours.error == 0.2


def test_texts_are_ranked_as_the_person_would_rank_their_pictures(miniature):
    lexicon, judge, rng = Lexicon.load("miniature"), load_eye(miniature_weights("judge")), random.Random(0)
    groups = lexicon.open_groups("a fox")
    chosen = [{g.name: rng.choice(["", *g.phrases]) for g in groups} for _ in range(60)]
    texts = [lexicon.compose("a fox", {k: v for k, v in c.items() if v}) for c in chosen]
    reads = [judge.read(PainterRenderer().render([t] * 3, [1, 2, 3])) for t in texts]
    found = []
    for user in ("u1", "u17", "u42", "u170"):
        truth = [simulated_people()[user].satisfaction(read).mean() for read in reads]
        mean, deviation = miniature.reward.score_texts(texts, Person(user))
        found.append(spearmanr(mean, truth).statistic)
        error = np.sqrt(np.mean((mean - truth) ** 2))
        assert 0.4 < deviation.mean() / error < 3
    assert np.mean(found) > 0.75  # .89 on 120 texts a prompt when it was measured


def test_a_text_scores_alike_in_any_company_and_unknown_people_are_refused(miniature):
    texts = ["a fox at dawn", "a castle, sepia", "a whale in fog"]
    together = miniature.reward.score_texts(texts, Person("u17"))
    alone = miniature.reward.score_texts(texts[1:2], Person("u17"))
    assert alone[0] == pytest.approx(together[0][1:2], abs=1e-5)
    assert alone[1] == pytest.approx(together[1][1:2], abs=1e-5)
    with pytest.raises(UnknownPerson):
        miniature.reward.score_texts(texts, Person("nobody"))


def test_it_is_kept_with_the_reward_and_a_reward_without_it_says_so(tmp_path):
    encoder = SiglipEncoder(miniature_weights("siglip"))
    reward = PamelaReward.from_folder(miniature_weights("reward"), encoder)
    reward.save(tmp_path / "copy", {})
    copy = PamelaReward.from_folder(tmp_path / "copy", encoder)
    theirs, ours = (r.score_texts(["a fox"], Person("u17"))[0] for r in (copy, reward))
    assert theirs == pytest.approx(ours, abs=1e-5)
    reward.imagination = None
    reward.save(tmp_path / "without", {})
    with pytest.raises(RewardError, match="trained without prompts"):
        PamelaReward.from_folder(tmp_path / "without", encoder).score_texts(["a fox"], Person("u17"))
