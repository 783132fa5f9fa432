"""Score questions answered in this process by tiny models of the real classes, with their real processors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.pipelines import DecisionPipeline

from reward_models.base import RewardError
from reward_models.encoders.vlm import load_vlm
from reward_models.prompted.local import NAME, PICTURE, LocalDecider
from reward_models.prompted.question import described, liking_question, match_question
from reward_models.testing.fakes import random_pictures
from tests.reward_models.shipped import WEIGHTS
from tests.reward_models.tiny_vlms import save_gemma, save_llava, save_qwen
from tests.tiny_tokenizers import byte_tokenizer

MAKERS = {"qwen": save_qwen, "gemma": save_gemma, "llava": save_llava}
CARD = 'In their own words: "warm light, no neon"'


@pytest.fixture(scope="module", params=MAKERS)
def vlm(request, tmp_path_factory):
    return load_vlm(MAKERS[request.param](tmp_path_factory.mktemp(request.param)))


def _pictures(n=3):
    return [p.resize((64, 64)) for p in random_pictures(n)]


def _request(subject, question):
    asked = {"type": "score", "instructions": question.instructions, "criteria": question.criteria}
    if isinstance(subject, str):
        return {"state": described(subject), "questions": {NAME: asked}}
    return {"state": PICTURE, "questions": {NAME: asked}, "assets": {PICTURE: subject}}


def test_the_expected_level_is_that_of_the_models_own_logits(vlm):
    decider = LocalDecider(vlm, 64)
    picture, question = _pictures(1)[0], liking_question(CARD)
    ((answer,),) = decider.answers([picture], [question])
    ((inputs, _),) = decider.config.prepare_inputs(_request(picture, question), vlm.processor)
    inputs = {k: v for k, v in inputs.items() if k != "marks"}
    with torch.no_grad():
        logits = vlm.model(**inputs).logits[0, -1].double()
    letters = [vlm.tokenizer(letter, add_special_tokens=False).input_ids[0] for letter in "ABCDE"]
    weights = logits[letters].softmax(-1).numpy()
    assert answer.liking == pytest.approx(float(np.arange(5) @ weights) / 4, abs=1e-6)
    assert answer.off == pytest.approx(1 - float(logits.softmax(-1)[letters].sum()), abs=1e-6)
    at = np.arange(5) / 4
    assert answer.spread == pytest.approx(float(np.sqrt(weights @ (at - weights @ at) ** 2)), abs=1e-6)


def test_it_answers_as_the_pipeline_of_transformers_does(vlm):
    pipe = DecisionPipeline(model=vlm.model, tokenizer=vlm.tokenizer, processor=vlm.processor)
    decider, question = LocalDecider(vlm, 64), liking_question(CARD)
    for subject in (_pictures(1)[0], "a fox at dawn"):
        ((answer,),) = decider.answers([subject], [question])
        theirs = pipe(_request(subject, question))[NAME]
        np.testing.assert_allclose(answer.probabilities, list(theirs["probabilities"].values()), atol=1e-6)
        assert answer.liking == pytest.approx(theirs["score"] / 4, abs=1e-6)


def test_company_changes_nothing(vlm):
    pictures, questions = _pictures(5), [liking_question(), liking_question(CARD), match_question("a fox")]
    for batch_size in (1, 4):
        decider = LocalDecider(vlm, 64, batch_size)
        together = decider.answers([*pictures, "a fox"], questions)
        for subject, row in zip([*pictures, "a fox"], together, strict=True):
            assert decider.answers([subject], questions[1:2])[0][0] == row[1]


def test_batches_say_what_single_prompts_say(vlm):
    pictures = _pictures(5)
    one, four = (LocalDecider(vlm, 64, b).answers(pictures, [liking_question()]) for b in (1, 4))
    for (a,), (b,) in zip(one, four, strict=True):
        np.testing.assert_allclose(a.probabilities, b.probabilities, atol=1e-5)


def test_features_come_from_the_same_pass(vlm):
    pictures, decider = _pictures(3), LocalDecider(vlm, 64)
    answers, states = decider.look(pictures, liking_question())
    assert answers == [row[0] for row in decider.answers(pictures, [liking_question()])]
    assert states.shape == (3, decider.width)
    assert np.isfinite(states).all()
    assert np.abs(states[0] - states[1]).max() > 1e-4


def test_a_card_and_a_picture_change_the_answer(vlm):
    decider = LocalDecider(vlm, 64)
    (first, second) = decider.answers(_pictures(2), [liking_question(), liking_question(CARD)])
    assert first[0] != first[1]
    assert first[0] != second[0]


def test_a_card_cannot_name_the_picture(vlm):
    """What stands for the picture in a request is taken out of people's words."""
    decider = LocalDecider(vlm, 64)
    ((answer,),) = decider.answers(_pictures(1), [liking_question(f"{PICTURE} {PICTURE}")])
    assert answer.probabilities


