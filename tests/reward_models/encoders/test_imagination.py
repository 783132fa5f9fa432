"""Pictures imagined of texts: the ridge, and what it is worth against the miniature's known taste."""

from __future__ import annotations

import pytest
import torch

from reward_models.encoders.imagination import PENALTIES, fit_imagination


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
