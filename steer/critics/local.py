"""A vision-language model of transformers in this process, loaded once for reward, proposer and critic."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

from reward_models.base import RewardError
from reward_models.encoders.vlm import Vlm, load_vlm
from reward_models.prompted.local import shrunk
from steer.critics.base import CriticFailed
from steer.critics.question import Part
from steer.devices import pick_device
from steer.errors import ProposerBudgetSpent, UsageError
from steer.proposers.usage import Limits, Usage


class LocalSeer:
    """``model``: a folder or hub name of a model with a chat template that reads pictures."""

    def __init__(self, model: str, revision: str | None, device: str, size: int, limits: Limits):
        self.model, self.size, self.limits, self.usage = model, size, limits, Usage()
        try:
            self._vlm: Vlm = load_vlm(model, revision, pick_device(device))
        except RewardError as error:
            raise UsageError(str(error)) from error
        if not self._vlm.sees or self._vlm.decides:
            raise UsageError(f"'{model}' is a {type(self._vlm.model).__name__}, which writes nothing about pictures")
        # out of people's words: processors count a picture's mark wherever it stands
        self._control = sorted(self._vlm.tokenizer.get_added_vocab(), key=len, reverse=True)

    def answer(self, parts: Sequence[Part], most_tokens: int) -> str:
        """What the model writes, greedily. Raises CriticFailed where it cannot be asked."""
        try:
            self.limits.check(self.usage)
        except ProposerBudgetSpent as error:
            raise CriticFailed(str(error)) from error
        begun = time.monotonic()
        self.usage.calls += 1
        try:
            return self._vlm.run(lambda: self._written([self._part(p) for p in parts], most_tokens))
        except (RewardError, RuntimeError, ValueError, IndexError, MemoryError) as error:  # memory, too long a question
            self.usage.failed_calls += 1
            first = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise CriticFailed(f"the critic '{self.model}' cannot be asked: {first}") from error
        finally:
            self.usage.seconds += time.monotonic() - begun

    def fingerprint(self) -> str:
        """Of the weights and the size of pictures."""
        return f"{self._vlm.fingerprint()} {self.size}"

    @torch.inference_mode()
    def _written(self, content: Sequence[dict[str, Any]], most_tokens: int) -> str:
        tokenizer = self._vlm.tokenizer
        inputs = self._vlm.processor.apply_chat_template(
            [{"role": "user", "content": list(content)}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._vlm.device)
        asked = inputs["input_ids"].shape[1]
        pad = tokenizer.pad_token_id
        whole = self._vlm.model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=most_tokens,
            max_time=self.limits.timeout_s,
            pad_token_id=tokenizer.eos_token_id if pad is None else pad,
        )
        self.usage.prompt_tokens += asked
        self.usage.completion_tokens += whole.shape[1] - asked
        said: str = tokenizer.decode(whole[0, asked:], skip_special_tokens=True)
        return said

    def _part(self, part: Part) -> dict[str, Any]:
        if isinstance(part, str):
            return {"type": "text", "text": self._apart(part)}
        return {"type": "image", "image": shrunk(part, self.size)}

    def _apart(self, text: str) -> str:
        """A text without control tokens, however they are pieced together."""
        while found := [token for token in self._control if token in text]:
            for token in found:
                text = text.replace(token, " ")
        return text
