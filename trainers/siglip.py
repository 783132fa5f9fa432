"""The SiglipModel: sigmoid loss over all pairs of a batch.

A caption is true of every picture that has all it says, so pairs are labelled by the
attributes and not by the diagonal alone ("a fox" is true of every fox in the batch). Throw-away heads
that name the attributes from either embedding help: without them 100 steps moved nothing.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from transformers import (
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    SiglipProcessor,
    SiglipTextConfig,
    SiglipVisionConfig,
)

from reward_models.encoders.precision import mixed
from steer.miniature.words import caption
from steer.miniature.world import ATTRIBUTES
from trainers.common import Trainer, batches
from trainers.data import N_CLASSES, Pictures, mirror, scene_of, to_tensor
from trainers.eyes import augment
from trainers.text import attribute_loss, build_tokenizer, captions, noisy_caption, said_labels, tokenize

WIDTH, TOKENS = 192, 32


def build(vocabulary: int, pad: int, eos: int) -> SiglipModel:
    """Vision 4 layers, text 2 layers, 192 wide, 64 patches of 16 px."""
    vision = SiglipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=3 * WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=128,
        patch_size=16,
    )
    text = SiglipTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        projection_size=WIDTH,
        pad_token_id=pad,
        eos_token_id=eos,
        bos_token_id=eos,
    )
    model = SiglipModel(SiglipConfig(text_config=text.to_dict(), vision_config=vision.to_dict()))
    torch.nn.init.constant_(model.logit_scale, 2.3)  # exp = 10, Zhai et al. 2023
    torch.nn.init.constant_(model.logit_bias, -6.0)
    return model


class _WithHeads(nn.Module):
    """The model with throw-away linear heads on its unit embeddings."""

    def __init__(self, siglip: SiglipModel, shown: list[int], said: list[int]):
        super().__init__()
        self.siglip, self.image_head, self.text_head = siglip, nn.Linear(WIDTH, sum(shown)), nn.Linear(WIDTH, sum(said))

    def of_image(self, embedding: torch.Tensor) -> torch.Tensor:
        return self.image_head(embedding * WIDTH**0.5)

    def of_text(self, embedding: torch.Tensor) -> torch.Tensor:
        return self.text_head(embedding * WIDTH**0.5)


def matches(said: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """Whether text j is true of picture i, (n, n) bool; ``said`` has the unsaid class last."""
    sizes = torch.tensor([len(v) for v in ATTRIBUTES.values()])
    unsaid = said == sizes
    return ((said[None] == shown[:, None]) | unsaid[None]).all(-1)


def train(
    data: Pictures,
    folder: Path,
    minutes: float,
    extra: tuple[torch.Tensor, list[str], torch.Tensor] | None = None,
    batch: int = 64,
    lr: float = 1e-3,
    compile: bool = False,
) -> None:
    """``extra``: generated pictures (m, 128, 128, 3) uint8, their prompts, their read labels (m, 6)."""
    torch.manual_seed(5)
    generator = torch.Generator().manual_seed(5)
    rng = random.Random(5)
    tokenizer = build_tokenizer(captions(2, 40_000), "siglip", TOKENS)
    model = build(len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id)
    sizes = [n + 1 for n in N_CLASSES]
    both = _WithHeads(model, N_CLASSES, sizes)
    trainer = Trainer(folder, both, 10**6, lr, ema=0.997, minutes=minutes, muon=lambda name: ".layers." in name)
    index = batches(len(data), batch, generator)
    forward = torch.compile(model) if compile else model

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = next(index).sort().values
        pictures, shown = data.batch(rows.numpy()), data.labels[rows].clone()
        if extra is not None:  # a third of the batch is generated pictures, labelled as an eye reads them
            m = batch // 3
            chosen = torch.randint(len(extra[0]), (m,), generator=generator)
            pictures[:m], shown[:m] = to_tensor(extra[0][chosen].numpy()), extra[2][chosen]
        pictures, shown = mirror(pictures, shown, generator)
        texts = [noisy_caption(caption(scene_of(values), rng), rng) for values in shown]
        said = torch.tensor([said_labels(t) for t in texts])
        with mixed():
            output = forward(input_ids=tokenize(tokenizer, texts, TOKENS), pixel_values=augment(pictures, generator))
        logits = output.logits_per_image.float()  # (pictures, texts)
        truth = matches(said, shown).float()
        # each class half of the loss: positives are one pair in a hundred
        weight = torch.where(truth > 0, 1.0, 0.25)
        value = (F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * weight).sum() / batch
        hit = (logits.argmax(1) == torch.arange(batch)).float().mean()
        seen, seen_hit = attribute_loss(both.of_image(output.image_embeds.float()), shown, N_CLASSES)
        read, read_hit = attribute_loss(both.of_text(output.text_embeds.float()), said, sizes)
        return value + 2 * (seen + read), {"r@1": float(hit), "image": seen_hit, "text": read_hit}

    trainer.run(loss)
    finished = build(len(tokenizer), tokenizer.pad_token_id, tokenizer.eos_token_id)
    weights = {k.removeprefix("siglip."): v for k, v in trainer.best_weights().items() if k.startswith("siglip.")}
    finished.load_state_dict(weights)
    finished.half().save_pretrained(folder / "model")
    processor = SiglipImageProcessorPil(size={"height": 128, "width": 128}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    SiglipProcessor(image_processor=processor, tokenizer=tokenizer).save_pretrained(folder / "model")
