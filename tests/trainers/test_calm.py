"""CALM's miniature: what is painted and said for it, and where its recipe looks for that."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, LlamaForCausalLM

from reward_models.calm.turns import NAME, SUGGEST
from steer.miniature.raters import simulated_people
from steer.miniature.words import read_prompt
from steer.miniature.world import scene_at
from trainers import calm, calm_words
from trainers.profile_text import tokenizer_of

SCENES, PEOPLE = 12, 20
WORDS = Path(calm.__file__).parent / "weights" / "profile-text"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Ratings of eight pictures by three simulated people, in PAMELA's files."""
    root = tmp_path_factory.mktemp("pamela")
    (root / "annotations").mkdir()
    (root / "images").mkdir()
    for i in range(8):
        Image.new("RGB", (64, 64), (30 * i, 90, 90)).save(root / "images" / f"{i}.png")
    about = {"age_binned": "18-29", "gender": "female", "nationality": "Greek"}
    rows = [
        {
            "participant_id": person,
            "image_path": f"images/{i}.png",
            "original_score": 3.0,
            "image_metadata": {},
            "user_demographics": about,
        }
        for person in list(simulated_people())[:3]
        for i in range(8)
    ]
    (root / "annotations" / "pamela_train.json").write_text(json.dumps(rows), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def work(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp("work")
    calm.prepare(folder, dataset, SCENES, people=PEOPLE)
    return folder


def lines(work, name):
    text = (work / "calm" / "data" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_each_picture_has_a_box_a_description_a_comment_and_questions(work):
    names = [f"images/{i:05d}.png" for i in range(SCENES)]
    for kind in ("boxes", "descriptions", "comments"):
        assert [row["picture"] for row in lines(work, kind)] == names
    for row in lines(work, "boxes"):
        left, top, right, bottom = row["box"]
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
    for i, row in enumerate(lines(work, "descriptions")):
        assert read_prompt(row["text"])["subject"] == scene_at(calm.SEED, i).subject
    asked = [row["picture"] for row in lines(work, "questions") if row["question"] == SUGGEST]
    assert asked == names


def test_a_faulty_copy_is_another_picture_of_which_only_the_fault_is_asked(work):
    folder = work / "calm" / "data"
    faulty = [row for row in lines(work, "questions") if row["picture"].startswith("faulty/")]
    assert faulty
    for row in faulty:
        assert row["question"] == NAME
        copy = Image.open(folder / row["picture"])
        assert copy.tobytes() != Image.open(folder / row["picture"].replace("faulty", "images")).tobytes()


def test_what_is_there_is_not_painted_again(work, dataset):
    picture = work / "calm" / "data" / "images" / "00000.png"
    before = picture.stat().st_mtime_ns
    calm.prepare(work, dataset, SCENES, people=PEOPLE)
    assert picture.stat().st_mtime_ns == before


def test_common_taste_is_that_of_the_people_who_rated(dataset):
    adds = calm.common_taste(dataset).adds
    assert any(abs(v) > 0.01 for v in adds.values())
    assert abs(sum(adds.values()) / len(adds)) < 0.1  # by how much a value adds to the usual


def test_the_recipe_finds_all_of_it(work, dataset):
    told = calm.recipe(work, dataset, steps=0.01)
    for key in ("pictures", "boxes", "descriptions", "comments", "questions"):
        assert [p for p in getattr(told.data, key) if not (work / p).exists()] == []
    assert [stage.steps for stage in told.stages] == [15, 8, 2, 5, 4]


def test_more_scenes_are_read_about_than_painted(work):
    rows = lines(work, "words/descriptions")
    assert len(rows) == calm.READ * SCENES
    assert read_prompt(rows[0]["text"])["subject"] == scene_at(calm.SEED, SCENES).subject


def test_the_small_llama_begins_with_the_words_that_another_training_taught(tmp_path):
    """But for how they are spelt: a word that was spelt in parts begins as their mean."""
    folder = calm.small_llama(tmp_path, WORDS)
    begun = LlamaForCausalLM.from_pretrained(folder).state_dict()
    known = LlamaForCausalLM.from_pretrained(WORDS, dtype=torch.float32).state_dict()
    for name, value in begun.items():
        assert "embed" in name or "lm_head" in name or torch.equal(value, known[name]), name
    old, new = tokenizer_of(), AutoTokenizer.from_pretrained(folder)
    before, after = known["model.embed_tokens.weight"], begun["model.embed_tokens.weight"]

    def row(tokenizer, text):
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    (fox,), (was,) = row(new, "fox"), row(old, "fox")
    assert torch.equal(after[fox], before[was])
    (noisy,), parts = row(new, "noisy"), row(old, "noisy")
    assert len(parts) > 1
    torch.testing.assert_close(after[noisy], before[parts].mean(0))


def test_it_learns_to_read_and_goes_on_where_it_stopped(work, dataset, capsys):
    settings = calm.recipe(work, dataset)
    course = calm_words.stages(100)
    assert [stage.steps for stage in course] == [15, 85]
    folder = calm.literate(work, settings, steps=4 / calm_words.STEPS)
    assert str(folder) == settings.model.llm.name
    begun = LlamaForCausalLM.from_pretrained(work / "calm" / "llm").state_dict()
    after = LlamaForCausalLM.from_pretrained(folder).state_dict()
    assert not torch.equal(begun["model.layers.0.mlp.up_proj.weight"], after["model.layers.0.mlp.up_proj.weight"])
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert calm.literate(work, settings, steps=4 / calm_words.STEPS) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    shutil.rmtree(folder)
    calm.literate(work, settings, steps=4 / calm_words.STEPS)
    assert "resumed at step 4" in capsys.readouterr().out
    assert all(torch.equal(v, after[k]) for k, v in LlamaForCausalLM.from_pretrained(folder).state_dict().items())
