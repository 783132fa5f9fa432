"""The expected value of a written number, beside one computed from the probabilities of whole answers."""

from __future__ import annotations

import itertools

import pytest
import torch

from reward_models import RewardError
from reward_models.calm.numbers import AnswerTree, NumberScale

END = 11


def encode(text):
    return [10 if c == "." else int(c) for c in text] + [END]


def test_scales_write_what_they_read():
    assert NumberScale(1, 10, 1).answers[:2] == ["1.0", "1.1"]
    assert len(NumberScale(1, 10, 1).answers) == 91
    assert [NumberScale(1, 5, 0).written(x) for x in (0, 0.5, 0.62, 1)] == ["1", "3", "3", "5"]
    for wrong in ((5, 1, 1), (-1, 5, 1), (1, 5000, 0)):
        with pytest.raises(RewardError):
            NumberScale(*wrong)


def test_answers_part_only_where_several_may_follow():
    assert AnswerTree.of(NumberScale(1, 5, 1), encode).places == [(), (1, 10), (2, 10), (3, 10), (4, 10)]
    assert AnswerTree.of(NumberScale(1, 5, 0), encode).places == [()]
    ten = AnswerTree.of(NumberScale(1, 10, 0), encode)
    assert ten.places == [(), (1,)]
    assert ten.following[(1,)] == [0, END]  # ten, or one


@pytest.mark.parametrize("scale", [NumberScale(1, 5, 1), NumberScale(1, 10, 0), NumberScale(1, 10, 1)])
def test_the_expected_value_is_that_of_all_answers_by_their_probabilities(scale):
    tree, rng = AnswerTree.of(scale, encode), torch.Generator().manual_seed(0)
    logits = {place: 2 * torch.randn(12, generator=rng) for place in tree.places}
    number = tree.number(logits)
    assert sum(number.probabilities) == pytest.approx(1)
    by_hand = []
    for answer in map(encode, scale.answers):
        p = 1.0
        for i, token in enumerate(answer):
            allowed = {a[i] for a in map(encode, scale.answers) if a[:i] == answer[:i]}
            if len(allowed) > 1:
                weights = {t: float(logits[tuple(answer[:i])][t].exp()) for t in allowed}
                p *= weights[token] / sum(weights.values())
        by_hand.append(p)
    values = [(float(a) - scale.low) / (scale.high - scale.low) for a in scale.answers]
    assert number.liking == pytest.approx(sum(p * v for p, v in zip(by_hand, values, strict=True)))
    variance = sum(p * (v - number.liking) ** 2 for p, v in zip(by_hand, values, strict=True))
    assert number.spread == pytest.approx(variance**0.5)
    begins = set(itertools.chain.from_iterable(a[:1] for a in map(encode, scale.answers)))
    assert number.off == pytest.approx(1 - float(logits[()].double().softmax(-1)[sorted(begins)].sum()))
