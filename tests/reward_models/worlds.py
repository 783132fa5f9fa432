"""A small world whose tastes are known: drawn shapes, people who like colours, and tiny random models of the real
classes."""

from __future__ import annotations

import json

import numpy as np
import torch
from PIL import Image, ImageDraw
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipProcessor,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
)

COLOURS = {"red": (214, 40, 40), "green": (40, 170, 60), "blue": (50, 70, 220), "grey": (150, 150, 150)}
SUBJECTS = ("circle", "square", "triangle")
SIZES = ("small", "large")
N = {"train": 220, "val": 20, "test": 30}  # pictures
EACH = 60  # training pictures that a person rated
PEOPLE, NEW = 18, 6
SIDE = 64  # of a picture, in pixels


def scene(i):
    """Colour, subject and size of the i-th picture."""
    rng = np.random.default_rng(i)
    return list(COLOURS)[i % 4], SUBJECTS[rng.integers(3)], SIZES[rng.integers(2)]


def caption(i):
    """What the i-th picture shows."""
    colour, subject, size = scene(i)
    return f"a {size} {colour} {subject}"


def draw(i):
    """The i-th picture: one shape on a lighter ground of its colour."""
    colour, subject, size = scene(i)
    rng = np.random.default_rng(1000 + i)
    rgb = np.array(COLOURS[colour])
    image = Image.new("RGB", (SIDE, SIDE), tuple(int(v) for v in 255 - (255 - rgb) * rng.uniform(0.3, 0.5)))
    half = SIDE * (0.18 if size == "small" else 0.36)
    x, y = (SIDE / 2 + rng.uniform(-6, 6, 2)).tolist()
    fill, pen = tuple(int(v) for v in rgb), ImageDraw.Draw(image)
    box = (x - half, y - half, x + half, y + half)
    if subject == "circle":
        pen.ellipse(box, fill=fill)
    elif subject == "square":
        pen.rectangle(box, fill=fill)
    else:
        pen.polygon([(x, y - half), (x + half, y + half), (x - half, y + half)], fill=fill)
    return image


def tastes():
    """What each person gives each colour, of about 1 to 5; some give more than others."""
    rng = np.random.default_rng(0)
    given = [rng.permutation([1.4, 2.4, 3.6, 4.6]) + rng.uniform(-0.7, 0.7) for _ in range(PEOPLE + NEW)]
    return [dict(zip(COLOURS, each, strict=True)) for each in given]


def write_set(root):
    """The world as PAMELA is released: 24 people who like or dislike each colour, 6 of them new."""
    rng = np.random.default_rng(1)
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for i in range(sum(N.values())):
        draw(i).save(root / "images" / f"{i}.png")
    edges = np.cumsum([0, *N.values()])
    pools = {k: np.arange(edges[j], edges[j + 1]) for j, k in enumerate(N)}
    rows = {s: [] for s in ("train", "val_seen", "test_seen", "val_unseen", "test_unseen")}
    for k, taste in enumerate(tastes()):
        own = {**pools, "train": (24 * k + np.arange(EACH)) % N["train"]}
        for split in ("train", "val_seen", "test_seen") if k < PEOPLE else ("test_unseen",):
            for i in own[split.split("_")[0]]:
                colour, subject, _ = scene(int(i))
                rows[split].append(
                    {
                        "participant_id": f"p{k}",
                        "image_id": int(i),
                        "image_path": f"./images/{i}.png",
                        "original_score": float(np.clip(taste[colour] + 0.3 * rng.normal(), 1, 5)),
                        "image_metadata": {
                            "group": subject,
                            "style": colour,
                            "type": "Art",
                            "prompt": caption(int(i)),
                        },
                        "user_demographics": {
                            "age_binned": "18-29",
                            "gender": ("female", "male")[k % 2],
                            "nationality": None,
                        },
                    }
                )
    for split, split_rows in rows.items():
        (root / "annotations" / f"pamela_{split}.json").write_text(json.dumps(split_rows))


def byte_tokenizer(end=False):
    """One token a byte, with ``end`` a last one."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {c: i for i, c in enumerate(["<pad>", "</s>", "<s>", "<a>", *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if end:
        backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", additional_special_tokens=["<s>", "<a>"]
    )


def save_siglip(folder, width=48, seed=0):
    """SiglipModel, its picture half mostly blind to where things are, with the processor and a tokenizer of 32
    tokens."""
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer(end=True)
    tokenizer.model_max_length = 32
    size = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {**size, "vocab_size": len(tokenizer), "max_position_embeddings": 32, "projection_size": width}
    text |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
    vision = {**size, "image_size": 32, "patch_size": 8}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    with torch.no_grad():
        model.vision_model.embeddings.position_embedding.weight *= 0.1
        model.vision_model.embeddings.patch_embedding.weight *= 3
        model.logit_scale += 1
    model.save_pretrained(folder)
    pictures = SiglipImageProcessorPil(size={"height": 32, "width": 32}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    SiglipProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def save_vit(folder, width=32):
    """ViTModel: a vision model without a text tower."""
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=width, num_hidden_layers=1, num_attention_heads=2, intermediate_size=width, image_size=32
    )
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
