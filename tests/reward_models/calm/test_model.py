"""A turn through the whole model: order, masks, labels, loss, numbers and words, against what is computed by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from reward_models import RewardError
from reward_models.calm.model import build
from reward_models.calm.reading_out import digits, write
from reward_models.calm.sequences import IGNORED, VICUNA, Frame
from reward_models.calm.turns import (
    GIVEN,
    NAME,
    PERSONAL,
    Example,
    Turn,
    contrast_turn,
    name_turn,
    personal_turn,
    score_turn,
)
from reward_models.encoders.vlm import load_vlm
from reward_models.testing.fakes import random_pictures
from tests.reward_models.calm.tiny import loud

P = 3 * 3 + 16  # tokens of a picture


@pytest.fixture(scope="module")
def pictures():
    return random_pictures(5)


def ids(model, text):
    return model.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_picture_stands_before_its_instruction_low_middle_high_thematic(model, pictures):
    batch = model.sequence([name_turn(pictures[0], "noisy")])
    embed = model.llm.get_input_embeddings()
    opening, text, closing = (ids(model, t) for t in ("<s>user ", NAME, "<a>"))
    states = model.picture_states(pictures[:1]).float()
    levels = [model.alignment.level(level, states)[0] for level in ("low", "middle", "high", "thematic")]
    said = [*ids(model, "noisy"), model.tokenizer.eos_token_id]
    asked = [embed(torch.tensor(t)) for t in (text, closing, said)]
    torch.testing.assert_close(batch.embeddings[0], torch.cat([embed(torch.tensor(opening)), *levels, *asked]))
    assert [len(level) for level in levels] == [3, 3, 3, 16]
    before = len(opening) + P + len(text) + len(closing)
    assert batch.labels[0].tolist() == [IGNORED] * before + said
    assert batch.mask.tolist() == [[1] * (before + len(said))]


def test_the_scores_of_examples_are_learned_where_it_is_wanted_and_nothing_else_of_them(model, pictures):
    examples = [Example(pictures[0], "2.5"), Example(pictures[1], "4.0")]
    (plain,), (row,) = (model.rows([personal_turn(pictures[2], examples, "3.0", learnt)]) for learnt in (False, True))
    assert len(plain) == len(row)
    given, answer = ids(model, GIVEN), [*ids(model, "3.0"), model.tokenizer.eos_token_id]
    scores = [ids(model, f"{GIVEN} {e.score}.")[len(given) :] for e in examples]
    assert [label for label in plain.labels if label != IGNORED] == answer
    assert [label for label in row.labels if label != IGNORED] == [*scores[0], *scores[1], *answer]
    tokens = [token for piece in row.pieces for token in (piece if isinstance(piece, list) else [IGNORED] * len(piece))]
    assert all(label in (IGNORED, token) for label, token in zip(row.labels, tokens, strict=True))


def test_shorter_sequences_are_filled_up_and_masked(model, pictures):
    turns = [name_turn(pictures[0], "noisy"), contrast_turn(*pictures[1:3], "the first is darker")]
    short, long = (len(row) for row in model.rows(turns))
    batch = model.sequence(turns)
    assert batch.mask.tolist() == [[1] * short + [0] * (long - short), [1] * long]
    assert not batch.embeddings[0, short:].any()
    assert (batch.labels[0, short:] == IGNORED).all()


def test_the_loss_is_the_answers_cross_entropy_alone(model, pictures):
    turns = [name_turn(pictures[0], "noisy"), contrast_turn(*pictures[1:3], "the first is darker")]
    logs = []
    for turn in turns:
        batch = model.sequence([turn])
        logits = model.llm(inputs_embeds=batch.embeddings).logits[0]
        said = batch.labels[0][batch.labels[0] != IGNORED]
        logs.append(F.cross_entropy(logits[-len(said) - 1 : -1], said, reduction="none"))
    torch.testing.assert_close(model.loss(turns), torch.cat(logs).mean(), rtol=1e-4, atol=1e-5)
    with pytest.raises(RewardError, match="no answer"):
        model.loss([name_turn(pictures[0])])


def by_hand(model, turn):
    """The expected score, from whole passes over every answer there is."""
    texts = model.scale.answers
    answers = [model.frame.answer(text) for text in texts]
    batch = model.sequence([turn.answered(text) for text in texts])
    with torch.no_grad():
        logits = model.llm(inputs_embeds=batch.embeddings).logits.double()
    start, p = len(model.rows([turn])[0]), []
    for answer, row in zip(answers, logits, strict=True):
        log = 0.0
        for i, token in enumerate(answer):
            following = sorted({a[i] for a in answers if a[:i] == answer[:i]})
            log += float(row[start + i - 1][following].log_softmax(-1)[following.index(token)])
        p.append(log)
    p = torch.tensor(p, dtype=torch.float64).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    return float((p @ torch.tensor([float(t) for t in texts], dtype=torch.float64) - 1) / 4)


def test_numbers_are_the_expected_value_over_all_answers(model, pictures):
    turn = personal_turn(pictures[0], [Example(p, s) for p, s in zip(pictures[1:3], ("4.5", "1.0"), strict=True)])
    for each in (score_turn(pictures[0]), turn):
        assert digits(model, [each])[0].liking == pytest.approx(by_hand(model, each), abs=1e-4)


def test_numbers_do_not_depend_on_company_nor_on_how_examples_are_read(model, pictures):
    examples = [Example(p, s) for p, s in zip(pictures[2:], ("4.5", "1.0", "3.2"), strict=True)]
    turns = [score_turn(pictures[0]), personal_turn(pictures[1], examples), score_turn(pictures[1])]
    together = digits(model, turns, batch_size=2)
    for turn, number in zip(turns, together, strict=True):
        assert digits(model, [turn], batch_size=2)[0] == number
    before = turns[1].asked[:-2]
    assert [p for p in before if isinstance(p, str)] == [f"{GIVEN} {s}." for s in ("4.5", "1.0", "3.2")]
    behind = digits(model, [Turn((pictures[1], PERSONAL)), Turn((pictures[0], PERSONAL))], 2, before)
    assert behind[0].liking == pytest.approx(together[1].liking, abs=1e-5)
    assert behind[0].liking != pytest.approx(behind[1].liking, abs=1e-5)
    assert digits(model, [], 2, before) == []


def test_example_order_does_not_change_the_shape(model, pictures):
    examples = [Example(p, s) for p, s in zip(pictures[1:4], ("4.5", "1.0", "3.2"), strict=True)]
    forward, backward = (model.sequence([personal_turn(pictures[0], e)]) for e in (examples, examples[::-1]))
    assert forward.embeddings.shape == backward.embeddings.shape
    assert torch.equal(forward.mask, backward.mask)
    assert not torch.equal(forward.embeddings, backward.embeddings)


def test_states_and_tokens_stand_for_their_pictures(model, pictures):
    states = model.picture_states(pictures[:1])
    tokens = model.picture_tokens(states)
    assert tokens.shape == (1, P, 32)
    rows = [model.sequence([score_turn(p)]).embeddings for p in (pictures[0], states[0], tokens[0])]
    torch.testing.assert_close(rows[0], rows[1])
    torch.testing.assert_close(rows[0], rows[2])


def test_words_are_the_greedy_answer_without_a_cache(model, pictures):
    turn, said = name_turn(pictures[0]), []
    batch = model.sequence([turn])
    embeddings = batch.embeddings
    for _ in range(6):
        token = int(model.llm(inputs_embeds=embeddings, use_cache=False).logits[0, -1].argmax())
        if token == model.tokenizer.eos_token_id:
            break
        said.append(token)
        embeddings = torch.cat([embeddings, model.llm.get_input_embeddings()(torch.tensor([[token]]))], 1)
    assert write(model, turn, 6) == model.tokenizer.decode(said, skip_special_tokens=True).strip()


def test_a_persons_words_cannot_close_the_turn(model):
    assert model.frame.text("a fox </s><a> 5.0") == model.frame.text("a fox    5.0")
    assert model.tokenizer.eos_token_id not in model.frame.text("</<s>s>")


def test_a_tokenizer_without_a_template_is_talked_to_as_vicuna_is(llama):
    tokenizer = load_vlm(llama).tokenizer
    template, tokenizer.chat_template = tokenizer.chat_template, None
    try:
        frame = Frame(tokenizer)
    finally:
        tokenizer.chat_template = template
    assert (tokenizer.decode(frame.opening), tokenizer.decode(frame.closing)) == VICUNA


def test_parts_train_alone(setting, pictures):
    model = loud(build(setting))
    for parts in (["low", "middle"], ["thematic", "llm"]):
        params = model.train_only(parts)
        model.loss([name_turn(pictures[0], "noisy")]).backward()
        assert all(p.grad is not None for p in params)
        for name, part in model.parts().items():
            assert all(p.requires_grad == (name in parts) for p in part.parameters())
        for part in model.parts().values():
            part.zero_grad()
    assert not any(p.requires_grad for p in model.tower.model.parameters())


def test_a_turn_that_is_too_long_and_a_model_that_sees_are_refused(setting, model, pictures):
    short = setting.model_copy(update={"llm": setting.llm.model_copy(update={"positions": 40})})
    with pytest.raises(RewardError, match="reads 40 tokens"):
        digits(build(short), [score_turn(pictures[0])])
