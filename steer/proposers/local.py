"""A chat model of transformers in this process: the same questions as an endpoint, answered in one batch.

A vision-language model will do; where the reward asks the same one, it is loaded once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import torch

from reward_models.base import RewardError
from reward_models.encoders.vlm import load_vlm
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
        try:
            self._vlm = load_vlm(model, revision, self.device)
        except RewardError as error:
            raise UsageError(str(error)) from error
        self.tokenizer: Any = self._vlm.tokenizer
        template = self.tokenizer.chat_template or self._vlm.processor.chat_template
        if not template:
            raise UsageError(f"'{model}' has no chat template, so it is no chat model")
        self._template = template
        self.tokenizer.padding_side = "left"  # what is written follows the question
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.commit = self._vlm.revision

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
        network, text = self._vlm.model, self._vlm.model.config.get_text_config()
        inputs = self.tokenizer.apply_chat_template(
            [[self._said(m) for m in q] for q in questions],
            chat_template=self._template,
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        ).to(self.device)
        asked = inputs["input_ids"].shape[1]
        room = getattr(text, "max_position_embeddings", None) or asked + max_tokens
        if asked + 16 > room:
            raise ProposerError(f"the question of {asked} tokens does not fit into the {room} of '{self.model}'")
        sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        devices = [self.device] if self.device.startswith("cuda") else []

        def write() -> torch.Tensor:
            with torch.random.fork_rng(devices), torch.inference_mode():
                torch.manual_seed(hash(tuple(seeds)) % 2**63)  # of integers: the same in every process
                whole: torch.Tensor = network.generate(
                    **inputs,
                    **sampling,
                    max_new_tokens=min(max_tokens, room - asked),
                    max_time=self.limits.timeout_s,
                    pad_token_id=self.tokenizer.pad_token_id,
                )
                return whole[:, asked:]

        written = self._vlm.run(write)
        self.usage.calls += len(questions)
        self.usage.prompt_tokens += int(inputs["attention_mask"].sum())
        self.usage.completion_tokens += int((written != self.tokenizer.pad_token_id).sum())
        self.usage.seconds += time.monotonic() - begun
        answers: list[str] = self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return answers

    def _said(self, message: Message) -> dict[str, Any]:
        """As the model's template wants it: models that see take a message in parts."""
        if not self._vlm.sees:
            return dict(message)
        return {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}


def build(config: LocalConfig, strength: StrengthName = "free") -> ChatProposer:
    """The proposer that asks a model in this process. Raises UsageError where the model is missing or does not load."""
    if not config.model:
        raise UsageError("the local proposer needs a model; add --set proposer.model=a folder or a hub name")
    limits = Limits(config.timeout_s, max_calls=config.max_calls, max_tokens=config.max_tokens)
    return ChatProposer(config, LocalChat(config.model, config.revision, config.device, limits), strength)
