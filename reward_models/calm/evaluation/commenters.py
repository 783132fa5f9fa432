"""Whoever comments on pictures, behind one protocol."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image

from reward_models.base import RewardError
from reward_models.calm.reward import CalmReward
from reward_models.calm.turns import COMMENT, NAME, question_turn
from reward_models.doors import read_object
from reward_models.encoders.vlm import Vlm, load_vlm
from reward_models.families import load


class Commenter(Protocol):
    """Answers an instruction about pictures in words."""

    name: str

    @abstractmethod
    def comment(self, images: Sequence[Image.Image], instruction: str) -> list[str]:
        """An answer about each of n pictures; "" where there is nothing to say."""
        ...


class CalmCommenter(Commenter):
    """A CALM model. It knows the questions it was taught: those of :mod:`reward_models.calm.turns`."""

    def __init__(self, reward: CalmReward, most_tokens: int = 120):
        self.reward, self.most_tokens, self.name = reward, most_tokens, reward.name

    def comment(self, images: Sequence[Image.Image], instruction: str) -> list[str]:
        """What the model answers, greedily."""
        return [self.reward.write(question_turn(image, instruction), self.most_tokens) for image in images]


class VlmCommenter(Commenter):
    """Any vision-language model of transformers with a chat template that reads pictures. Raises RewardError for one
    that does not.
    """

    def __init__(self, vlm: Vlm, most_tokens: int = 200, size: int = 448):
        if not vlm.sees or vlm.decides:
            raise RewardError(f"'{vlm.name}' is a {type(vlm.model).__name__}, which writes nothing about pictures")
        self.vlm, self.most_tokens, self.size, self.name = vlm, most_tokens, size, vlm.name

    def comment(self, images: Sequence[Image.Image], instruction: str) -> list[str]:
        """What the model answers, greedily."""
        return [self.vlm.run(partial(self._written, image, instruction)) for image in images]

    @torch.inference_mode()
    def _written(self, image: Image.Image, instruction: str) -> str:
        picture = image.convert("RGB")
        picture.thumbnail((self.size, self.size))
        content = [{"type": "image", "image": picture}, {"type": "text", "text": instruction}]
        inputs = self.vlm.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self.vlm.device)
        tokenizer = self.vlm.tokenizer
        pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        whole = self.vlm.model.generate(**inputs, do_sample=False, max_new_tokens=self.most_tokens, pad_token_id=pad)
        said: str = tokenizer.decode(whole[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return said.strip()


@dataclass(frozen=True)
class Questions:
    """What is asked for a comment, and for what to change."""

    comment: str
    suggest: str


FREE = Questions(
    comment="What is good about this picture, and what is not? Answer in one or two sentences.",
    suggest="What is wrong with this picture, and how could it be made better? Answer in one or two sentences.",
)
TAUGHT = Questions(comment=COMMENT, suggest=NAME)  # a CALM model answers what it was taught to answer


def load_commenter(name: str, device: str = "cpu") -> tuple[Commenter, Questions]:
    """The commenter of a name, and what it is asked: a CALM reward in a folder, else a vision-language model in a
    folder or on a hub. Raises RewardError where it does not load.
    """
    if not _is_calm(Path(name)):
        return VlmCommenter(load_vlm(name, device=device)), FREE
    reward = load(name, device)
    assert isinstance(reward, CalmReward)
    return CalmCommenter(reward), TAUGHT


def _is_calm(folder: Path) -> bool:
    """Whether a folder holds a reward of the family."""
    try:
        return bool(read_object(folder / "config.json").get("family") == "calm")
    except (OSError, ValueError):
        return False