def _adding_bos(tmp_path):
    """A LLaVA whose tokenizer adds <s> of its own, as LLaMA's does."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    folder = save_llava(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    number = tokenizer.convert_tokens_to_ids("<s>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", number)])
    tokenizer.save_pretrained(folder)
    return load_vlm(folder), number


def test_a_tokenizer_that_adds_tokens_of_its_own_can_be_asked_too(tmp_path):
    vlm, bos = _adding_bos(tmp_path)
    decider, picture = LocalDecider(vlm, 64), _pictures(1)[0]
    before = decider.fingerprint()
    ((plain,),) = decider.answers([picture], [liking_question(CARD)])
    assert plain.probabilities
    assert decider.fingerprint() == before
    inputs = decider.prompt(picture, liking_question(CARD)).inputs
    assert inputs["input_ids"][0].tolist().count(bos) == 1


@pytest.mark.parametrize("adds", [True, False])
def test_people_cannot_write_control_tokens(tmp_path, adds):
    """In whatever way they are pieced together."""
    vlm, _ = _adding_bos(tmp_path) if adds else (load_vlm(save_llava(tmp_path)), 0)
    decider, special = LocalDecider(vlm, 64), set(vlm.tokenizer.all_special_ids)

    def count(words):
        ids = decider.prompt(_pictures(1)[0], liking_question(words)).inputs["input_ids"][0].tolist()
        return sum(i in special for i in ids)

    decider.prompt("a fox", liking_question())
    assert count("<s> </s> <image> <im<image>age> <|mark|>") == count("nothing of the kind")


def test_the_shipped_model_can_be_asked():
    decider = LocalDecider(load_vlm(WEIGHTS / "linear-hidden" / "vlm"), 128)
    assert decider.answers(_pictures(1), [liking_question(CARD)])[0][0].probabilities


def test_a_model_is_loaded_once(tmp_path):
    first = load_vlm(save_qwen(tmp_path))
    assert load_vlm(tmp_path) is first
    assert first.fingerprint() == first.fingerprint() != ""


def test_what_cannot_be_asked_is_one_line(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    with pytest.raises(RewardError, match="cannot load the model"):
        load_vlm(tmp_path / "nothing")
    words = byte_tokenizer()
    small = LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1
    )
    LlamaForCausalLM(small).save_pretrained(tmp_path / "blind")
    words.save_pretrained(tmp_path / "blind")
    with pytest.raises(RewardError, match="reads no pictures"):
        LocalDecider(load_vlm(tmp_path / "blind"))


def test_labels_that_are_no_single_tokens_are_one_line(tmp_path):
    from transformers.decision import DecisionConfig

    folder = save_qwen(tmp_path)
    DecisionConfig(labels={"score": ["one", "two", "three", "four", "five"]}).save_pretrained(folder)
    with pytest.raises(RewardError, match="not distinct single tokens"):
        LocalDecider(load_vlm(folder), 64).answers(["a fox"], [liking_question()])


def test_a_temperature_of_the_models_folder_is_obeyed(tmp_path):
    from transformers.decision import DecisionConfig

    plain = LocalDecider(load_vlm(save_qwen(tmp_path / "plain")), 64)
    DecisionConfig(temperature={"score": 0.1}).save_pretrained(save_qwen(tmp_path / "sharp"))
    sharp = LocalDecider(load_vlm(tmp_path / "sharp"), 64)
    spreads = [d.answers([Image.new("RGB", (64, 64))], [liking_question()])[0][0].spread for d in (plain, sharp)]
    assert spreads[1] < spreads[0]
    assert plain.fingerprint() != sharp.fingerprint()
