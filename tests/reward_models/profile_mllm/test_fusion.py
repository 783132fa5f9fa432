"""The modules: nothing at first, the stated equations afterwards, and the language model is left as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import CLIPImageProcessorPil, GPT2Config, GPT2LMHeadModel, ResNetConfig, ResNetModel

from reward_models.base import RewardError
from reward_models.encoders.vlm import load_vlm
from reward_models.profile_mllm.eyes import Eyes
from reward_models.profile_mllm.fusion import Fusion, FusionConfig, SelectiveFusion
from reward_models.prompted.question import liking_question
from reward_models.testing.fakes import random_pictures
from tests.reward_models.profile_mllm.conftest import make_decider
from tests.reward_models.tiny_vlms import save_siglip_eyes

TOKENS = torch.arange(2, 50)[None]


def stirred(fusion):
    """Modules that do something."""
    with torch.no_grad():
        for name, value in fusion.named_parameters():
            if name.endswith("out.weight"):
                value.normal_(0, 0.5, generator=torch.Generator().manual_seed(3))
    return fusion


@pytest.mark.parametrize(
    "config", [{}, {"form": "memory"}, {"gate": "open", "place": "all"}, {"inner": 8, "place": "top"}]
)
def test_before_training_it_is_the_language_model_to_the_bit(llama, clip, config):
    vlm = load_vlm(llama)
    llm = vlm.model
    with torch.inference_mode():
        before = llm(TOKENS).logits
    decider = make_decider(llama, clip, **config)
    try:
        with torch.inference_mode(), decider.fusion.looking(decider.eyes.patches_of(random_pictures(1))):
            during = llm(TOKENS).logits
        assert torch.equal(before, during)
        stirred(decider.fusion)
        with torch.inference_mode(), decider.fusion.looking(decider.eyes.patches_of(random_pictures(1))):
            assert not torch.equal(before, llm(TOKENS).logits)
        with torch.inference_mode():
            assert torch.equal(before, llm(TOKENS).logits)  # no picture
    finally:
        decider.fusion.detach()
    assert all(not layer.mlp._forward_hooks for layer in llm.model.layers)


def test_the_module_is_its_equations():
    torch.manual_seed(0)
    module = SelectiveFusion(8, FusionConfig(heads=2))
    stirred(module)
    h, z = torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    q, k, v = (m(x) for m, x in ((module.query, h), (module.key, z), (module.value, z)))
    heads = []
    for i in range(2):
        part = slice(4 * i, 4 * i + 4)
        heads.append((q[..., part] @ k[..., part].transpose(1, 2) / 2).softmax(-1) @ v[..., part])
    gate = torch.sigmoid(h @ module.gate.weight.T + module.gate.bias)
    torch.testing.assert_close(module(h, z), (gate * torch.cat(heads, -1)) @ module.out.weight.T)


def test_memory_is_its_equations():
    torch.manual_seed(0)
    module = stirred(SelectiveFusion(8, FusionConfig(heads=2, form="memory", patches=7, gate="static")))
    h, z = torch.randn(2, 5, 8), torch.randn(2, 7, 8)
    weights = nn.functional.silu(module.query(h) @ (module.key(z) + module.key_places).transpose(1, 2) / 8**0.5)
    found = torch.sigmoid(module.bias) * (weights @ (module.value(z) + module.value_places))
    torch.testing.assert_close(module(h, z), module.out(found))


def test_the_hook_sees_what_the_feed_forward_network_sees(llama, clip):
    decider = make_decider(llama, clip)
    seen = {}
    layer = decider.vlm.model.model.layers[1]
    handle = layer.mlp.register_forward_pre_hook(lambda _, inputs: seen.update(h=inputs[0]))
    patches = decider.eyes.patches_of(random_pictures(1))
    with torch.inference_mode(), decider.fusion.looking(patches), decider.fusion.watching() as watched:
        decider.vlm.model(TOKENS)
    module = decider.fusion.modules_by_block["1"]
    with torch.inference_mode():
        torch.testing.assert_close(watched[1], module.routed(seen["h"], decider.fusion.projector(patches)))
    handle.remove()
    decider.fusion.detach()


@pytest.mark.parametrize(
    ("config", "numbers"),
    [
        ({}, [0, 1, 2]),
        ({"place": "top", "blocks": 2}, [4, 5]),
        ({"place": "middle"}, [1, 2, 3]),
        ({"place": "all"}, [*range(6)]),
    ],
)
def test_which_blocks(config, numbers):
    assert FusionConfig(**config).numbers(6) == numbers


def test_what_cannot_be_fused_is_one_line(llama, clip, tmp_path):
    with pytest.raises(RewardError, match="4 blocks, so 5"):
        make_decider(llama, clip, blocks=5)
    with pytest.raises(RewardError, match="3 heads do not share an inner width of 32"):
        make_decider(llama, clip, heads=3)
    with pytest.raises(RewardError, match="number of patches"):
        make_decider(llama, clip, form="memory", patches=0)
    gpt = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=2))
    with pytest.raises(RewardError, match="no language model of Llama's layout"):
        Fusion(gpt, 3, FusionConfig())
    with pytest.raises(RewardError, match="cannot load the vision tower"):
        Eyes(tmp_path)
    resnet = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], layer_type="basic")
    ResNetModel(resnet).save_pretrained(tmp_path)
    CLIPImageProcessorPil(size={"shortest_edge": 64}).save_pretrained(tmp_path)
    with pytest.raises(RewardError, match="has no patches"):
        Eyes(tmp_path)


def test_eyes_give_the_patches_of_any_tower_once(clip, tmp_path):
    pictures = random_pictures(3)
    for eyes, kind in ((Eyes(clip), "CLIPVisionModel"), (Eyes(save_siglip_eyes(tmp_path)), "SiglipVisionModel")):
        assert type(eyes.model).__name__ == kind
        assert (eyes.patches, eyes.width) == (16, 24)
        together = eyes.patches_of(pictures)
        assert together.shape == (3, 16, 24)
        pixels = eyes.processor(images=[pictures[1]], return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            states = eyes.model(pixel_values=pixels, output_hidden_states=True).hidden_states[-2][0]
        torch.testing.assert_close(together[1], states[-16:])
        looked = []
        handle = eyes.model.register_forward_hook(lambda *_, looked=looked: looked.append(1))
        assert torch.equal(eyes.patches_of(pictures[1:]), together[1:])
        handle.remove()
        assert not looked


def test_many_people_cost_no_second_look(llama, clip):
    decider = make_decider(llama, clip)
    stirred(decider.fusion)
    looks = []
    handle = decider.eyes.model.register_forward_hook(lambda *_: looks.append(1))
    pictures = random_pictures(2)
    rows = decider.answers(pictures, [liking_question(c) for c in ("", "age: 3", "age: 4", "age: 55")])
    handle.remove()
    decider.fusion.detach()
    assert len(looks) == 2
    assert len({row[i].liking for row in rows for i in range(4)}) == 8
