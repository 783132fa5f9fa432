"""What every training step needs: a loop with checkpoints that resume, a log, EMA weights."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn


def learning_rate(step: int, steps: int, peak: float, warmup: int = 200) -> float:
    """Linear warm-up, then a cosine to 2 % of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done))))


class Trainer:
    """Runs ``loss(step) -> (loss, figures)`` for ``steps`` steps, resuming from ``folder``.

    A checkpoint holds weights, EMA, optimiser and random states, so that a killed training
    goes on. Weight matrices whose name ``muon`` accepts are trained by Muon, the rest by AdamW;
    the log is one JSON line per ``log_every`` steps in ``log.jsonl``.
    """

    def __init__(
        self,
        folder: Path,
        model: nn.Module,
        steps: int,
        lr: float,
        ema: float = 0.0,
        weight_decay: float = 0.01,
        save_every_s: float = 240,
        minutes: float = math.inf,
        muon: Callable[[str], bool] | None = None,
        muon_class: type[torch.optim.Optimizer] = torch.optim.Muon,
    ):
        self.folder, self.model, self.steps, self.lr = folder, model, steps, lr
        self.save_every_s, self.minutes, self.ema_decay = save_every_s, minutes, ema
        folder.mkdir(parents=True, exist_ok=True)
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        matrices = [p for n, p in named if muon and p.ndim == 2 and muon(n)]
        rest = [p for n, p in named if not (muon and p.ndim == 2 and muon(n))]
        adamw = torch.optim.AdamW(rest, lr=lr, weight_decay=weight_decay, betas=(0.9, 0.99), fused=True)
        self.optimizers: list[torch.optim.Optimizer] = [adamw]
        if matrices:  # steps scaled to AdamW's size, so that one rate serves both
            self.optimizers.append(
                muon_class(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")  # type: ignore[call-arg]
            )
        self.ema = {k: v.detach().clone() for k, v in model.state_dict().items()} if ema else {}
        self.step, self.seconds = 0, 0.0
        self._load()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _load(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.ema = state["ema"]
        self.step, self.seconds = state["step"], state["seconds"]
        torch.set_rng_state(state["rng"])
        print(f"resumed at step {self.step}", flush=True)

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "ema": self.ema,
            "step": self.step,
            "seconds": self.seconds,
            "rng": torch.get_rng_state(),
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)

    def best_weights(self) -> dict[str, torch.Tensor]:
        """The EMA weights where kept, else the current ones."""
        return self.ema or self.model.state_dict()

    def run(
        self,
        loss: Callable[[int], tuple[torch.Tensor, dict[str, float]]],
        log_every: int = 50,
        on_save: Callable[[], None] | None = None,
    ) -> None:
        begun = saved = time.monotonic()
        before = self.seconds
        means: dict[str, float] = {}
        self.model.train()
        while self.step < self.steps and self.seconds < self.minutes * 60:
            for group in (g for o in self.optimizers for g in o.param_groups):
                group["lr"] = learning_rate(self._schedule_step(), self.steps, self.lr)
            value, figures = loss(self.step)
            value.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            for optimizer in self.optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            self.step += 1
            self._update_ema()
            self.seconds = before + time.monotonic() - begun
            for k, v in {"loss": float(value.detach()), **figures}.items():
                means[k] = means.get(k, 0.0) + v / log_every
            if self.step % log_every == 0:
                self._log(means)
                means = {}
            if time.monotonic() - saved > self.save_every_s:
                self.save()
                if on_save:
                    on_save()
                saved = time.monotonic()
        self.save()
        if on_save:
            on_save()

    def _schedule_step(self) -> int:
        if math.isinf(self.minutes):
            return self.step
        by_time = int(self.steps * self.seconds / (self.minutes * 60))
        return max(self.step, by_time)

    def _update_ema(self) -> None:
        if not self.ema:
            return
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for k, v in self.model.state_dict().items():
                if v.dtype.is_floating_point:
                    self.ema[k].lerp_(v, 1 - decay)
                else:
                    self.ema[k].copy_(v)

    def _log(self, means: dict[str, float]) -> None:
        row = {"step": self.step, "minutes": round(self.seconds / 60, 2)}
        row |= {k: round(v, 5) for k, v in means.items()}
        with open(self.folder / "log.jsonl", "a", encoding="utf-8") as f:
            f.write(json.dumps(row) + "\n")
        print(row, flush=True)


def batches(n: int, size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Endless shuffled index batches; the tail of an epoch is dropped."""
    while True:
        order = torch.randperm(n, generator=generator)
        for i in range(0, n - size + 1, size):
            yield order[i : i + size]
