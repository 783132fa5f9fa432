"""Caches of the denoiser's results: what they skip and refuse, and that nothing of one picture reaches another."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import NucleusMoEImageTransformer2DModel
from diffusers.hooks import HookRegistry, TextKVCacheConfig

from steer.config import CacheSettings, DiffusersConfig, load_config
from steer.errors import RenderError, UsageError
from steer.renderers.caches import Caches, Wanted
from steer.renderers.diffusion import DiffusersRenderer

PROMPTS, SEEDS = ["a fox at dawn", "a castle in fog", "a boat by the sea"], [1, 2, 3]
STEPS = 8
LOSSY = {
    "first-block": {"threshold": 0.25},
    "sea": {"threshold": 0.3, "first": 1},
    "taylorseer": {"first": 2},
    "mag": {"threshold": 0.5, "first": 1},
}


def small(**changes):
    """The miniature, at a quarter of its size."""
    values = load_config("miniature").renderer.model_dump() | {"width": 64, "height": 64, "steps": STEPS}
    return DiffusersConfig.model_validate({**values, "batch_size": 3, **changes})


class Counted:
    """A renderer, and how many blocks its denoiser computed, a picture each."""

    def __init__(self, config, pipeline=None):
        self.renderer, self.blocks = DiffusersRenderer(config, pipeline), 0
        for name, part in self.renderer.pipeline.transformer.named_modules():
            if name.endswith("attn.to_q"):
                part.register_forward_pre_hook(self._count)

    def _count(self, _part, inputs):
        self.blocks += len(inputs[0])

    def __call__(self, prompts=PROMPTS, seeds=SEEDS, **options):
        self.blocks = 0
        return [np.asarray(p, dtype=float) for p in self.renderer.render(prompts, seeds, **options)]


@pytest.fixture(scope="module")
def full():
    counted = Counted(small())
    return counted(), counted.blocks


@pytest.mark.parametrize("kind", LOSSY)
def test_a_cache_skips_blocks_and_stays_near(kind, full):
    counted = Counted(small(cache=kind, cache_settings=LOSSY[kind]))
    pictures = counted()
    assert counted.blocks < 0.85 * full[1]
    change = np.mean([np.abs(a - b).mean() for a, b in zip(pictures, full[0], strict=True)])
    assert 0 < change < 16


@pytest.mark.parametrize("kind", LOSSY)
def test_a_picture_is_the_same_whatever_was_drawn_before_and_beside_it(kind):
    """Also after a call that broke off in the middle, which leaves a cache full."""
    counted = Counted(small(cache=kind, cache_settings=LOSSY[kind]))
    first = counted()

    def leave(_pipeline, step, _time, _given):
        if step == 4:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        counted(["a lighthouse"] * 3, [7, 8, 9], on_step=leave)
    again = counted(PROMPTS[::-1], SEEDS[::-1])[::-1]
    alone = [counted([p], [s])[0] for p, s in zip(PROMPTS, SEEDS, strict=True)]
    for a, b, c in zip(first, again, alone, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a, c)


def test_drafts_have_a_cache_of_their_own(full):
    """A draft changes nothing of the pictures in full, whichever came first."""
    counted = Counted(small(draft={"steps": 6, "cache": "taylorseer", "cache_settings": {"first": 2}}))
    draft = counted.renderer.drafts
    before = [np.asarray(p) for p in draft.render(PROMPTS, SEEDS)]
    drafted = counted.blocks
    pictures = counted()
    assert drafted < 6 / STEPS * counted.blocks
    assert all(np.array_equal(a, b) for a, b in zip(pictures, full[0], strict=True))
    after = [np.asarray(p) for p in draft.render(PROMPTS, SEEDS)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_draft_may_be_without_the_cache_of_the_full_picture(full):
    counted = Counted(small(cache="taylorseer", draft={"cache": "none"}))
    drafts = [np.asarray(p, dtype=float) for p in counted.renderer.drafts.render(PROMPTS, SEEDS)]
    assert all(np.array_equal(a, b) for a, b in zip(drafts, full[0], strict=True))


def test_magcache_with_ratios_measures_nothing(full):
    counted = Counted(small(cache="mag", cache_settings={"ratios": [1.0] * STEPS}))
    counted()
    assert counted.blocks < full[1]
    measuring = Counted(small(cache="mag", cache_settings=LOSSY["mag"]))
    measuring()
    once = measuring.blocks
    measuring()
    assert measuring.blocks < once


def test_text_keys_of_flux_change_at_every_step():
    """diffusers' cache of texts' keys finds nothing in FLUX: equal pictures, and nothing kept; so it is refused."""
    counted = Counted(small())
    plain, blocks = counted(), counted.blocks
    model = counted.renderer.pipeline.transformer
    model.enable_cache(TextKVCacheConfig())
    kept = counted()
    hooked = [m for m in model.transformer_blocks if HookRegistry.check_if_exists_or_initialize(m).hooks]
    model.disable_cache()
    assert all(np.array_equal(a, b) for a, b in zip(plain, kept, strict=True))
    assert counted.blocks == blocks
    assert not hooked
    with pytest.raises(RenderError, match="text-kv keeps nothing in a FluxTransformer2DModel"):
        DiffusersRenderer(small(cache="text-kv"))


def test_caches_that_a_denoiser_cannot_have(sdxl, klein):
    with pytest.raises(RenderError, match="no caches for StableDiffusionXLPipeline"):
        DiffusersRenderer(DiffusersConfig(model=str(sdxl), width=32, height=32, cache="mag"))
    for kind in ("first-block", "sea"):
        with pytest.raises(RenderError, match=rf"cache={kind} does not fit FLUX\.2"):
            DiffusersRenderer(DiffusersConfig(model=str(klein), width=32, height=32, cache=kind))
    with pytest.raises(RenderError, match=r"does not fit FLUX\.2"):  # a draft's too, before anything is drawn
        DiffusersRenderer(DiffusersConfig(model=str(klein), width=32, height=32, draft={"cache": "sea"}))


@pytest.mark.parametrize("kind", ["taylorseer", "mag"])
def test_klein_with_a_cache(klein, kind):
    call = {"guidance_scale": 1.0, "max_sequence_length": 64}
    config = DiffusersConfig(
        model=str(klein), width=32, height=32, steps=8, batch_size=2, call=call, cache=kind, cache_settings=LOSSY[kind]
    )
    counted, plain = Counted(config), Counted(config.model_copy(update={"cache": "none"}))
    first, whole = counted(), plain()
    counted()  # MagCache has been measured
    assert counted.blocks < plain.blocks
    assert np.mean([np.abs(a - b).mean() for a, b in zip(first, whole, strict=True)]) < 60


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("renderer.cache_settings.order=2", "cache_settings.order is for sea and taylorseer, not for first-block"),
        ("renderer.cache_settings.threshold=0", "0 is not more than 0"),
        ("renderer.cache=teacache", "teacache"),
    ],
)
def test_settings_that_a_cache_does_not_read(setting, said):
    with pytest.raises(UsageError, match=said):
        load_config("miniature", ["renderer.cache=first-block", setting])


def test_other_attention(monkeypatch, sdxl):
    """The arithmetic by hand: nearly the same picture, by the backend that was asked for."""
    counted = Counted(small(attention="_native_math"))
    processors = {m.processor._attention_backend.value for m in attention_of(counted.renderer.pipeline.transformer)}
    assert processors == {"_native_math"}
    difference = np.max([np.abs(a - b).max() for a, b in zip(counted(), Counted(small())(), strict=True)])
    assert difference <= 2
    with pytest.raises(UsageError, match="attention backend 'flahs' not found"):
        DiffusersRenderer(small(attention="flahs"))
    with pytest.raises(RenderError, match=r"renderer\.attention=sage does not run here"):
        DiffusersRenderer(small(attention="sage"))
    with pytest.raises(RenderError, match="UNet2DConditionModel has no other backends"):
        DiffusersRenderer(DiffusersConfig(model=str(sdxl), width=32, height=32, attention="native"))


def attention_of(model):
    return [m for m in model.modules() if hasattr(getattr(m, "processor", None), "_attention_backend")]


def test_weights_kept_in_eight_bits_and_computed_in_sixteen(full):
    sixteen = Counted(small(dtype="bfloat16"))
    eight = Counted(small(dtype="bfloat16", quantize="fp8-cast"))
    sizes = [
        sum(p.numel() * p.element_size() for p in each.renderer.pipeline.transformer.parameters())
        for each in (sixteen, eight)
    ]
    assert 0.5 <= sizes[1] / sizes[0] < 0.75
    change = np.mean([np.abs(a - b).mean() for a, b in zip(eight(), sixteen(), strict=True)])
    assert 0 < change < 16


def test_text_kv_is_exact_where_a_text_is_read_the_same_at_every_step():
    """diffusers keeps keys by a text's address in memory: another text at that address is read anew."""
    torch.manual_seed(0)
    model = NucleusMoEImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 6, 6),
        moe_enabled=False,
    ).eval()
    caches = Caches(SimpleNamespace(components={"transformer": model}))
    read = []
    for block in model.transformer_blocks:
        block.attn.add_k_proj.register_forward_pre_hook(lambda *_: read.append(1))
    text = torch.empty(1, 8, 32)
    made = {}
    for kind in ("none", "text-kv"):
        for seed in (1, 2):
            text.copy_(torch.randn(1, 8, 32, generator=torch.Generator().manual_seed(seed)))
            read.clear()
            with torch.no_grad(), caches.on(Wanted(kind, CacheSettings(), 3), None):
                made[kind, seed] = [
                    model(
                        hidden_states=torch.full((1, 16, 16), float(step)),
                        encoder_hidden_states=text,
                        timestep=torch.tensor([1 - step / 3]),
                        img_shapes=[(1, 4, 4)],
                        return_dict=False,
                    )[0]
                    for step in range(3)
                ]
            assert len(read) == (6 if kind == "none" else 2)
    for seed in (1, 2):
        assert all(torch.equal(a, b) for a, b in zip(made["none", seed], made["text-kv", seed], strict=True))
