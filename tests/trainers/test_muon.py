"""Muon for processors against torch's own, which computes in bf16."""

from __future__ import annotations

import torch

from trainers.muon import Muon, orthogonal


def test_the_directions_of_each_matrix_are_made_about_equal():
    torch.manual_seed(0)
    matrices = torch.randn(3, 24, 40) * torch.tensor([1e-4, 1.0, 1e4])[:, None, None]
    for found in (orthogonal(matrices), orthogonal(matrices.mT)):
        values = torch.linalg.svdvals(found)
        assert values.min() > 0.3  # five steps of the quintic leave (0.7, 1.2) of most
        assert values.max() < 1.3


def test_a_step_is_that_of_torch():
    torch.manual_seed(0)
    ours, theirs = ([torch.nn.Parameter(p.clone()) for p in start] for start in [_start()] * 2)
    options = {"lr": 0.01, "weight_decay": 0.1}
    first, second = Muon(ours, **options), torch.optim.Muon(theirs, adjust_lr_fn="match_rms_adamw", **options)
    for step in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=torch.Generator().manual_seed(step))
            other.grad = mine.grad.clone()
        first.step()
        second.step()
    for mine, other, start in zip(ours, theirs, _start(), strict=True):
        moved, reference = (mine - start).flatten(), (other - start).flatten()
        assert torch.cosine_similarity(moved, reference, dim=0) > 0.98
        assert 0.95 < moved.norm() / reference.norm() < 1.05


def _start():
    return [torch.randn(shape, generator=torch.Generator().manual_seed(7)) for shape in ((16, 32), (16, 32), (40, 16))]
