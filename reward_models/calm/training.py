"""Runs the stages of a cycle. After each, the hashes of everything that it had to leave alone are compared.

The self-supervised stage trains the Q-Formers by their own tokens and the generic one the thematic map by its own, so
neither changes anything for the other: they may run at the same time or in any order.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reward_models.base import RewardError
from reward_models.calm.alignment import Level
from reward_models.calm.course import Course
from reward_models.calm.model import CalmModel
from reward_models.calm.stages import CalmSettings, CalmStage
from reward_models.calm.turns import Turn
from reward_models.encoders.identity import digest_of, weights_hash
from reward_models.encoders.precision import mixed

CLIP = 1.0
ADAPTERS = "lora_"
OnStep = Callable[[dict[str, Any]], None]


def hashes(model: CalmModel) -> dict[str, str]:
    """Of each part as it is now: the tower, every level of the alignment, the language model and its adapters."""
    parts = {name: weights_hash(part) for name, part in model.parts().items() if name != "llm"}
    named = list(model.llm.named_parameters())
    kept = {"llm": [v for k, v in named if ADAPTERS not in k]}
    if model.lora:
        kept["adapters"] = [v for k, v in named if ADAPTERS in k]
    held = {name: weights_hash(nn.ParameterList(values)) for name, values in kept.items()}
    return {"tower": weights_hash(model.tower.model), **parts, **held}


def learning(model: CalmModel, stage: CalmStage) -> set[str]:
    """Which of :func:`hashes` a stage may change."""
    return {"adapters" if part == "llm" and model.lora else part for part in stage.train}


def aligned(model: CalmModel, turns: list[Turn], levels: tuple[Level, ...]) -> list[Turn]:
    """Turns whose pictures are the tokens of these levels alone, each picture looked at once."""
    distinct = {id(p): p for turn in turns for p in turn.asked if isinstance(p, Tensor)}
    if not distinct:
        return turns
    states = torch.stack([p.to(model.device, torch.float32) for p in distinct.values()])  # (n, 4, N, E)
    tokens = torch.cat([model.alignment.level(level, states) for level in levels], dim=1)  # (n, P, D)
    told = dict(zip(distinct, tokens, strict=True))
    return [Turn(tuple(told[id(p)] if isinstance(p, Tensor) else p for p in turn.asked), turn.answer) for turn in turns]


def rate(stage: CalmStage, step: int) -> float:
    """Linear warm-up to the peak, then a cosine to 0."""
    warmup = int(stage.warmup * stage.steps)
    if step < warmup:
        return stage.lr * (step + 1) / warmup
    done = (step - warmup) / max(1, stage.steps - warmup)
    return stage.lr * 0.5 * (1 + math.cos(math.pi * done))


class CycleTrainer:
    """``folder`` keeps what each stage has learnt, ``checkpoint.pt`` of the one at work, and ``log.jsonl``; a killed
    training goes on from there to the same weights as an uninterrupted one.

    Raises RewardError for a folder that was begun with other settings, data or frozen weights.
    """

    def __init__(self, model: CalmModel, settings: CalmSettings, course: Course, folder: Path):
        self.model, self.settings, self.course, self.folder = model, settings, course, folder
        told = settings.model_dump(exclude={"out", "save_every", "device", "batch_size", "keep", "sets", "fidelity"})
        begun = hashes(model)
        self.identity = {
            **{key: json.dumps(value, sort_keys=True) for key, value in told.items() if key != "stages"},
            "data": course.found.fingerprint,
            "tower": begun["tower"],
            "llm": begun["llm"],
        }
        (folder / "stages").mkdir(parents=True, exist_ok=True)

    def run(self, on_step: OnStep | None = None) -> list[dict[str, Any]]:
        """All stages that are not done yet. Returns what :meth:`done` says of each."""
        with self.model.at_work():
            for number, stage in enumerate(self.settings.stages):
                if (done := self.done(number)) is not None:
                    self._take(load_file(self._weights(number)), stage)
                    if hashes(self.model) != done["after"]:
                        raise RewardError(f"'{self._weights(number)}' is not what the stage '{stage.name}' has learnt")
                else:
                    self._stage(number, stage, on_step)
        return [done for number in range(len(self.settings.stages)) if (done := self.done(number)) is not None]

    def done(self, number: int) -> dict[str, Any] | None:
        """What a finished stage trained, and all hashes before and after it; None of one that is not finished."""
        path = self._weights(number).with_suffix(".json")
        if not path.exists():
            return None
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self._check(told["identity"], path, self._until(number))
        return told

    def _stage(self, number: int, stage: CalmStage, on_step: OnStep | None) -> None:
        before = hashes(self.model)
        values = self.model.train_only(stage.train)
        optimizer = torch.optim.AdamW(values, lr=stage.lr, weight_decay=self.settings.weight_decay)
        step = self._resume(number, stage, optimizer)
        self._mode(training=True)
        while step < stage.steps:
            row = self._step(stage, step, optimizer, values)
            step += 1
            if step % self.settings.save_every == 0 and step < stage.steps:
                self._save(number, step, stage, optimizer)
            self._log(row)
            if on_step:
                on_step(row)
        self._mode(training=False)
        after = hashes(self.model)
        self.model.train_only(())
        if moved := sorted(part for part in after if after[part] != before[part] and part not in self._may(stage)):
            raise RewardError(f"the stage '{stage.name}' has changed {', '.join(moved)}, which it had to leave alone")
        self._finish(number, stage, {"stage": stage.name, "train": list(stage.train), "before": before, "after": after})

    def _step(
        self, stage: CalmStage, step: int, optimizer: torch.optim.Optimizer, values: list[nn.Parameter]
    ) -> dict[str, Any]:
        for group in optimizer.param_groups:
            group["lr"] = rate(stage, step)
        total = 0.0
        with torch.random.fork_rng(devices=[] if self.model.device == "cpu" else None):
            torch.manual_seed(
                int(digest_of("dropout", *stage.seeds(self.settings.seed), step), 16) % 2**63
            )  # of the adapters' dropout
            for part in range(stage.accumulate):
                batch = self.course.batch(stage, step, part)
                with mixed(self.model.device):
                    loss = self.model.loss(aligned(self.model, batch.turns, batch.levels)) / stage.accumulate
                loss.backward()
                total += float(loss.detach())
        nn.utils.clip_grad_norm_(values, CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)  # so a level that is not seen does not move
        return {"stage": stage.name, "step": step + 1, "loss": total}

    def _mode(self, training: bool) -> None:
        model = self.model
        model.alignment.train(training)
        model.llm.train(training and (self.settings.checkpointing or model.lora is not None))
        if training and self.settings.checkpointing:
            model.llm.gradient_checkpointing_enable({"use_reentrant": False})

    def _may(self, stage: CalmStage) -> set[str]:
        return learning(self.model, stage)

    def _learnt(self, stage: CalmStage) -> dict[str, Tensor]:
        """What a stage trains, by name."""
        parts = self.model.parts()
        named = {f"{part}.{k}": v for part in stage.train for k, v in parts[part].named_parameters()}
        adapters = self.model.lora is not None
        kept = {k: v for k, v in named.items() if not (adapters and k.startswith("llm.") and ADAPTERS not in k)}
        return {k: v.detach() for k, v in kept.items()}

    def _take(self, weights: dict[str, Tensor], stage: CalmStage) -> None:
        with torch.no_grad():
            for name, value in self._learnt(stage).items():
                value.copy_(weights[name])

    def _resume(self, number: int, stage: CalmStage, optimizer: torch.optim.Optimizer) -> int:
        if not self._checkpoint.exists():
            return 0
        state: dict[str, Any] = torch.load(self._checkpoint, weights_only=True, map_location="cpu")
        if state["number"] != number:
            return 0
        self._check(state["identity"], self._checkpoint, self._until(number))
        self._take(state["weights"], stage)
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    def _save(self, number: int, step: int, stage: CalmStage, optimizer: torch.optim.Optimizer) -> None:
        """Write the state, whole or not at all."""
        state = {
            "identity": self._until(number),
            "weights": self._learnt(stage),
            "optimizer": optimizer.state_dict(),
            "number": number,
            "step": step,
        }
        partial = self._checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self._checkpoint)

    def _finish(self, number: int, stage: CalmStage, told: dict[str, Any]) -> None:
        path = self._weights(number)
        save_file({k: v.contiguous() for k, v in self._learnt(stage).items()}, path.with_suffix(".partial"))
        os.replace(path.with_suffix(".partial"), path)
        text = json.dumps({**told, "identity": self._until(number)}, indent=1) + "\n"
        path.with_suffix(".json").write_text(text, encoding="utf-8")
        self._checkpoint.unlink(missing_ok=True)

    def _until(self, number: int) -> dict[str, str]:
        """All that decides what a stage ends with."""
        stages = [stage.model_dump() for stage in self.settings.stages[: number + 1]]
        return {**self.identity, "stages": json.dumps(stages, sort_keys=True)}

    def _check(self, identity: dict[str, str], path: Path, wanted: dict[str, str]) -> None:
        if differing := sorted(key for key, value in wanted.items() if identity.get(key) != value):
            raise RewardError(
                f"'{path}' was begun with other {', '.join(differing)}; "
                "choose another folder for the results or remove it"
            )

    def _weights(self, number: int) -> Path:
        return self.folder / "stages" / f"{number + 1:02d}-{self.settings.stages[number].name}.safetensors"

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _log(self, row: dict[str, Any]) -> None:
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({**row, "loss": round(row["loss"], 5)}) + "\n")
