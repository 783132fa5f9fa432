"""How many tokens a picture has, on which levels, in which order; and which weights learn."""

from __future__ import annotations

import pytest
import torch

from reward_models import RewardError
from reward_models.calm.alignment import LEVELS, Alignment, AlignmentConfig

TINY = {"queries": 3, "width": 16, "heads": 2}


def made(**changes):
    torch.manual_seed(0)
    return Alignment(AlignmentConfig(**(TINY | changes)), tower=24, width=32).eval()


@pytest.mark.parametrize(("size", "patches"), [(224, 256), (336, 576)])
def test_the_papers_token_counts(size, patches):
    assert patches == (size // 14) ** 2
    assert AlignmentConfig().tokens(patches) == {"low": 32, "middle": 32, "high": 32, "thematic": patches}


def test_levels_come_in_order_and_each_reads_its_own_depth():
    alignment, states = made(), torch.randn(2, 4, 16, 24)
    tokens = alignment(states)
    assert tokens.shape == (2, 3 * 3 + 16, 32)
    at = 0
    for level in LEVELS:
        own = alignment.level(level, states)
        torch.testing.assert_close(tokens[:, at : at + own.shape[1]], own)
        at += own.shape[1]
        changed = states.clone()
        changed[:, LEVELS.index(level)] += 1
        differs = (alignment(changed) != tokens).any(-1)[0]
        assert differs[at - own.shape[1] : at].all()
        assert differs.sum() == own.shape[1]


def test_the_thematic_level_is_one_linear_map_of_every_patch():
    alignment, states = made(levels=("thematic",)), torch.randn(1, 4, 16, 24)
    weight, bias = alignment.thematic.weight, alignment.thematic.bias
    torch.testing.assert_close(alignment(states)[0], states[0, 3] @ weight.T + bias)


def test_a_qformer_of_two_layers_by_hand():
    """Self-attention of the queries, attention to the patches, feed-forward; each with its norm behind."""
    low = made().low

    def block(part, x, y):
        own = part.attention
        q, k, v = own.query(x), own.key(y), own.value(y)
        heads = [h.unflatten(-1, (2, 8)).transpose(1, 2) for h in (q, k, v)]
        weights = (heads[0] @ heads[1].mT / 8**0.5).softmax(-1)
        mixed = (weights @ heads[2]).transpose(1, 2).flatten(2)
        return part.output.LayerNorm(part.output.dense(mixed) + x)

    states = torch.randn(1, 16, 24)
    x = low.looks.layernorm(low.queries)
    assert len(low.looks.encoder.layer) == 2
    for layer in low.looks.encoder.layer:
        x = block(layer.attention, x, x)
        x = block(layer.crossattention, x, states)
        inner = torch.nn.functional.gelu(layer.intermediate_query.dense(x))
        x = layer.output_query.LayerNorm(layer.output_query.dense(inner) + x)
    torch.testing.assert_close(low(states), low.out(x), atol=1e-5, rtol=1e-5)


def test_parameters_are_called_by_their_level_and_freeze_by_it():
    alignment = made()
    assert {name.split(".")[0] for name, _ in alignment.named_parameters()} == set(LEVELS)
    alignment.train_only(["low", "middle"])
    assert {n.split(".")[0] for n, p in alignment.named_parameters() if p.requires_grad} == {"low", "middle"}
    alignment(torch.randn(1, 4, 16, 24)).sum().backward()
    assert all((p.grad is not None) == p.requires_grad for p in alignment.parameters())


def test_levels_that_are_left_out_are_not_there():
    alignment = made(levels=("thematic", "low"))
    assert alignment.levels == ("low", "thematic")
    assert alignment(torch.randn(1, 4, 16, 24)).shape[1] == 3 + 16
    with pytest.raises(RewardError, match="no level 'high'"):
        alignment.train_only(["high"])


@pytest.mark.parametrize("wrong", [{"levels": ()}, {"levels": ("low", "low")}, {"heads": 3}])
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(RewardError):
        made(**wrong)


def test_tokens_begin_among_the_language_models_words():
    torch.manual_seed(1)
    words = 0.3 + 0.1 * torch.randn(200, 32)
    alignment = made()
    alignment.begin_among(words)
    tokens = alignment(torch.randn(4, 4, 16, 24))
    assert float(tokens.mean()) == pytest.approx(0.3, abs=0.03)
    assert float((tokens - words.mean(0)).std()) == pytest.approx(0.1, rel=0.35)
