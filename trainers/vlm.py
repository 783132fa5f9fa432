"""A tiny Qwen3-VL for Linear-Hidden: it learns to write a picture's caption after a user's turn, with a throw-away head
on its hidden states.

As the SigLIP's, the head names the attributes; without it a model of this size learns the captions' grammar first and
the pictures late. As in the real Qwen3-VL, the vision tower starts from a SigLIP: from random weights two hours of a
laptop were not enough.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipVisionModel,
)

from reward_models.encoders.hidden_states import PROMPTS
from steer.miniature.eye import load_eye
from steer.miniature.words import caption
from steer.miniature.world import ATTRIBUTES
from steer.resources import miniature_weights
from trainers.common import Trainer, batches
from trainers.data import N_CLASSES, Pictures, mirror, scene_of, to_tensor
from trainers.eyes import augment
from trainers.held_out import generated
from trainers.text import attribute_loss, build_tokenizer, captions

WIDTH, LAYERS, READ = 128, 6, 4  # READ: the decoder layer whose mean over text tokens is used later
SIGHT = 192  # the width of the vision tower, as the SigLIP's
PATCH, MERGE, SIDE = 16, 2, 128
SEED = 41
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}"
)


def tokenizer_of() -> PreTrainedTokenizerFast:
    """The world's words and the tokens of a Qwen chat."""
    tokenizer = build_tokenizer(
        [*captions(2, 40_000), *[f"user {p.lower()} assistant" for p in PROMPTS.values()] * 50], "t5", 512
    )
    tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL})
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def build(vocabulary: int, ids: dict[str, int]) -> Qwen3VLForConditionalGeneration:
    """Six decoder layers, 128 wide, four vision layers, 192 wide."""
    text = {
        "vocab_size": vocabulary,
        "hidden_size": WIDTH,
        "intermediate_size": 3 * WIDTH,
        "num_hidden_layers": LAYERS,
        "head_dim": 32,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 512,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "mrope_section": [6, 5, 5],
            "mrope_interleaved": True,
        },
    }
    vision = {
        "depth": 4,
        "hidden_size": SIGHT,
        "intermediate_size": 3 * SIGHT,
        "num_heads": 4,
        "out_hidden_size": WIDTH,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": 2,
        "num_position_embeddings": (SIDE // PATCH) ** 2,
        "deepstack_visual_indexes": [1, 2],
    }
    config = Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=True,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    return Qwen3VLForConditionalGeneration(config)


def see_as(model: Qwen3VLForConditionalGeneration, siglip: SiglipVisionModel) -> None:
    """Start the vision tower from a SigLIP's of the same shape; only the rotary positions, which a SigLIP lacks, are
    new to it."""
    ours, theirs = model.model.visual, siglip.state_dict()
    theirs = {k.removeprefix("vision_model."): v for k, v in theirs.items()}
    conv = theirs[
        "embeddings.patch_embedding.weight"
    ]  # (width, 3, 16, 16); ours sees every picture twice, as a film of two
    state = {
        "patch_embed.proj.weight": conv.unsqueeze(2).expand(-1, -1, 2, -1, -1) / 2,
        "patch_embed.proj.bias": theirs["embeddings.patch_embedding.bias"],
        "pos_embed.weight": theirs["embeddings.position_embedding.weight"],
        "merger.norm.weight": theirs["post_layernorm.weight"],
        "merger.norm.bias": theirs["post_layernorm.bias"],
    }
    names = {
        "norm1": "layer_norm1",
        "norm2": "layer_norm2",
        "attn.proj": "self_attn.out_proj",
        "mlp.linear_fc1": "mlp.fc1",
        "mlp.linear_fc2": "mlp.fc2",
    }
    for i in range(len(ours.blocks)):
        for kind in ("weight", "bias"):
            of = f"encoder.layers.{i}."
            state |= {f"blocks.{i}.{a}.{kind}": theirs[f"{of}{b}.{kind}"] for a, b in names.items()}
            state[f"blocks.{i}.attn.qkv.{kind}"] = torch.cat(
                [theirs[f"{of}self_attn.{c}_proj.{kind}"] for c in ("q", "k", "v")]
            )
    missing, unknown = ours.load_state_dict(state, strict=False)
    if unknown or not all(m.startswith(("merger.linear", "deepstack_merger_list")) for m in missing):
        raise ValueError(f"The towers do not fit: {missing} {unknown}")


def patches(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures (B, 3, H, W) in [-1, 1] as Qwen's image processor cuts them: (B patches, 3 x 2 x 16 x 16), merged blocks
    together."""
    b, c, h, w = pictures.shape
    gh, gw = h // PATCH, w // PATCH
    cut = pictures.reshape(b, c, gh // MERGE, MERGE, PATCH, gw // MERGE, MERGE, PATCH).permute(0, 2, 5, 3, 6, 1, 4, 7)
    return cut.unsqueeze(6).expand(*cut.shape[:6], 2, *cut.shape[6:]).reshape(b * gh * gw, -1)


class _Named(nn.Module):
    """The model with a throw-away head on the mean of layer ``READ`` over the user turn's text tokens."""

    def __init__(self, model: Qwen3VLForConditionalGeneration):
        super().__init__()
        self.vlm, self.head = model, nn.Linear(WIDTH, sum(N_CLASSES))


def train(data: Pictures, dataset: Path, folder: Path, minutes: float, batch: int = 48, lr: float = 1e-3) -> None:
    """Write model, tokenizer and image processor to ``folder``/model."""
    torch.manual_seed(SEED)
    generator, rng = torch.Generator().manual_seed(SEED), random.Random(SEED)
    tokenizer = tokenizer_of()
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL}
    both = _Named(build(len(tokenizer), ids))
    see_as(both.vlm, SiglipVisionModel.from_pretrained(miniature_weights("siglip"), dtype=torch.float32))
    trainer = Trainer(
        folder, both, 10**6, lr, minutes=minutes, ema=0.995, muon=lambda n: "layers." in n or "blocks." in n
    )
    drawn, seen_in = generated(dataset)
    index, m = batches(len(data), batch, generator), batch // 3
    grid = torch.tensor([[1, SIDE // PATCH, SIDE // PATCH]]).expand(batch, 3)
    n_picture = (SIDE // PATCH // MERGE) ** 2
    turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROMPTS["base"]}]}]
    head = tokenizer.apply_chat_template(turn, tokenize=False).replace("<|image_pad|>", "<|image_pad|>" * n_picture)
    asked = tokenizer(head, add_special_tokens=False)["input_ids"]

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = next(index).sort().values
        pictures, labels = data.batch(rows.numpy()), data.labels[rows].clone()
        chosen = torch.randint(len(drawn), (m,), generator=generator)
        pictures[:m], labels[:m] = to_tensor(drawn[chosen.numpy()]), seen_in[chosen]
        pictures, labels = mirror(pictures, labels, generator)
        texts = [f"<|im_start|>assistant\n{caption(scene_of(v), rng, full=True)}<|im_end|>" for v in labels]
        said = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]
        longest = max(map(len, said))
        pad = tokenizer.pad_token_id
        tokens = torch.tensor([asked + s + [pad] * (longest - len(s)) for s in said])
        target = tokens.clone()
        target[:, : len(asked)] = -100
        target[tokens == pad] = -100
        out = both.vlm(
            input_ids=tokens,
            attention_mask=(tokens != pad).long(),
            pixel_values=patches(augment(pictures, generator)),
            image_grid_thw=grid,
            mm_token_type_ids=(tokens == ids["<|image_pad|>"]).int(),
            output_hidden_states=True,
            use_cache=False,
        )
        written = F.cross_entropy(out.logits[:, :-1].flatten(0, 1), target[:, 1:].flatten(), ignore_index=-100)
        of_turn = (tokens[:, : len(asked)] != ids["<|image_pad|>"]).float().unsqueeze(-1)
        pooled = (out.hidden_states[READ][:, : len(asked)] * of_turn).sum(1) / of_turn.sum(1)
        named, hit = attribute_loss(both.head(pooled), labels, N_CLASSES)
        return written + 2 * named, {"caption": float(written.detach()), "accuracy": hit}

    trainer.run(loss)
    finished = build(len(tokenizer), ids)
    weights = {k.removeprefix("vlm."): v for k, v in trainer.best_weights().items() if k.startswith("vlm.")}
    finished.load_state_dict(weights)
    save(finished.half(), tokenizer, folder / "model")


def save(model: Qwen3VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """As a hub model would be: weights, tokenizer with its chat template, image processor."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=MERGE,
        min_pixels=32 * 32,
        max_pixels=SIDE * SIDE,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    ).save_pretrained(folder)


def write_attributes(dataset: Path) -> Path:
    """``attributes.csv`` beside the rated pictures: how much of each place, light, style and framing the first eye
    reads in them."""
    files = sorted(str(p.relative_to(dataset)) for p in (dataset / "images").glob("*.png"))
    read = load_eye(miniature_weights("eye")).read([Image.open(dataset / f).convert("RGB") for f in files])
    columns = {
        f"{value} {kind}" if kind == "light" else value: read[kind][:, i]
        for kind in ("place", "light", "style", "framing")
        for i, value in enumerate(ATTRIBUTES[kind])
    }
    path = dataset / "attributes.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["picture", *columns])
        table.writerows([f, *(f"{c[k]:.4f}" for c in columns.values())] for k, f in enumerate(files))
    return path
