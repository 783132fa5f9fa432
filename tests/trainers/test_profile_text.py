"""P-MLLM's small Llama: what its heads are taught, and that pictures in words leave the card alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steer.miniature.raters import simulated_people
from trainers import profile_text
from trainers.profile_packing import LABELS, Packer, Student, unread
from trainers.profile_world import VALUES, Rated, tastes_of
from trainers.text import build_tokenizer

CARDS = ["This is known about a person: trait a: 7", "likes fog , no neon"]
TEXTS = ["ink drawing", "a fox in the fog", "a castle"]


@pytest.fixture(scope="module")
def student():
    torch.manual_seed(0)
    tokenizer = build_tokenizer([*CARDS, *TEXTS, *LABELS] * 20, "t5", 512)
    tokenizer.add_special_tokens({"additional_special_tokens": profile_text.SPECIAL})
    student = Student(profile_text.build(len(tokenizer), width=32, layers=3)).eval()
    student.llm.set_attn_implementation("eager")
    return Packer(tokenizer), student


def rated(texts):
    return [Rated(card, texts, np.full(len(texts), 0.5), np.zeros(len(VALUES))) for card in CARDS]


def test_heads_read_the_card_whatever_pictures_follow_it(student):
    packer, student = student
    alone, beside = packer.rated(rated([])), packer.rated(rated(TEXTS))
    assert alone.ends.tolist() == beside.ends.tolist()
    assert alone.tokens[0, alone.ends[0]] == beside.tokens[0, alone.ends[0]]
    with torch.inference_mode():
        (nothing, tastes), (logits, too) = student(alone), student(beside)
    assert nothing.shape[0] == 0
    assert logits.shape[0] == len(CARDS) * len(TEXTS)
    assert tastes.shape == (2, len(CARDS), len(VALUES))
    assert torch.allclose(tastes, too, atol=1e-5)


def test_a_picture_is_answered_as_if_it_were_alone(student):
    packer, student = student
    with torch.inference_mode():
        together = student(packer.rated(rated(TEXTS)))[0]
        alone = torch.cat([student(packer.rated([one]))[0] for card in rated(TEXTS) for one in _each(card)])
    assert torch.allclose(together, alone, atol=1e-4)


def _each(card):
    return [Rated(card.instructions, [text], card.likings[:1]) for text in card.texts]


def test_a_taste_is_by_how_much_more_than_others_and_a_level_is_none():
    people = list(simulated_people(5).values())
    means = np.random.default_rng(0).random((5, len(VALUES)))
    found = np.array(list(tastes_of(people, means).values()))
    higher = means.copy()
    higher[2] += 0.3  # rates everything higher
    again = np.array(list(tastes_of(people, higher).values()))
    assert np.allclose(found, again)
    assert found.std() == pytest.approx(1)
    assert np.allclose(found.mean(0), 0)
    missing = means.copy()
    missing[0, 3] = np.nan
    row = tastes_of(people, missing)[people[0].id]
    assert np.isnan(row).tolist() == [i == 3 for i in range(len(VALUES))]


def test_what_is_not_read_is_a_share_of_what_is_known():
    taste = np.array([1.0, -1.0, np.nan])
    one = Rated("", [], np.empty(0), taste)
    read = torch.tensor([[[0.0, 0.0, 9.0]], [[1.0, -1.0, 9.0]]])  # by a head that knows nothing, by one that knows all
    assert unread(read, [one]).tolist() == [1.0, 0.0]
