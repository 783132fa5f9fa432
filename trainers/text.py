"""Tokenizers and the two text encoders of the pipeline, taught to read captions.

Both encoders learn, from words alone, which attribute values a caption names (or leaves
unsaid) among filler and made-up words. They are then frozen: the transformer trains on their
outputs. CLIP gives one pooled vector, T5 one vector a token.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from steer.miniature.words import caption, read_prompt
from steer.miniature.world import ATTRIBUTES, scene_at
from trainers.common import Trainer
from trainers.data import N_CLASSES

WIDTH = 128
CLIP_TOKENS, T5_TOKENS = 64, 32
# Words that say nothing of the attributes; texts are full of them and must survive them.
FILLER = (
    "beautiful",
    "cinematic",
    "highly detailed",
    "masterpiece",
    "dramatic",
    "elegant",
    "award winning",
    "old",
    "glass",
    "ancient",
    "calm",
    "moody",
    "dreamy",
    "4k",
    "very",
    "lovely",
    "with long shadows",
    "soft colours",
    "a picture of",
    "scene",
    "quiet",
    "vast",
    "tranquil",
    "and",
    "sharp focus",
    "big",
    "little",
    "happy",
    "lonely",
    "with",
    "composition",
    "style",
    "light",
    "colours",
    "view",
    "an image of",
)


def noisy_caption(text: str, rng: random.Random) -> str:
    """``text`` with, half of the time, one to four filler or made-up words put in."""
    if rng.random() < 0.5:
        return text
    words = text.split(" ")
    for _ in range(rng.randint(1, 4)):
        made_up = "".join(rng.choice("abcdefghijklmnoprstuvwyz") for _ in range(rng.randint(3, 8)))
        word = rng.choice(FILLER) if rng.random() < 0.7 else made_up
        at = rng.choice((0, len(words))) if rng.random() < 0.7 else rng.randint(0, len(words))
        words.insert(at, word)
    noisy = " ".join(words)
    return noisy if read_prompt(noisy) == read_prompt(text) else text


def captions(seed: int, n: int) -> list[str]:
    """n captions of training scenes with filler."""
    rng = random.Random(seed)
    return [noisy_caption(caption(scene_at(seed, i), rng), rng) for i in range(n)]


def said_labels(text: str) -> list[int]:
    """Class index per attribute, with one extra last class for 'unsaid'."""
    said = read_prompt(text)
    return [values.index(said[name]) if name in said else len(values) for name, values in ATTRIBUTES.items()]


def build_tokenizer(texts: list[str], kind: str, model_max_length: int, size: int = 1200) -> PreTrainedTokenizerFast:
    """Byte-level BPE over the world's words; every other text is spelt in bytes.

    ``kind`` is "clip" (start, end and padding token), "t5" or "siglip" (end and padding).
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<pad>", "</s>", "<s>"] if kind == "clip" else ["<pad>", "</s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    ids = {t: tokenizer.token_to_id(t) for t in special}
    start = "<s> " if kind == "clip" else ""
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start}$A </s>", special_tokens=list(ids.items()))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=model_max_length,
        pad_token="<pad>",
        eos_token="</s>",
        bos_token="<s>" if kind == "clip" else None,
        unk_token=None,
    )


def build_clip(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=CLIP_TOKENS,
            projection_dim=WIDTH,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def build_t5(tokenizer: PreTrainedTokenizerFast) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=WIDTH,
            d_kv=32,
            d_ff=2 * WIDTH,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            is_encoder_decoder=False,
            use_cache=False,
        )
    )


class _Readers(nn.Module):
    """The two encoders with throw-away heads that name the attributes."""

    def __init__(self, clip: CLIPTextModel, t5: T5EncoderModel):
        super().__init__()
        self.clip, self.t5 = clip, t5
        outputs = sum(n + 1 for n in N_CLASSES)
        self.clip_head, self.t5_head = nn.Linear(WIDTH, outputs), nn.Linear(WIDTH, outputs)

    def forward(self, clip_ids: torch.Tensor, t5_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pooled = self.clip(clip_ids).pooler_output  # (B, D)
        tokens = self.t5(t5_ids).last_hidden_state  # (B, T, D)
        return self.clip_head(pooled), self.t5_head(tokens.mean(1))


def attribute_loss(logits: torch.Tensor, labels: torch.Tensor, sizes: list[int]) -> tuple[torch.Tensor, float]:
    """Mean cross entropy and accuracy over the attributes; logits (B, sum of sizes)."""
    parts = logits.split(sizes, dim=1)
    losses = [F.cross_entropy(part, labels[:, i]) for i, part in enumerate(parts)]
    hits = [(part.argmax(1) == labels[:, i]).float().mean() for i, part in enumerate(parts)]
    return torch.stack(losses).mean(), float(torch.stack(hits).mean())


def train(folder: Path, steps: int = 1500, batch: int = 128) -> None:
    """Train and save ``tokenizer/ tokenizer_2/ text_encoder/ text_encoder_2/`` under ``folder``."""
    torch.manual_seed(0)
    texts = captions(2, 40_000)
    clip_tokenizer = build_tokenizer(texts, "clip", CLIP_TOKENS)
    t5_tokenizer = build_tokenizer(texts, "t5", T5_TOKENS)
    model = _Readers(build_clip(clip_tokenizer), build_t5(t5_tokenizer))
    labels = torch.tensor([said_labels(t) for t in texts])
    clip_ids = tokenize(clip_tokenizer, texts, CLIP_TOKENS)
    t5_ids = tokenize(t5_tokenizer, texts, T5_TOKENS)
    trainer = Trainer(folder, model, steps, 2e-3)
    sizes = [n + 1 for n in N_CLASSES]
    generator = torch.Generator().manual_seed(0)

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        index = torch.randint(len(texts), (batch,), generator=generator)
        by_clip, by_t5 = model(clip_ids[index], t5_ids[index])
        clip_loss, clip_hit = attribute_loss(by_clip, labels[index], sizes)
        t5_loss, t5_hit = attribute_loss(by_t5, labels[index], sizes)
        return clip_loss + t5_loss, {"clip": clip_hit, "t5": t5_hit}

    trainer.run(loss, log_every=100)
    model.clip.save_pretrained(folder / "text_encoder")
    model.t5.save_pretrained(folder / "text_encoder_2")
    clip_tokenizer.save_pretrained(folder / "tokenizer")
    t5_tokenizer.save_pretrained(folder / "tokenizer_2")


def tokenize(tokenizer: PreTrainedTokenizerFast, texts: list[str], length: int) -> torch.Tensor:
    """Token ids (B, length), padded and cut as the pipeline does."""
    return tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt").input_ids
