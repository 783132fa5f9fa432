"""Pools of real vision-language classes, tiny and random, against transformers' own hidden states."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from reward_models.base import RewardError
from reward_models.encoders.cache import FeatureCache
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.encoders.vlm import load_vlm
from tests.reward_models.tiny_vlms import save_gemma, save_qwen, save_qwen25

SIZE = {"qwen": 128, "qwen25": 128, "gemma": 64}
EVERY = [f"V_{i}" for i in range(3)] + [f"{s}_{i}" for s in ("LV", "LT") for i in range(5)]


@pytest.fixture(scope="module", params=["qwen", "qwen25", "gemma"])
def vlm(request, tmp_path_factory):
    save = {"qwen": save_qwen, "qwen25": save_qwen25, "gemma": save_gemma}[request.param]
    return save(tmp_path_factory.mktemp(request.param)), SIZE[request.param]


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (90, 70, 3), dtype=np.uint8)) for _ in range(5)]


def whole(encoder, picture):
    """transformers' hidden states of one picture, and which positions are the picture's."""
    p = encoder.prepare(picture)
    ids = p["input_ids"][None]
    more = {k: v[None] for k, v in p.items() if k not in ("input_ids", "pixel_values")}
    at = ids[0] == encoder.layout.picture_token
    more[encoder.layout.kinds] = at[None].int()
    with torch.inference_mode():
        out = encoder.model(
            input_ids=ids,
            pixel_values=p["pixel_values"],
            attention_mask=torch.ones_like(ids),
            output_hidden_states=True,
            **more,
        )
    return [h[0] for h in out.hidden_states], at


def test_equal_to_the_models_own_hidden_states(vlm, pictures):
    folder, size = vlm
    encoder = HiddenPools(folder, EVERY, size=size, batch_size=2)
    found = encoder.split(encoder.images(pictures))
    states, at = whole(encoder, pictures[1])
    assert len(states) == 5
    assert at.sum() == 16
    for i, state in enumerate(states):
        assert found[f"LT_{i}"][1] == pytest.approx(state[~at].mean(0).numpy(), abs=1e-5)
        assert found[f"LV_{i}"][1] == pytest.approx(state[at].mean(0).numpy(), abs=1e-5)
    assert found["V_2"].std(0).max() > 1e-4


def test_what_carries_nothing_of_the_picture(vlm, pictures):
    folder, size = vlm
    encoder = HiddenPools(folder, EVERY, size=size)
    found = encoder.split(encoder.images(pictures))
    assert found["LT_0"].std(0).max() == 0
    assert found["LT_2"].std(0).max() > 1e-6
    (one, at), (two, _) = whole(encoder, pictures[0]), whole(encoder, pictures[1])
    before = int(at.nonzero()[0])
    assert before > 3
    for a, b in zip(one, two, strict=True):
        assert (a[:before] == b[:before]).all()
    assert not torch.equal(one[2][before:], two[2][before:])


def test_company_changes_nothing_and_nothing_is_computed_in_vain(vlm, pictures):
    folder, size = vlm
    encoder = HiddenPools(folder, ["LT_2"], size=size, batch_size=3)
    together, alone = encoder.images(pictures), torch.cat([encoder.images([p]) for p in pictures])
    assert torch.equal(together, alone)
    calls = []
    for i, layer in enumerate(encoder.layout.decoder):
        layer.register_forward_hook(lambda *_, i=i: calls.append(i))
    encoder.images(pictures[:1])
    assert calls == [0, 1]
    vision = HiddenPools(folder, ["V_1"], size=size)
    vision.layout.decoder[0].register_forward_hook(lambda *_: calls.append("decoder"))
    assert vision.images(pictures[:1]).shape == (1, 32)
    assert "decoder" not in calls


def test_threads_do_not_hear_each_other(vlm, pictures):
    encoder = HiddenPools(vlm[0], ["LT_2", "LV_1"], size=vlm[1], batch_size=1)
    alone = [encoder.images([p]) for p in pictures]
    encoder.layout.decoder[1].register_forward_pre_hook(lambda *_: time.sleep(0.005))  # let another thread in
    with ThreadPoolExecutor(4) as pool:
        beside = list(pool.map(lambda p: encoder.images([p]), pictures * 4))
    assert all(torch.equal(a, b) for a, b in zip(alone * 4, beside, strict=True))


def test_features_are_kept_on_disk_and_of_one_size(vlm, pictures, tmp_path):
    folder, size = vlm
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f"{i}.png")
    encoder = HiddenPools(folder, ["LT_3"], size=size)
    first = FeatureCache(tmp_path / "kept", encoder).pictures(tmp_path, ["0.png", "3.png"])
    encoder.model.forward = None  # not asked again
    again = FeatureCache(tmp_path / "kept", encoder).pictures(tmp_path, ["3.png", "0.png"])
    assert torch.equal(first.vectors, again.vectors.flip(0))
    large = pictures[0].resize((700, 900), Image.Resampling.NEAREST)
    other = HiddenPools(folder, ["LT_3"], size=size)
    assert other.prepare(large)["input_ids"].shape == other.prepare(pictures[0])["input_ids"].shape


def test_its_fingerprint_knows_what_changes_vectors(vlm):
    folder, size = vlm
    prints = {
        HiddenPools(folder, pools, size=s, prompt=p).fingerprint()
        for pools, s, p in (
            (["LT_2"], size, "base"),
            (["LT_3"], size, "base"),
            (["LT_2"], size // 2 * 1, "base"),
            (["LT_2"], size, "unrelated"),
        )
    }
    assert len(prints) == 4


def test_other_pools_of_a_loaded_model(vlm, pictures):
    folder, size = vlm
    one = HiddenPools(folder, ["LT_2"], size=size)
    other, fresh = one.with_pools(["V_1", "LT_3"]), HiddenPools(folder, ["V_1", "LT_3"], size=size)
    assert other.model is one.model
    assert torch.equal(other.images(pictures), fresh.images(pictures))
    assert other.fingerprint() == fresh.fingerprint() != one.fingerprint()
    assert one.images(pictures[:1]).shape == (1, one.width) != (1, other.width)
    with pytest.raises(RewardError, match="has no LT_9"):
        one.with_pools(["LT_9"])


def test_wrong_names_are_one_line(vlm, tmp_path):
    folder, size = vlm
    for pools, said in (
        (["LT_9"], "has no LT_9: its last is LT_4"),
        (["V_3"], "its last is V_2"),
        (["LX_1"], "is no pool"),
    ):
        with pytest.raises(RewardError, match=said):
            HiddenPools(folder, pools, size=size)
    with pytest.raises(RewardError, match="cannot load the vision-language model"):
        HiddenPools(tmp_path / "nowhere")


def test_pools_are_those_of_the_model_called_with_all_that_its_own_processor_gives(vlm, pictures):
    """Of Gemma also which tokens are the picture's: they see each other, and without that every state differs."""
    folder, size = vlm
    encoder, processor = HiddenPools(folder, EVERY, size=size), load_vlm(folder).processor
    image = pictures[0].resize((size, size), Image.Resampling.BICUBIC)
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": encoder.prompt}]}]
    text = processor.apply_chat_template(turn, add_generation_prompt=False)
    theirs = processor(images=[image], text=[text], add_special_tokens=False, return_tensors="pt")
    ours = encoder.prepare(image)
    assert ours["input_ids"].tolist() == theirs["input_ids"][0].tolist()
    assert torch.equal(ours["pixel_values"], theirs["pixel_values"])
    kinds = theirs[encoder.layout.kinds]
    at = theirs["input_ids"][0] == encoder.layout.picture_token
    assert torch.equal(kinds[0].bool(), at)
    with torch.inference_mode():
        states = encoder.model(**theirs, output_hidden_states=True).hidden_states
    found = encoder.split(encoder.images([image]))
    for i, (state,) in enumerate(states):
        assert found[f"LT_{i}"][0] == pytest.approx(state[~at].mean(0).numpy(), abs=1e-5)
        assert found[f"LV_{i}"][0] == pytest.approx(state[at].mean(0).numpy(), abs=1e-5)


def test_layers_that_no_pool_wants_are_dropped_and_change_nothing(vlm, pictures):
    folder, size = vlm
    whole_, lean = (HiddenPools(folder, ["LT_2", "V_1"], size=size, whole=w) for w in (True, False))
    assert len(lean.layout.decoder) == 2
    assert sum(p.numel() for p in lean.model.parameters()) < sum(p.numel() for p in whole_.model.parameters())
    assert torch.equal(lean.images(pictures), whole_.images(pictures))
    assert lean.fingerprint() == whole_.fingerprint()
    with pytest.raises(RewardError, match="loaded without its layers after 2; load it whole for LT_3"):
        lean.with_pools(["LT_3"])
    for pools in (["LT_4"], ["LT_0"], ["V_2"], ["LV_3"]):
        lean, whole_ = (HiddenPools(folder, pools, size=size, whole=w) for w in (False, True))
        assert torch.equal(lean.images(pictures[:2]), whole_.images(pictures[:2])), pools


def test_dropped_layers_never_come_to_the_device(vlm, monkeypatch):
    moved = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *a, **k: moved.append(self) or self)
    HiddenPools(vlm[0], ["LT_1"], size=vlm[1], whole=False)
    assert len(moved[-1].model.language_model.layers) == 1
