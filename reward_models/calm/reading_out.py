"""Numbers and words out of the model. Shapes: n turns, B turns that are read at once, T tokens, R places, V words."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from reward_models.calm.model import CalmModel
from reward_models.calm.numbers import Number
from reward_models.calm.sequences import Row
from reward_models.calm.turns import Turn


def digits(model: CalmModel, turns: Sequence[Turn], batch_size: int = 1) -> list[Number]:
    """The score (n) that the model writes as the answer to each turn, by its expected value.

    ``batch_size``: turns of equal length that are read at once; a batch is always filled up to it, so that a number is
    the same in any company.
    """
    with torch.no_grad():
        rows = model.run(lambda: model.rows([turn.answered("") for turn in turns]))
        lengths: dict[int, list[int]] = {}
        for i, row in enumerate(rows):
            lengths.setdefault(len(row), []).append(i)
        found: dict[int, Number] = {}
        for some in lengths.values():
            for start in range(0, len(some), batch_size):
                part = some[start : start + batch_size]
                filled = [rows[i] for i in part + [part[-1]] * (batch_size - len(part))]
                found |= zip(part, model.run(lambda filled=filled: _numbers(model, filled)), strict=False)
    return [found[i] for i in range(len(turns))]


def write(model: CalmModel, turn: Turn, most_tokens: int = 120) -> str:
    """What the model answers, greedily, at most so many tokens."""
    with torch.no_grad():
        return model.run(lambda: _written(model, turn.answered(""), most_tokens))


def _numbers(model: CalmModel, rows: Sequence[Row]) -> list[Number]:
    """Of B sequences of equal length: one pass over them, and one over the places at which scores part."""
    batch, tree, cache = model.batch(rows), model.tree, DynamicCache()
    output = model.llm(
        inputs_embeds=batch.embeddings,
        attention_mask=batch.mask,
        use_cache=True,
        logits_to_keep=1,
        **{_cache_word(model.llm): cache},
    )
    logits: list[dict[tuple[int, ...], Tensor]] = [{(): row} for row in output.logits[:, -1].float().cpu()]
    places = tree.places[1:]
    if places:
        after = _after(model, places, batch.mask, cache)  # (B, R, V)
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
    output = model.llm(
        input_ids=tokens.repeat(n, 1), attention_mask=seen, use_cache=True, **{_cache_word(model.llm): cache}
    )
    ends = torch.tensor([len(place) - 1 for place in places], device=model.device).repeat(n)
    found: Tensor = output.logits[torch.arange(len(ends), device=model.device), ends]
    return found.unflatten(0, (n, len(places))).float().cpu()


def _cache_word(llm: Any) -> str:
    """What transformers calls a cache; another word from 5.24 on."""
    return "cache" if "cache" in inspect.signature(llm.forward).parameters else "past_key_values"


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
