"""Numbers and words out of the model. Shapes: n turns, B turns that are read at once, T tokens, R places, V words."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from reward_models.calm.model import CalmModel
from reward_models.calm.numbers import Number
from reward_models.calm.sequences import Row
from reward_models.calm.turns import Piece, Turn


def digits(model: CalmModel, turns: Sequence[Turn], batch_size: int = 1, before: Sequence[Piece] = ()) -> list[Number]:
    """The score (n) that the model writes as the answer to each turn, by its expected value.

    ``batch_size``: turns of equal length that are read at once; a batch is always filled up to it, so that a number is
    the same in any company. ``before``: what all the turns begin with, such as a person's examples; it is read once.
    """
    with torch.no_grad():
        return model.run(lambda: _digits(model, turns, batch_size, before)) if turns else []


def write(model: CalmModel, turn: Turn, most_tokens: int = 120) -> str:
    """What the model answers, greedily, at most so many tokens."""
    with torch.no_grad():
        return model.run(lambda: _written(model, turn.answered(""), most_tokens))


def _digits(model: CalmModel, turns: Sequence[Turn], batch_size: int, before: Sequence[Piece]) -> list[Number]:
    head = model.opening(before) if before else None
    rows = model.rows([turn.answered("") for turn in turns], head)
    begun = _begun(model, head) if head else None
    lengths: dict[int, list[int]] = {}
    for i, row in enumerate(rows):
        lengths.setdefault(len(row), []).append(i)
    found: dict[int, Number] = {}
    for some in lengths.values():
        for start in range(0, len(some), batch_size):
            part = some[start : start + batch_size]
            filled = [rows[i] for i in part + [part[-1]] * (batch_size - len(part))]
            found |= zip(part, _numbers(model, filled, begun), strict=False)
    return [found[i] for i in range(len(turns))]


def _begun(model: CalmModel, head: Row) -> DynamicCache:
    """What the language model remembers of the beginning of sequences."""
    batch, cache = model.batch([head]), DynamicCache()
    _pass(model, cache, inputs_embeds=batch.embeddings, attention_mask=batch.mask, logits_to_keep=1)
    return cache


def _numbers(model: CalmModel, rows: Sequence[Row], begun: DynamicCache | None) -> list[Number]:
    """Of B sequences of equal length: one pass over them, and one over the places at which scores part."""
    batch, tree, cache = model.batch(rows), model.tree, DynamicCache()
    mask = batch.mask
    if begun is not None:
        cache = copy.deepcopy(begun)
        cache.batch_repeat_interleave(len(rows))
        mask = torch.cat([mask.new_ones(len(rows), begun.get_seq_length()), mask], 1)
    first = _pass(model, cache, inputs_embeds=batch.embeddings, attention_mask=mask, logits_to_keep=1)
    logits: list[dict[tuple[int, ...], Tensor]] = [{(): row} for row in first[:, -1].float().cpu()]
    places = tree.places[1:]
    if places:
        after = _after(model, places, mask, cache)  # (B, R, V)
        for row, own in zip(logits, after, strict=True):
            row |= zip(places, own, strict=True)
    return [tree.number(row) for row in logits]


def _after(model: CalmModel, places: Sequence[tuple[int, ...]], mask: Tensor, cache: DynamicCache) -> Tensor:
    """Logits (B, R, V) after each place behind each of B sequences that the ``cache`` remembers."""
    longest, n = max(map(len, places)), len(mask)
    tokens = torch.tensor([[*place, *[0] * (longest - len(place))] for place in places], device=model.device)
    cache.batch_repeat_interleave(len(places))
    seen = mask.repeat_interleave(len(places), 0)
    seen = torch.cat([seen, seen.new_ones(len(seen), longest)], 1)  # what fills a place up stands behind its end
    logits = _pass(model, cache, input_ids=tokens.repeat(n, 1), attention_mask=seen)
    ends = torch.tensor([len(place) - 1 for place in places], device=model.device).repeat(n)
    return logits[torch.arange(len(ends), device=model.device), ends].unflatten(0, (n, len(places))).float().cpu()


def _pass(model: CalmModel, cache: DynamicCache, **given: Any) -> Tensor:
    """Logits of a pass that reads and fills the ``cache``, which transformers calls by another word from 5.24 on."""
    word = "cache" if "cache" in inspect.signature(model.llm.forward).parameters else "past_key_values"
    logits: Tensor = model.llm(**given, use_cache=True, **{word: cache}).logits
    return logits


def _written(model: CalmModel, turn: Turn, most_tokens: int) -> str:
    batch, tokenizer = model.sequence([turn]), model.tokenizer
    pad = tokenizer.pad_token_id
    tokens = model.llm.generate(
        inputs_embeds=batch.embeddings,
        attention_mask=batch.mask,
        do_sample=False,
        max_new_tokens=most_tokens,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id if pad is None else pad,
    )
    said: str = tokenizer.decode(tokens[0], skip_special_tokens=True)
    return said.strip()
