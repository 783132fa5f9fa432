"""The tiny Qwen3-VL begins with the SigLIP's sight; what ships reads the world."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from transformers import SiglipVisionModel

from reward_models.encoders.hidden_states import HiddenPools
from steer.miniature.painter import paint
from steer.miniature.world import ATTRIBUTES
from steer.resources import miniature_weights
from trainers import vlm
from trainers.data import scene_at, to_tensor


def test_the_vision_tower_starts_from_the_siglip():
    siglip = SiglipVisionModel.from_pretrained(miniature_weights("siglip"), dtype=torch.float32).eval()
    torch.manual_seed(0)
    model = vlm.build(600, {name: 500 + i for i, name in enumerate(vlm.SPECIAL)}).eval()
    vlm.see_as(model, siglip)
    picture = to_tensor(np.random.default_rng(0).integers(0, 255, (1, 128, 128, 3), dtype=np.uint8))
    seen = {}
    blocks = model.model.visual.blocks
    blocks[0].register_forward_pre_hook(
        lambda _, args, kwargs: seen.update(first=args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    blocks[-1].register_forward_hook(lambda _m, _i, output: seen.update(last=output))
    with torch.inference_mode():
        model.model.visual(vlm.patches(picture), grid_thw=torch.tensor([[1, 8, 8]]))
        theirs = siglip(pixel_values=picture, output_hidden_states=True).hidden_states
    merged_first = torch.arange(64).reshape(4, 2, 4, 2).permute(0, 2, 1, 3).flatten()
    assert torch.allclose(seen["first"], theirs[0][0][merged_first], atol=1e-4)
    # only rotary positions are new to the blocks
    assert F.cosine_similarity(seen["last"], theirs[-1][0][merged_first], dim=-1).mean() > 0.9


def test_what_ships_reads_scenes_it_never_saw():
    """A ridge from the reward's features to the attributes, fitted on 300 painted scenes and asked about 100 of unseen
    combinations."""
    from steer.judging.load import load_reward

    encoder = load_reward("miniature/linear-hidden").encoder
    assert isinstance(encoder, HiddenPools)
    known = [scene_at(901, i) for i in range(300)]
    new = [scene_at(902, i, unseen=True) for i in range(100)]
    x, z = (encoder.images([paint(s, False) for s in scenes]).double().numpy() for scenes in (known, new))
    middle, scale = x.mean(0), x.std(0) + 1e-9
    x, z = (x - middle) / scale, (z - middle) / scale
    right = {}
    for k, (name, values) in enumerate(ATTRIBUTES.items()):
        target = np.eye(len(values))[[s.indices()[k] for s in known]]
        weight = np.linalg.solve(x.T @ x + 30 * np.eye(x.shape[1]), x.T @ (target - target.mean(0)))
        guess = (z @ weight + target.mean(0)).argmax(1)
        right[name] = np.mean(guess == np.array([s.indices()[k] for s in new]))
    assert min(right[name] for name in ("place", "light", "style", "framing", "position")) > 0.85, right
