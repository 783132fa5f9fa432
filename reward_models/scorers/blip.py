"""ImageReward: BLIP's text encoder reads the prompt while it looks at the picture, and a head scores what it read.

Xu et al. 2023 (arXiv 2304.05977). The published checkpoint has the names of the original BLIP; they are mapped to the
classes of transformers, and every size is read from the shapes of the weights.
"""

from __future__ import annotations

import math
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import BertTokenizer, BlipTextConfig, BlipVisionConfig
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD
from transformers.models.blip.modeling_blip import BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from reward_models.base import RewardError
from reward_models.encoders.base import first_line, precision_for
from reward_models.encoders.identity import digest_of, weights_hash
from reward_models.encoders.pixels import pixel_facts
from reward_models.residency import settled
from reward_models.scorers.batched import BatchedScorer
from reward_models.scorers.clip import LAYERS
from reward_models.scorers.weights import fill, linear_stack, read_weights, weights_in
from reward_models.trusted import load

# of the published model: (output - MEAN) / STD is its score, and of a prompt it reads so many tokens
MEAN, STD, TOKENS = 0.16717362830052426, 1.0333394966054072, 35
HEAD_WIDTH = 64  # of an attention head, in ViT-L (16 of 1024) and in BERT (12 of 768)
VISION_EPS, TEXT_EPS = 1e-6, 1e-12  # of BLIP's layer norms
PREFIXES = ("blip.visual_encoder.", "blip.text_encoder.", "mlp.layers.")
VISION_NAMES = (
    (r"^patch_embed\.proj\.", "embeddings.patch_embedding."),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^norm\.", "post_layernorm."),
    (r"^blocks\.(\d+)\.attn\.proj\.", r"encoder.layers.\1.self_attn.projection."),
    (r"^blocks\.(\d+)\.attn\.qkv\.", r"encoder.layers.\1.self_attn.qkv."),
    (r"^blocks\.(\d+)\.norm([12])\.", r"encoder.layers.\1.layer_norm\2."),
    (r"^blocks\.(\d+)\.mlp\.", r"encoder.layers.\1.mlp."),
)


class BlipScorer(BatchedScorer):
    """``model``: a folder with the checkpoint as safetensors under its published names (``blip.visual_encoder.*``,
    ``blip.text_encoder.*``, ``mlp.layers.*``) and the tokenizer of bert-base-uncased.
    """

    def __init__(self, model: str, device: str = "cpu", batch_size: int = 1):
        (path, *_) = weights_in(model)
        weights = read_weights(path)
        seen, read, head = (_part(weights, prefix, path) for prefix in PREFIXES)
        dtype = precision_for(device)
        eye = _vision(seen).to(dtype)
        self.eye: Any = settled(eye, device)
        self.reader: Any = settled(_text(read).to(dtype), device)
        self.head: Any = settled(linear_stack(head, LAYERS), device)
        side = eye.config.image_size
        self.pictures_in = CLIPImageProcessorPil(
            size={"shortest_edge": side},
            crop_size={"height": side, "width": side},
            image_mean=OPENAI_CLIP_MEAN,
            image_std=OPENAI_CLIP_STD,
        )
        try:
            self.tokenizer = load(BertTokenizer, model)
        except (OSError, ValueError) as error:
            raise RewardError(
                f"there is no tokenizer in '{model}': {first_line(error)}; copy that of bert-base-uncased there"
            ) from error
        super().__init__(f"the scorer '{model}'", [self.eye, self.reader, self.head], device, batch_size)

    def values(self, images: list[Image.Image], prompts: list[str]) -> Tensor:
        """(B,)."""
        pixels = self.pictures_in(images=images, return_tensors="pt")["pixel_values"].to(self.device, self.eye.dtype)
        patches = self.eye(pixel_values=pixels).last_hidden_state  # (B, P, W)
        tokens = self.tokenizer(
            prompts, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt"
        ).to(self.device)
        found = self.reader(
            input_ids=tokens["input_ids"],
            attention_mask=tokens["attention_mask"],
            encoder_hidden_states=patches,
            encoder_attention_mask=torch.ones(patches.shape[:-1], dtype=torch.long, device=self.device),
        ).last_hidden_state  # (B, T, D)
        return (self.head(found[:, 0].float())[:, 0] - MEAN) / STD

    def fingerprint(self) -> str:
        """Of all weights, and of how pixels are made."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        weights = weights_hash(self.eye, self.reader, self.head, dtype=torch.bfloat16)
        return digest_of(weights, pixel_facts(self.pictures_in))


def _part(weights: dict[str, Tensor], prefix: str, path: Path) -> dict[str, Tensor]:
    found = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    if not found:
        raise RewardError(f"'{path}' is no ImageReward: it has no weight {prefix}*")
    return found


def _vision(published: dict[str, Tensor]) -> BlipVisionModel:
    weights = {_renamed(name): value for name, value in published.items()}
    patch, places = weights["embeddings.patch_embedding.weight"], weights["embeddings.position_embedding"]
    config = BlipVisionConfig(
        hidden_size=patch.shape[0],
        intermediate_size=weights["encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=_depth(weights, r"encoder\.layers\.(\d+)\."),
        num_attention_heads=max(1, patch.shape[0] // HEAD_WIDTH),
        patch_size=patch.shape[-1],
        image_size=math.isqrt(places.shape[1] - 1) * patch.shape[-1],
        layer_norm_eps=VISION_EPS,
    )
    model = BlipVisionModel(config)
    fill(model, weights, "BLIP's picture encoder")
    return model


def _text(published: dict[str, Tensor]) -> BlipTextModel:
    weights = {name: value for name, value in published.items() if not name.endswith("position_ids")}
    words, places = weights["embeddings.word_embeddings.weight"], weights["embeddings.position_embeddings.weight"]
    config = BlipTextConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        encoder_hidden_size=weights["encoder.layer.0.crossattention.self.key.weight"].shape[1],
        intermediate_size=weights["encoder.layer.0.intermediate.dense.weight"].shape[0],
        num_hidden_layers=_depth(weights, r"encoder\.layer\.(\d+)\."),
        num_attention_heads=max(1, words.shape[1] // HEAD_WIDTH),
        max_position_embeddings=places.shape[0],
        layer_norm_eps=TEXT_EPS,
        is_decoder=True,  # in transformers' BLIP this is what gives the layers their cross attention
    )
    model = BlipTextModel(config, add_pooling_layer=False)
    buffers = {name: value for name, value in model.state_dict().items() if name.endswith("position_ids")}
    fill(model, {**weights, **buffers}, "BLIP's text encoder")
    return model


def _renamed(name: str) -> str:
    for pattern, new in VISION_NAMES:
        name = re.sub(pattern, new, name)
    return name


def _depth(weights: dict[str, Tensor], pattern: str) -> int:
    return 1 + max((int(m[1]) for name in weights if (m := re.match(pattern, name))), default=-1)
