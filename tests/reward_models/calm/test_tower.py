"""Which blocks are tapped, in towers of several classes, and that a picture is seen the same in any company."""

from __future__ import annotations

import pytest
import torch
from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTImageProcessorPil, ViTModel

from reward_models import RewardError
from reward_models.calm.tower import TappedTower, taps_of
from reward_models.profile_mllm.eyes import Eyes
from reward_models.testing.fakes import random_pictures
from tests.reward_models.shipped import SIGLIP
from tests.reward_models.tiny_vlms import save_clip_eyes, save_siglip_eyes

SHAPE = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 2, "image_size": 64, "patch_size": 16}


def save_other(kind, folder):
    torch.manual_seed(1)
    model = ViTModel(ViTConfig(**SHAPE, intermediate_size=48)) if kind == "vit" else Dinov2Model(Dinov2Config(**SHAPE))
    model.save_pretrained(folder)
    ViTImageProcessorPil(
        size={"height": 48, "width": 64} if kind == "dinov2" else {"height": 64, "width": 64}
    ).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("depth", "taps"),
    [(24, (4, 12, 24, 23)), (4, (1, 2, 4, 3)), (12, (2, 6, 12, 11)), (27, (5, 14, 27, 26)), (1, (1, 1, 1, 1))],
)
def test_taps_lie_at_the_same_share_of_any_depth(depth, taps):
    assert taps_of(depth) == taps


@pytest.mark.parametrize("kind", ["clip", "siglip", "vit", "dinov2"])
def test_the_taps_are_what_the_blocks_give_without_a_class_token(kind, tmp_path):
    save = {"clip": save_clip_eyes, "siglip": save_siglip_eyes}.get(kind, lambda folder: save_other(kind, folder))
    tower = TappedTower(save(tmp_path))
    assert tower.taps == taps_of(tower.depth)
    assert tower.patches == (12 if kind == "dinov2" else 16)
    (picture,) = random_pictures(1)
    blocks, given = tower._blocks(), []
    hooks = [block.register_forward_hook(lambda _, __, out: given.append(out)) for block in blocks]
    states = tower.states_of([picture])
    for hook in hooks:
        hook.remove()
    assert states.shape == (1, 4, tower.patches, 24)
    assert states.dtype == torch.float16
    for level, tap in enumerate(tower.taps):
        whole = given[tap - 1][0] if isinstance(given[tap - 1], tuple) else given[tap - 1]
        assert whole.shape[1] - tower.patches == (0 if kind == "siglip" else 1)
        torch.testing.assert_close(states[0, level], whole[0, -tower.patches :].half())


def test_the_shipped_tower_has_64_patches_and_is_tapped_at_1_2_4():
    tower = TappedTower(SIGLIP)
    assert (tower.taps, tower.patches, tower.width) == ((1, 2, 4, 3), 64, 192)


def test_hidden_states_of_transformers_are_the_same_below_the_last_block(clip):
    pictures = random_pictures(2)
    states, eyes = TappedTower(clip).states_of(pictures), Eyes(clip, layer=1)
    torch.testing.assert_close(states[:, 0], eyes.patches_of(pictures).half())


def test_states_do_not_depend_on_company_and_may_be_trained_on(clip):
    pictures = random_pictures(3)
    tower = TappedTower(clip, keep=0)
    with torch.inference_mode():
        together = tower.states_of(pictures)
    alone = TappedTower(clip, keep=0).states_of(pictures[1:2])
    assert torch.equal(alone[0], together[1])
    assert not tower._kept
    assert not TappedTower(clip).looked(pictures[:1])[0].is_inference()


def test_taps_that_are_not_there_and_models_without_patches_are_refused(clip, llama):
    with pytest.raises(RewardError, match="has 3 blocks"):
        TappedTower(clip, taps=(1, 2, 4, 3))
    with pytest.raises(RewardError, match="vision tower"):
        TappedTower(llama)


def test_the_fingerprint_tells_taps_apart(clip):
    assert TappedTower(clip).fingerprint() == TappedTower(clip).fingerprint()
    assert TappedTower(clip).fingerprint() != TappedTower(clip, taps=(1, 2, 3, 3)).fingerprint()
