"""How P-MLLM's small Llama reads cards and pictures in words: many to a sequence, and a taste from a card's last token.

All pictures that are rated for one card share its tokens: a sequence is the card, then K pictures that see the card and
themselves, each at the position it would have alone. Shapes: C cards, K pictures each, T tokens, D the width, V values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from reward_models.describing import DESCRIBE
from reward_models.encoders.precision import mixed
from reward_models.prompted.question import described
from trainers.profile_world import VALUES, Rated

LABELS = ["1", "2", "3", "4", "5"]


def levels_of(likings: np.ndarray) -> torch.Tensor:
    """Soft targets (n, 5): each liking in [0, 1] between the two levels beside it."""
    at = torch.as_tensor(likings, dtype=torch.float32).clamp(0, 1) * (len(LABELS) - 1)
    return (1 - (at[:, None] - torch.arange(len(LABELS))).abs()).clamp(min=0)


@dataclass
class Packed:
    """C sequences of equal length T, padded. ``mask`` (C, 1, T, T): who sees whom; ``at``: (rows, positions) of the
    answers; ``target``: the levels (n, 5) or the tokens (n,) that are to follow there. ``ends`` (C,): the card's last
    token.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    at: tuple[torch.Tensor, torch.Tensor]
    target: torch.Tensor
    ends: torch.Tensor


class Student(nn.Module):
    """The Llama, and a head (D, V) for each block but the first."""

    def __init__(self, llm: LlamaForCausalLM):
        super().__init__()
        self.llm = llm
        config = llm.config
        self.heads = nn.ModuleList(
            nn.Sequential(nn.RMSNorm(config.hidden_size), nn.Linear(config.hidden_size, len(VALUES)))
            for _ in range(config.num_hidden_layers - 1)
        )

    def forward(self, packed: Packed) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (n, V) where answers are read, and the tastes (heads, C, V) that the heads read."""
        logits, states = answers_at(self.llm, packed)
        rows = torch.arange(len(packed.ends))
        with mixed():
            tastes = [head(s[rows, packed.ends]) for head, s in zip(self.heads, states[2:], strict=True)]
        return logits, torch.stack(tastes).float()


class Packer:
    """Writes cards and pictures as tokens."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.tokenizer = tokenizer
        self.answer = tokenizer.convert_tokens_to_ids("<|answer|>")
        self.labels = [i for (i,) in tokenizer(LABELS, add_special_tokens=False)["input_ids"]]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]

    def rated(self, rated: Sequence[Rated]) -> Packed:
        """Every picture after its card; the answer is read at the last token of each."""
        heads = self._ids([f"<|user|>{r.instructions}" for r in rated])
        tails = [self._ids([f"<|picture|>{described(t)}<|answer|>" for t in r.texts]) if r.texts else [] for r in rated]
        rows, columns = [], []
        for row, (head, own) in enumerate(zip(heads, tails, strict=True)):
            ends = len(head) + np.cumsum([len(t) for t in own]) - 1
            rows += [row] * len(own)
            columns += ends.tolist()
        target = levels_of(np.concatenate([r.likings for r in rated]))
        return self._packed(heads, tails, (torch.tensor(rows).long(), torch.tensor(columns).long()), target)

    def described(self, texts: Sequence[str], k: int) -> Packed:
        """k descriptions a sequence; all their tokens are to be learned."""
        heads = self._ids([f"<|user|>{DESCRIBE}"] * (len(texts) // k))
        tails = [self._ids([f"<|answer|>{t}</s>" for t in texts[i * k : (i + 1) * k]]) for i in range(len(heads))]
        rows, columns, target = [], [], []
        for row, (head, own) in enumerate(zip(heads, tails, strict=True)):
            start = len(head)
            for tail in own:
                rows += [row] * (len(tail) - 1)
                columns += range(start, start + len(tail) - 1)
                target += tail[1:]
                start += len(tail)
        return self._packed(heads, tails, (torch.tensor(rows), torch.tensor(columns)), torch.tensor(target))

    def _packed(
        self,
        heads: list[list[int]],
        tails: list[list[list[int]]],
        at: tuple[torch.Tensor, torch.Tensor],
        target: torch.Tensor,
    ) -> Packed:
        whole = [head + [t for tail in own for t in tail] for head, own in zip(heads, tails, strict=True)]
        longest = max(map(len, whole))
        tokens = torch.zeros(len(whole), longest, dtype=torch.long)
        positions, group = torch.zeros_like(tokens), torch.full_like(tokens, -1)
        for row, (head, own) in enumerate(zip(heads, tails, strict=True)):
            tokens[row, : len(whole[row])] = torch.tensor(whole[row])
            lengths = [len(head), *map(len, own)]
            start = 0
            for number, length in enumerate(lengths):
                first = 0 if number == 0 else len(head)
                positions[row, start : start + length] = torch.arange(first, first + length)
                group[row, start : start + length] = number
                start += length
        earlier = torch.ones(longest, longest).tril().bool()
        same = group[:, :, None] == group[:, None, :]
        seen = earlier & (same | (group[:, None, :] == 0))  # of one's own picture, and of the card
        ends = torch.tensor([len(head) - 1 for head in heads])
        return Packed(tokens, positions, seen[:, None], at, target, ends)


def answers_at(model: LlamaForCausalLM, packed: Packed) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Logits (n, tokens of the vocabulary) where answers are read, and the states (C, T, D) after each block."""
    with mixed():
        read = model.model(
            input_ids=packed.tokens,
            attention_mask=torch.zeros(packed.mask.shape).masked_fill(~packed.mask, torch.finfo(torch.float32).min),
            position_ids=packed.positions,
            use_cache=False,
            output_hidden_states=True,
        )
        logits: torch.Tensor = model.lm_head(read.last_hidden_state[packed.at])
    return logits.float(), read.hidden_states


def unread(tastes: torch.Tensor, rated: Sequence[Rated]) -> torch.Tensor:
    """How much of C people's tastes each head (heads, C, V) does not read: 1 is all of it (heads,)."""
    true = torch.as_tensor(np.stack([r.taste for r in rated]), dtype=torch.float32)
    known = ~true.isnan()
    return ((tastes - true.nan_to_num()).square() * known).sum((1, 2)) / known.sum()
