"""Muon for processors: torch's own works in bf16 everywhere, which is thirty times slower where they do not have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from reward_models.encoders.precision import mixed

A, B, C = 3.4445, -4.7750, 2.0315  # of the quintic Newton-Schulz iteration (Jordan et al. 2024)
STEPS = 5


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal, scaled to the size of AdamW's steps (Liu et al. 2025, arXiv
    2502.16982).
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        **_: Any,
    ):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of all matrices; those of one shape are made orthogonal together."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[torch.Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                moved = []
                for p in params:
                    kept = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                    kept.lerp_(p.grad, 1 - group["momentum"])
                    moved.append(p.grad.lerp(kept, group["momentum"]))  # Nesterov's
                scale = -group["lr"] * 0.2 * max(shape) ** 0.5
                for p, update in zip(params, orthogonal(torch.stack(moved)), strict=True):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(update, alpha=scale)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """U V' of the singular value decomposition of each matrix (n, rows, columns), about."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    with mixed():
        for _ in range(STEPS):
            gram = x @ x.mT
            x = A * x + (B * gram + C * gram @ gram) @ x
    x = x.to(matrices.dtype)
    return x.mT if tall else x
