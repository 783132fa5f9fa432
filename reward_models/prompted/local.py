"""A vision-language model in this process answers score questions, by the pieces of transformers' decision pipeline.

Any chat model answers by the next-token logits of the levels' labels; a decision model by its own head. Shapes: B
prompts of equal length, T tokens, L levels, V words of the vocabulary, D hidden width.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers.decision import DecisionConfig, label_token_ids
from transformers.decision.modeling_utils import process_scores

from reward_models.base import RewardError
from reward_models.encoders.base import first_line
from reward_models.encoders.vlm import Vlm
from reward_models.prompted.decider import Answer, Decider, Subject
from reward_models.prompted.question import ScoreQuestion, described

PICTURE = "\N{WHITE MEDIUM SQUARE}picture\N{WHITE MEDIUM SQUARE}"  # where the picture goes; taken out of all other text
NAME = "liking"
# the layer whose states are kept: LT_15 of Qwen3-VL-4B's 36 (arXiv 2604.11374); of small models never one of the first
# three, which on the miniature know half as much of a person (benchmarks/prompted.py)
DEPTH, SHALLOWEST = 15 / 36, 4


@dataclass(frozen=True)
class Prompt:
    """``inputs`` with their marks, the ``questions`` of transformers, and the ``picture`` that is asked about."""

    inputs: dict[str, Any]
    questions: list[Any]
    picture: Image.Image | None

    @property
    def shape(self) -> tuple[Any, ...]:
        """What prompts that are read together have in common."""
        lengths = tuple((k, tuple(v.shape)) for k, v in sorted(self.inputs.items()) if isinstance(v, Tensor))
        return (self.picture is None, *lengths)


class LocalDecider(Decider):
    """``batch_size``: prompts of equal length that are read together; a batch is always filled up to it, so that an
    answer is the same in any company. ``size``: longest side in pixels of what the model is shown.

    Raises RewardError for a model that cannot see pictures, or for which the labels of levels are no single tokens.
    """

    remote = False

    def __init__(self, vlm: Vlm, size: int = 448, batch_size: int = 1):
        self.vlm, self.size, self.batch_size, self.name = vlm, size, batch_size, vlm.name
        self.check()
        self.config: Any = vlm.model.decision_config if vlm.decides else DecisionConfig.from_pretrained(vlm.name)
        text = vlm.model.config.get_text_config()
        depth = text.num_hidden_layers
        self.layer = min(depth, max(SHALLOWEST, round(DEPTH * depth)))
        self.width = 0 if vlm.decides else text.hidden_size
        # out of people's words: processors count a picture's mark wherever it stands
        self._control = sorted(vlm.tokenizer.get_added_vocab(), key=len, reverse=True)

    def check(self) -> None:
        """Raises RewardError for a model that cannot do this."""
        if not self.vlm.sees:
            raise RewardError(f"'{self.name}' is a {type(self.vlm.model).__name__}, which reads no pictures")

    def shown(self, image: Image.Image) -> tuple[str, dict[str, Image.Image]]:
        """What stands for a picture in the prompt, and the pictures that the processor is to put in places of it."""
        return PICTURE, {PICTURE: shrunk(image, self.size)}

    def answers(self, subjects: Sequence[Subject], questions: Sequence[ScoreQuestion]) -> list[list[Answer]]:
        """An answer to each question for each subject, one forward pass each."""
        rows, _ = self._ask([(s, q) for s in subjects for q in questions], states=False)
        return [rows[i : i + len(questions)] for i in range(0, len(rows), len(questions))]

    def look(self, images: Sequence[Image.Image], question: ScoreQuestion) -> tuple[list[Answer], np.ndarray]:
        """The answers (n) to one question, and the hidden states (n, D) of the same passes: the mean over all tokens
        but the picture's, after block ``layer``.
        """
        found, states = self._ask([(image, question) for image in images], states=bool(self.width))
        return found, states

    def fingerprint(self) -> str:
        """Of the weights, and of all else that changes answers."""
        told = f"{self.vlm.fingerprint()} {self.size} {self.layer} {self.config.labels} {self.config.temperature}"
        told += str(self.config.chat_template)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @torch.inference_mode()
    def _ask(self, asked: Sequence[tuple[Subject, ScoreQuestion]], states: bool) -> tuple[list[Answer], np.ndarray]:
        answers: list[Answer] = [Answer(reason="not asked")] * len(asked)
        hidden = np.full((len(asked), self.width if states else 0), np.nan)
        lengths: dict[tuple[Any, ...], list[int]] = {}
        prompts: list[Prompt] = []
        for i, (subject, question) in enumerate(asked):
            prompts.append(self.prompt(subject, question))
            lengths.setdefault(prompts[-1].shape, []).append(i)
        for rows in lengths.values():
            for start in range(0, len(rows), self.batch_size):
                part = rows[start : start + self.batch_size]
                filled = part + [part[-1]] * (self.batch_size - len(part))
                found, kept = self._forward([prompts[i] for i in filled], states)
                for i, answer in zip(part, found, strict=False):
                    answers[i] = answer
                if kept is not None:
                    hidden[part] = kept[: len(part)]
        return answers, hidden

    def prompt(self, subject: Subject, question: ScoreQuestion) -> Prompt:
        """One question about one subject. Raises RewardError where the model cannot be asked it."""
        try:
            return self._prepared(subject, question)
        except NotImplementedError:
            # transformers' own way of keeping control tokens out of texts is for tokenizers that add none around a
            # prompt (LLaVA 1.5's adds <s>); they are taken out here anyway
            self.config = copy.copy(self.config)
            self.config.sanitize_control_tokens = False
            return self._prepared(subject, question)

    def _apart(self, text: str) -> str:
        """A text without what stands for the picture and without control tokens, however they are pieced together."""
        text = text.replace(PICTURE, "picture")
        while found := [token for token in self._control if token in text]:
            for token in found:
                text = text.replace(token, " ")
        return text

    def _prepared(self, subject: Subject, question: ScoreQuestion) -> Prompt:
        picture = None if isinstance(subject, str) else subject
        state, assets = (self._apart(described(subject)), {}) if isinstance(subject, str) else self.shown(subject)
        request: dict[str, Any] = {
            "state": state,
            "questions": {
                NAME: {
                    "type": "score",
                    "instructions": self._apart(question.instructions),
                    "criteria": [self._apart(level) for level in question.criteria],
                }
            },
        }
        if assets:
            request["assets"] = assets
        try:
            ((inputs, questions),) = self.config.prepare_inputs(request, self.vlm.processor)
        except ValueError as error:
            raise RewardError(f"'{self.name}' cannot be asked a score question: {first_line(error)}") from error
        return Prompt(inputs, questions, picture)

    def _forward(self, prompts: Sequence[Prompt], states: bool) -> tuple[list[Answer], np.ndarray | None]:
        """Answers (B) and, where wanted, hidden states (B, D)."""
        return self.vlm.run(lambda: self.answered(prompts, states))

    def answered(self, prompts: Sequence[Prompt], states: bool) -> tuple[list[Answer], np.ndarray | None]:
        """Answers (B) and hidden states (B, D), with the model on its device."""
        model, device = self.vlm.model, self.vlm.device
        if self.vlm.decides:
            scores = [
                model.decide(**p.inputs, decision_questions=p.questions, decision_config=self.config)[0]
                for p in prompts
            ]
            return [Answer.of(s.softmax(-1).tolist()) for s in scores], None
        first = prompts[0].inputs
        batch = {k: torch.cat([p.inputs[k] for p in prompts]).to(device) for k in first if k != "marks"}
        marks = first["marks"]
        output = model(**batch, use_cache=False, logits_to_keep=(marks - 1).to(device), output_hidden_states=states)
        logits = output.logits[:, -1].float()  # (B, V)
        found = [self._answer(row, p.inputs["input_ids"], p.questions) for row, p in zip(logits, prompts, strict=True)]
        return found, self._pool(output, batch["input_ids"]) if states else None

    def _answer(self, logits: Tensor, input_ids: Tensor, questions: list[Any]) -> Answer:
        """From the logits (V,) of the token that follows."""
        labels = self.labels(questions)
        (scores,) = process_scores(self.config, input_ids, torch.tensor([0]), questions, [logits[labels]])
        off = 1 - float(logits.softmax(-1)[labels].sum())
        return Answer.of(scores.softmax(-1).tolist(), max(0.0, off))

    def labels(self, questions: list[Any]) -> list[int]:
        """Tokens of the levels, lowest first. Raises RewardError for a model in which they are not single ones."""
        try:
            return label_token_ids(self.vlm.tokenizer, tuple(questions[0].labels))
        except ValueError as error:
            raise RewardError(f"'{self.name}' cannot be asked a score question: {first_line(error)}") from error

    def _pool(self, output: Any, input_ids: Tensor) -> np.ndarray:
        states = output.hidden_states[self.layer].float()  # (B, T, D)
        picture = torch.tensor(sorted(_picture_tokens(self.vlm.model.config)), device=input_ids.device)
        weight = (~torch.isin(input_ids, picture)).float().unsqueeze(-1)
        pooled: np.ndarray = ((states * weight).sum(1) / weight.sum(1)).cpu().double().numpy()
        return pooled


def shrunk(image: Image.Image, size: int) -> Image.Image:
    """RGB, its longest side at most ``size``."""
    small = image.convert("RGB")
    small.thumbnail((size, size), Image.Resampling.BICUBIC)
    return small


def _picture_tokens(config: Any) -> set[int]:
    names = ("image_token_id", "image_token_index")
    return {int(config.to_dict()[n]) for n in names if config.to_dict().get(n) is not None}
