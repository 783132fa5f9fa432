"""SDXL, FLUX.1 dev and FLUX.2 klein at full size with random weights, from their published configurations, for
measuring speed on a card.

Only the geometry is theirs; what is drawn is noise. The tokenizers are small ones, which cost nothing either way.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    FluxPipeline,
    FluxTransformer2DModel,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Qwen3Config,
    Qwen3ForCausalLM,
    T5Config,
    T5EncoderModel,
)

from tests.tiny_tokenizers import byte_tokenizer
from trainers.text import build_tokenizer, captions

VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "sample_size": 1024,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
CLIP_L: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}
CLIP_G: dict[str, Any] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
    "hidden_act": "gelu",
}


def sdxl_unet() -> UNet2DConditionModel:
    """2.57 billion parameters."""
    return UNet2DConditionModel(
        sample_size=128,
        block_out_channels=(320, 640, 1280),
        layers_per_block=2,
        cross_attention_dim=2048,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(5, 10, 20),
        transformer_layers_per_block=(1, 2, 10),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    )


def flux_transformer() -> FluxTransformer2DModel:
    """11.9 billion parameters."""
    return FluxTransformer2DModel(
        in_channels=64,
        num_layers=19,
        num_single_layers=38,
        attention_head_dim=128,
        num_attention_heads=24,
        joint_attention_dim=4096,
        pooled_projection_dim=768,
        guidance_embeds=True,
        axes_dims_rope=(16, 56, 56),
    )


def t5_xxl() -> T5EncoderModel:
    """4.76 billion parameters."""
    return T5EncoderModel(
        T5Config(
            vocab_size=32128,
            d_model=4096,
            d_ff=10240,
            d_kv=64,
            num_layers=24,
            num_heads=64,
            feed_forward_proj="gated-gelu",
            tie_word_embeddings=False,
        )
    )


def klein_transformer() -> Flux2Transformer2DModel:
    """3.88 billion parameters."""
    return Flux2Transformer2DModel(
        num_layers=5, num_single_layers=20, num_attention_heads=24, joint_attention_dim=7680, guidance_embeds=False
    )


def qwen3_4b() -> Qwen3ForCausalLM:
    """4.02 billion parameters."""
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=151936,
            hidden_size=2560,
            intermediate_size=9728,
            num_hidden_layers=36,
            num_attention_heads=32,
            num_key_value_heads=8,
            head_dim=128,
            tie_word_embeddings=True,
        )
    )


def build(name: str, device: str, dtype: torch.dtype) -> Any:
    """The whole pipeline, made on the device itself."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            made, parts = {
                "sdxl": (StableDiffusionXLPipeline, _sdxl),
                "flux": (FluxPipeline, _flux),
                "klein": (Flux2KleinPipeline, _klein),
            }[name]
            return made(**parts())
    finally:
        torch.set_default_dtype(before)


def _sdxl() -> dict[str, Any]:
    clip = build_tokenizer(captions(0, 200), "clip", 77)
    return {
        "vae": AutoencoderKL(latent_channels=4, scaling_factor=0.13025, force_upcast=False, **VAE),
        "unet": sdxl_unet(),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**CLIP_L)),
        "tokenizer": clip,
        "tokenizer_2": clip,
        "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_G)),
        "scheduler": EulerDiscreteScheduler(),
    }


def _flux() -> dict[str, Any]:
    return {
        "vae": AutoencoderKL(
            latent_channels=16,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
            force_upcast=False,
            **VAE,
        ),
        "transformer": flux_transformer(),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**CLIP_L)),
        "tokenizer": build_tokenizer(captions(0, 200), "clip", 77),
        "text_encoder_2": t5_xxl(),
        "tokenizer_2": build_tokenizer(captions(0, 200), "t5", 512),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
    }


def _klein() -> dict[str, Any]:
    return {
        "vae": AutoencoderKLFlux2(),
        "transformer": klein_transformer(),
        "text_encoder": qwen3_4b(),
        "tokenizer": byte_tokenizer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
        "is_distilled": True,
    }
