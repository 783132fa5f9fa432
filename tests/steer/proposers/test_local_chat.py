"""A chat model of transformers in this process: the real classes, a tiny network that has learnt one answer by
heart."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from steer.config import load_config
from steer.errors import ProposerBudgetSpent, ProposerError, UsageError
from steer.proposers import build_proposer
from steer.proposers.local import LocalChat
from steer.proposers.usage import Limits
from steer.testing import ProposerConformance
from steer.types import History, SteerRequest
from tests.tiny_tokenizers import byte_tokenizer

ANSWER = '{"rewrites": ["a fox at dawn", "a fox in fog"]}'
REQUEST = SteerRequest("a fox", "u1")
QUESTION = [{"role": "user", "content": "Write 2 "}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model on disk that answers ANSWER to whatever it is asked."""
    torch.manual_seed(0)
    words = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=2048,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    answer = words(ANSWER + "</s>", return_tensors="pt").input_ids[0]
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(250):
        asked = int(torch.randint(5, 90, ()))
        question = torch.randint(4, len(words), (8, asked))
        tokens = torch.cat([question, torch.full((8, 1), 3), answer.expand(8, -1)], dim=1)
        labels = tokens.clone()
        labels[:, : asked + 1] = -100
        places = torch.arange(tokens.shape[1]) + int(torch.randint(0, 900, ()))
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * (1 - step / 250)
        loss = model(tokens, labels=labels, position_ids=places[None]).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
    path = tmp_path_factory.mktemp("chat")
    model.save_pretrained(path)
    words.save_pretrained(path)
    (path / "short.j2").write_text(  # the network has learnt to overlook questions of 90 bytes, no longer ones
        "{% macro system(ask) %}Help.{% endmacro %}{% macro user(ask) %}Write {{ ask.n }} of {{ ask.prompt }}{% endmacro %}"  # noqa: E501
    )
    return path


def proposer(folder, *settings):
    own = ["proposer=local", f"proposer.model={folder}", f"proposer.template={folder / 'short.j2'}"]
    config = load_config("miniature", [*own, *settings])
    return build_proposer(config.proposer)


class TestConformance(ProposerConformance):
    prompt = "a fox"

    @pytest.fixture(autouse=True)
    def _folder(self, folder):
        self.folder = folder

    def make(self):
        return proposer(self.folder, "proposer.temperature=0", "proposer.turns=1")


def test_it_is_asked_with_its_chat_template_and_its_tokens_are_counted(folder):
    found = proposer(folder, "proposer.temperature=0", "proposer.price=[1, 2]")
    found.meter.start({})
    assert [r.text for r in found.propose(REQUEST, History(), 2)] == ["a fox at dawn", "a fox in fog"]
    spent = found.meter.spent()
    assert spent["calls"] == 1
    assert spent["completion_tokens"] == len(ANSWER) + 1
    assert spent["prompt_tokens"] == len("system Help.user Write 2 of a fox") + 3  # <s>, <s>, <a>
    assert spent["cost"] == pytest.approx((spent["prompt_tokens"] + 2 * spent["completion_tokens"]) / 1e6)


def test_questions_side_by_side_are_answered_as_alone_and_the_seed_decides(folder):
    chat = LocalChat(str(folder), device="cpu")
    longer = [{"role": "user", "content": "Write 2 rewrites of a longer question"}]
    both = chat.ask([QUESTION, longer], {}, 0.0, [1, 2], 80)
    assert both == [ANSWER, ANSWER]
    hot = [chat.ask([QUESTION], {}, 2.0, [seed], 40) for seed in (1, 1, 2)]
    assert hot[0] == hot[1] != hot[2]
    before = torch.random.get_rng_state()
    chat.ask([QUESTION], {}, 2.0, [3], 5)
    assert torch.equal(before, torch.random.get_rng_state())  # the renderer's seeds are its own


def test_budget_context_and_time_are_kept(folder):
    chat = LocalChat(str(folder), device="cpu", limits=Limits(max_calls=1, timeout_s=60))
    chat.ask([QUESTION], {}, 0.0, [1], 5)
    with pytest.raises(ProposerBudgetSpent, match="1 calls"):
        chat.ask([QUESTION], {}, 0.0, [1], 5)
    free = LocalChat(str(folder), device="cpu")
    with pytest.raises(ProposerError, match=r"does not fit into the 2048"):
        free.ask([[{"role": "user", "content": "x" * 3000}]], {}, 0.0, [1], 5)
    hurried = LocalChat(str(folder), device="cpu", limits=Limits(timeout_s=1e-9))
    (cut,) = hurried.ask([QUESTION], {}, 0.0, [1], 2000)
    assert len(cut) < len(ANSWER)


def test_a_run_with_a_model_in_this_process(fake_steerer, folder, tmp_path):
    found = proposer(folder, "proposer.temperature=0", "proposer.fallback=lexical", "proposer.turns=1")
    result = fake_steerer(["search.rewrites=2"], proposer=found).run("a fox", "u1", budget=6, out=tmp_path / "run")
    assert {"a fox at dawn", "a fox in fog"} <= {c.rewrite.text for c in result.candidates}
    assert (
        json.loads((tmp_path / "run" / "manifest.json").read_text())["usage"]["proposer"]["fallbacks"] >= 1
    )  # it knows no third text


def test_what_is_no_chat_model_is_one_line(folder, tmp_path):
    with pytest.raises(UsageError, match=r"add --set proposer.model=a folder"):
        build_proposer(load_config("miniature", ["proposer=local"]).proposer)
    with pytest.raises(UsageError, match="cannot load the model"):
        LocalChat(str(tmp_path / "nothing"))
    words = byte_tokenizer()
    words.chat_template = None
    words.save_pretrained(tmp_path / "base")
    LlamaForCausalLM.from_pretrained(folder).save_pretrained(tmp_path / "base")
    with pytest.raises(UsageError, match="no chat template"):
        LocalChat(str(tmp_path / "base"))


def test_a_vision_language_model_writes_and_is_the_one_that_the_reward_asks(tmp_path):
    """A tiny Qwen3-VL knows no words, but its own template and tokenizer carry the question and an answer."""
    from reward_models.encoders.vlm import load_vlm
    from tests.reward_models.tiny_vlms import save_qwen

    held = load_vlm(save_qwen(tmp_path))
    chat = LocalChat(str(tmp_path), device="cpu")
    assert chat._vlm is held
    (answer,) = chat.ask([[{"role": "system", "content": "Write."}, *QUESTION]], {}, 0.0, [0], 16)
    assert isinstance(answer, str)
    assert chat.usage.prompt_tokens > len("system Write. user Write 2 ")
    assert 1 <= chat.usage.completion_tokens <= 16
