"""Tiny random checkpoints of every kind of scorer, saved as their published ones are or are to be laid out."""

from __future__ import annotations

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertTokenizer,
    BlipTextConfig,
    BlipVisionConfig,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
)
from transformers.models.blip.modeling_blip import BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel

from tests.reward_models.tiny_vlms import QWEN, TOKENS, _tokenizer, save_qwen

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "fox", "castle", "in", "the", "snow", "circle"]
LONGEST = 16  # tokens of a text that the tiny CLIP reads
ASKED = "\nHow good is this picture of the following? {text_prompt}\nThe rating: <|Reward|>\n\nEND\n"
HEAD = {"0": (24, 16), "2": (16, 12), "4": (12, 8), "6": (8, 6), "7": (6, 1)}


def save_clip(folder, width=32, projection=24):
    """CLIPModel with the processor and a tokenizer that begins and ends texts as CLIP's does."""
    torch.manual_seed(0)
    size = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {"vocab_size": len(WORDS) + 2, "max_position_embeddings": LONGEST, "eos_token_id": len(WORDS) + 1}
    config = CLIPConfig(
        text_config={**size, **text, "bos_token_id": len(WORDS), "pad_token_id": 0, "projection_dim": projection},
        vision_config={**size, "image_size": 32, "patch_size": 8, "projection_dim": projection},
        projection_dim=projection,
    )
    model = CLIPModel(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight *= 1 if "embedding" in name else 6
    model.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    _word_tokenizer().save_pretrained(folder)
    return folder


def _word_tokenizer():
    backend = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*WORDS, "<s>", "</s>"])}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("<s>", len(WORDS)), ("</s>", len(WORDS) + 1)]
    backend.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", bos_token="<s>", eos_token="</s>"
    )


def head_weights(layers=HEAD, prefix="layers.", seed=1):
    """Random linear layers by their published names."""
    rng, found = torch.Generator().manual_seed(seed), {}
    for name, (read, written) in layers.items():
        found[f"{prefix}{name}.weight"] = torch.randn(written, read, generator=rng) / read**0.5
        found[f"{prefix}{name}.bias"] = torch.randn(written, generator=rng) / 4
    return found


def save_clip_mlp(folder):
    """:func:`save_clip` and a head as LAION's beside it."""
    save_clip(folder)
    save_file(head_weights(), folder / "head.safetensors")
    return folder


def published_blip(width=128, text_width=64):
    """BLIP's encoders as transformers has them, and their weights under the names of the published ImageReward."""
    torch.manual_seed(0)
    eye = BlipVisionModel(
        BlipVisionConfig(
            hidden_size=width,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=8,
            layer_norm_eps=1e-6,
            initializer_range=0.1,
        )
    ).eval()
    reader = BlipTextModel(
        BlipTextConfig(
            vocab_size=len(WORDS),
            hidden_size=text_width,
            encoder_hidden_size=width,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=1,
            max_position_embeddings=40,
            initializer_range=0.1,
        ),
        add_pooling_layer=False,
    ).eval()
    weights = {f"blip.text_encoder.{n}": v for n, v in reader.state_dict().items()}
    for name, value in eye.state_dict().items():
        layer = name.replace("encoder.layers.", "blocks.").replace("self_attn.projection", "attn.proj")
        layer = layer.replace("self_attn.qkv", "attn.qkv").replace("layer_norm", "norm")
        layer = layer.replace("embeddings.patch_embedding", "patch_embed.proj").replace("post_layernorm", "norm")
        layer = layer.replace("embeddings.position_embedding", "pos_embed")
        weights[f"blip.visual_encoder.{layer.replace('embeddings.class_embedding', 'cls_token')}"] = value
    sizes = {"0": (text_width, 16), "2": (16, 12), "4": (12, 8), "6": (8, 6), "7": (6, 1)}
    weights |= head_weights(sizes, "mlp.layers.")
    weights["blip.vision_proj.weight"] = torch.zeros(4, width)  # of BLIP's training; nobody reads it
    return eye, reader, weights


def save_blip(folder):
    """The published form of ImageReward as safetensors, with BERT's tokenizer beside it."""
    save_file({k: v.clone() for k, v in published_blip()[2].items()}, folder / "ImageReward.safetensors")
    BertTokenizer(vocab={w: i for i, w in enumerate(WORDS)}).save_pretrained(folder)
    return folder


def save_qwen2(folder, layers=2, width=32):
    """Qwen2VLForConditionalGeneration with more rows of words than its tokenizer has, as the published one."""
    torch.manual_seed(0)
    tokenizer = _tokenizer(TOKENS, QWEN)
    ids = tokenizer.convert_tokens_to_ids
    text = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "tie_word_embeddings": False,
    }
    text |= {
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "vocab_size": len(tokenizer) + 5,
    }
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    vision = {"depth": 2, "embed_dim": width, "hidden_size": width, "num_heads": 2, "mlp_ratio": 2, "patch_size": 16}
    config = Qwen2VLConfig(
        text_config={**text, "bos_token_id": 0, "eos_token_id": 0, "rope_parameters": rope},
        vision_config={**vision, "spatial_merge_size": 2, "temporal_patch_size": 2},
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    Qwen2VLForConditionalGeneration(config).save_pretrained(folder)
    Qwen2VLImageProcessorPil(patch_size=16, merge_size=2).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


def save_hpsv3(folder):
    """A Qwen2-VL resized to one token more than its tokenizer, with HPSv3's head: names, file and instruction."""
    words = save_qwen2(folder) + 1
    weights = load_file(folder / "model.safetensors")
    weights = {
        n: v[:words].clone() if n.endswith(("embed_tokens.weight", "lm_head.weight")) else v for n, v in weights.items()
    }
    weights |= head_weights({"0": (32, 12), "3": (12, 6), "5": (6, 2)}, "rm_head.")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "instruction.txt").write_text(ASKED, encoding="utf-8")
    return folder


MAKERS = {"clip": save_clip, "clip-mlp": save_clip_mlp, "blip": save_blip, "levels": save_qwen, "hpsv3": save_hpsv3}
