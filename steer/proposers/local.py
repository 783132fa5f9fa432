"""A chat model of transformers in this process: the same questions as an endpoint, answered in one batch."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from steer.config import LocalConfig
from steer.config.strength import StrengthName
from steer.devices import pick_device
from steer.errors import ProposerError, UsageError
from steer.proposers.backend import Backend, Message
from steer.proposers.chat import ChatProposer
from steer.proposers.usage import Limits, Usage

log = logging.getLogger(__name__)


class LocalChat(Backend):
    """``model``: a folder or hub name with a chat template. Only safetensors are read, and no code of the model's runs.

    The form of an answer is asked for in words alone. ``limits``: calls and tokens of a run, and seconds of a batch.
    """

    def __init__(self, model: str, revision: str | None = None, device: str = "auto", limits: Limits | None = None):
        self.model, self.limits, self.usage = model, limits or Limits(), Usage()
        self.device = pick_device(device)
        dtype = torch.bfloat16 if self.device.startswith("cuda") else torch.float32
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(model, revision=revision, padding_side="left")
            found = AutoModelForCausalLM.from_pretrained(model, revision=revision, use_safetensors=True, dtype=dtype)
        except (OSError, ValueError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise UsageError(f"cannot load the chat model '{model}': {first}") from error
        if not self.tokenizer.chat_template:
            raise UsageError(f"'{model}' has no chat template, so it is no chat model")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self._network: Any = found.to(self.device).eval()
        self.commit = getattr(found.config, "_commit_hash", None)  # transformers sets it for models of the hub

    def ask(
        self,
        questions: Sequence[Sequence[Message]],
        schema: dict[str, Any],  # noqa: ARG002
        temperature: float,
        seeds: Sequence[int],
        max_tokens: int,
    ) -> list[str]:
        """One answer a question, in order, sampled together; the same questions and seeds give the same answers.

        Raises ProposerBudgetSpent, and ProposerError where a question does not fit into the model's context.
        """
        self.limits.check(self.usage)
        begun = time.monotonic()
        inputs = self.tokenizer.apply_chat_template(
            [list(q) for q in questions],
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        ).to(self.device)
        asked = inputs["input_ids"].shape[1]
        room = getattr(self._network.config, "max_position_embeddings", None) or asked + max_tokens
        if asked + 16 > room:
            raise ProposerError(f"the question of {asked} tokens does not fit into the {room} of '{self.model}'")
        sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        devices = [self.device] if self.device.startswith("cuda") else []
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(hash(tuple(seeds)) % 2**63)  # of integers: the same in every process
            written = self._network.generate(
                **inputs,
                **sampling,
                max_new_tokens=min(max_tokens, room - asked),
                max_time=self.limits.timeout_s,
                pad_token_id=self.tokenizer.pad_token_id,
            )[:, asked:]
        self.usage.calls += len(questions)
        self.usage.prompt_tokens += int(inputs["attention_mask"].sum())
        self.usage.completion_tokens += int((written != self.tokenizer.pad_token_id).sum())
        self.usage.seconds += time.monotonic() - begun
        answers: list[str] = self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return answers


def build(config: LocalConfig, strength: StrengthName = "free") -> ChatProposer:
    """The proposer that asks a model in this process. Raises UsageError where the model is missing or does not load."""
    if not config.model:
        raise UsageError("the local proposer needs a model; add --set proposer.model=a folder or a hub name")
    limits = Limits(config.timeout_s, max_calls=config.max_calls, max_tokens=config.max_tokens)
    return ChatProposer(config, LocalChat(config.model, config.revision, config.device, limits), strength)
