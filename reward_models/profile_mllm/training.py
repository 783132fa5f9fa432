"""Teaches the fusion; the language model and the eyes are frozen, which is checked by their hashes.

The loss is the next token's cross-entropy: over a description's tokens, or at the answer to the typed question, where a
rating between two levels is a soft target on both. Shapes: B examples, T tokens, V words, L levels, n answers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reward_models.base import RewardError
from reward_models.describing import DESCRIBE
from reward_models.encoders.identity import weights_hash
from reward_models.encoders.precision import mixed
from reward_models.profile_mllm.decider import FusedDecider
from reward_models.profile_mllm.examples import Example, Examples
from reward_models.profile_mllm.settings import ProfileMllmSettings, StageSetting

WARMUP = 0.05  # of a stage's steps
CLIP = 1.0
OnStep = Callable[[dict[str, float]], None]


def soft_levels(likings: Sequence[float], levels: int) -> Tensor:
    """Targets (n, L): each liking in [0, 1] on the two levels beside it, so that their mean is the liking.

    >>> soft_levels([0.3125], 5)
    tensor([[0.0000, 0.7500, 0.2500, 0.0000, 0.0000]])
    """
    at = torch.tensor(likings, dtype=torch.float32).clamp(0, 1) * (levels - 1)
    return (1 - (at[:, None] - torch.arange(levels)).abs()).clamp(min=0)


class FusionTrainer:
    """``folder`` keeps ``checkpoint.pt`` and ``log.jsonl``; a killed training goes on from there to the same weights
    as an uninterrupted one. ``watch``: figures of the fusion as it is, asked for at each checkpoint.

    Raises RewardError for a checkpoint that was begun with other settings, data or frozen weights.
    """

    def __init__(
        self,
        decider: FusedDecider,
        settings: ProfileMllmSettings,
        examples: Examples,
        data: str,
        folder: Path,
        watch: Callable[[], dict[str, float]] = dict,
    ):
        self.decider, self.settings, self.examples, self.folder, self.watch = decider, settings, examples, folder, watch
        self.fusion, self.llm, self.device = decider.fusion, decider.vlm.model, decider.vlm.device
        for frozen in (self.llm, decider.eyes.model):
            frozen.requires_grad_(False)
        self.frozen = self.frozen_hash()
        told = settings.model_dump(exclude={"out", "save_every", "device", "batch_size", "calibration", "watch"})
        self.identity = {
            **{k: json.dumps(v, sort_keys=True) for k, v in told.items()},
            "data": data,
            "frozen": self.frozen,
        }
        self.stage, self.step = 0, 0
        self.optimizer = self._new_optimizer()
        folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self._load()

    @property
    def checkpoint(self) -> Path:
        """Where the state is kept."""
        return self.folder / "checkpoint.pt"

    def frozen_hash(self) -> str:
        """Of the language model and the eyes as they are now."""
        return weights_hash(self.llm, self.decider.eyes.model)

    def run(self, on_step: OnStep | None = None) -> None:
        """All stages. Raises RewardError where a frozen weight has moved."""
        training = self.settings.checkpointing
        if training:
            self.llm.gradient_checkpointing_enable({"use_reentrant": False})
        self.llm.train(training)  # Llama has no dropout; checkpoints are only taken in this mode
        self.fusion.train()
        while self.stage < len(self.settings.stages):
            stage = self.settings.stages[self.stage]
            while self.step < stage.steps:
                row = self._one_step(stage)
                if self.step % self.settings.save_every == 0:
                    row |= self._watched()
                    self.save()
                self._log(row)
                if on_step:
                    on_step(row)
            self.stage, self.step, self.optimizer = self.stage + 1, 0, self._new_optimizer()
            self.save()
        self.llm.eval()
        self.fusion.eval()
        if self.frozen_hash() != self.frozen:
            raise RewardError("a weight of the frozen language model or vision tower has changed in training")

    def _one_step(self, stage: StageSetting) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = _rate(stage, self.step)
        total = 0.0
        for part in range(stage.accumulate):
            batch = self.examples.batch(stage, self.stage, self.step * stage.accumulate + part)
            total += self._backward(batch, stage.accumulate)
        torch.nn.utils.clip_grad_norm_(self.fusion.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        task = "describe" if batch[0].question is None else "rate"
        return {"stage": self.stage, "step": self.step, task: total}

    def _backward(self, batch: Sequence[Example], parts: int) -> float:
        patches = self.decider.eyes.patches_of([e.image() for e in batch]).to(self.device)
        with (
            mixed(self.device),
            self.fusion.looking(patches),
        ):  # the backward pass too: checkpoints run the hooks again
            value = self.loss(batch) / parts
            value.backward()
        return float(value.detach())

    def loss(self, batch: Sequence[Example]) -> Tensor:
        """Mean cross-entropy of the answers to a batch of one kind, while the fusion looks at its pictures."""
        if batch[0].question is None:
            return self._describing(batch)
        prompts = [self.decider.about(e.question) for e in batch if e.question is not None]
        rows = [p.inputs["input_ids"][0] for p in prompts]
        ends = torch.tensor([len(r) - 1 for r in rows])
        logits = self._logits(rows, (torch.arange(len(rows)), ends))
        labels = self.decider.labels(prompts[0].questions)
        target = soft_levels([e.liking for e in batch], len(labels)).to(logits.device)
        return -(target * logits.log_softmax(-1)[:, labels]).sum(1).mean()

    def _describing(self, batch: Sequence[Example]) -> Tensor:
        tokenizer = self.decider.vlm.tokenizer
        turn = [{"role": "user", "content": DESCRIBE}]
        asked = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
        rows: list[Tensor] = []
        at_rows, at_places, target = list[int](), list[int](), list[int]()
        for number, example in enumerate(batch):
            said = tokenizer(example.description, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
            rows.append(torch.tensor(asked + said))
            at_rows += [number] * len(said)
            at_places += range(len(asked) - 1, len(asked) + len(said) - 1)
            target += said
        logits = self._logits(rows, (torch.tensor(at_rows), torch.tensor(at_places)))
        return F.cross_entropy(logits, torch.tensor(target, device=logits.device))

    def _logits(self, rows: Sequence[Tensor], at: tuple[Tensor, Tensor]) -> Tensor:
        """Logits (n, V) in fp32 at the places (rows, tokens) of sequences of any length."""
        tokens = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True).to(self.device)  # (B, T)
        lengths = torch.tensor([len(r) for r in rows])
        mask = (torch.arange(tokens.shape[1]) < lengths[:, None]).long().to(self.device)
        states = self.llm.model(input_ids=tokens, attention_mask=mask, use_cache=False).last_hidden_state
        logits: Tensor = self.llm.get_output_embeddings()(states[at[0].to(self.device), at[1].to(self.device)])
        return logits.float()

    def _watched(self) -> dict[str, float]:
        self.llm.eval()
        self.fusion.eval()
        found = self.watch()
        self.llm.train(self.settings.checkpointing)
        self.fusion.train()
        return found

    def _new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.fusion.parameters(), weight_decay=self.settings.weight_decay, betas=(0.9, 0.98))

    def _log(self, row: dict[str, float]) -> None:
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")

    def save(self) -> None:
        """Write the state, whole or not at all."""
        state = {
            "identity": self.identity,
            "fusion": self.fusion.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "stage": self.stage,
            "step": self.step,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)

    def _load(self) -> None:
        state: dict[str, Any] = torch.load(self.checkpoint, weights_only=True, map_location="cpu")
        if differing := [k for k, v in self.identity.items() if state["identity"].get(k) != v]:
            raise RewardError(
                f"'{self.checkpoint}' was begun with other {', '.join(differing)}; "
                "choose another folder for the results or remove it"
            )
        self.fusion.load_state_dict(state["fusion"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.stage, self.step = state["stage"], state["step"]


def fingerprint(sets: Sequence[str], descriptions: Sequence[dict[str, str]]) -> str:
    """Of all that examples are drawn from."""
    told = json.dumps([list(sets), [sorted(d.items()) for d in descriptions]])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _rate(stage: StageSetting, step: int) -> float:
    """Linear warm-up, then a cosine to 5 % of the peak."""
    warmup = max(1, int(WARMUP * stage.steps))
    if step < warmup:
        return stage.lr * (step + 1) / warmup
    done = (step - warmup) / max(1, stage.steps - warmup)
    return float(stage.lr * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * done))))
