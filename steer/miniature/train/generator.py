"""The FluxTransformer2DModel, trained by flow matching on cached latents, and the pipeline of it all."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)
from transformers import AutoTokenizer, CLIPTextModel, T5EncoderModel

from steer.miniature.train.common import Trainer, batches
from steer.miniature.train.data import Pictures
from steer.miniature.train.text import CLIP_TOKENS, T5_TOKENS, WIDTH, noisy_caption, tokenize
from steer.miniature.words import caption

DROPPED = 0.1  # share of captions replaced by "", for guidance


def build(latent_channels: int = 12) -> FluxTransformer2DModel:
    """256 wide, 2 double + 4 single blocks, 9.1 M parameters."""
    return FluxTransformer2DModel(
        patch_size=1, in_channels=4 * latent_channels, num_layers=2, num_single_layers=4,
        attention_head_dim=64, num_attention_heads=4, joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH, guidance_embeds=False, axes_dims_rope=(8, 28, 28),
    )  # fmt: skip


class Texts:
    """Captions of the dataset as frozen embeddings, several wordings for each picture."""

    def __init__(self, folder: Path):
        self.clip_tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
        self.t5_tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer_2")
        self.clip = CLIPTextModel.from_pretrained(folder / "text_encoder").eval()
        self.t5 = T5EncoderModel.from_pretrained(folder / "text_encoder_2").eval()

    @torch.no_grad()
    def embed(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """T5 token vectors (B, T, D) and the CLIP pooled vector (B, D)."""
        tokens = self.t5(tokenize(self.t5_tokenizer, texts, T5_TOKENS)).last_hidden_state
        pooled = self.clip(tokenize(self.clip_tokenizer, texts, CLIP_TOKENS)).pooler_output
        return tokens, pooled


def latent_statistics(latents: torch.Tensor) -> tuple[float, float]:
    """Mean and standard deviation of all latents; the VAE's shift and 1 / scaling factor."""
    sample = latents[:4000].float()
    return float(sample.mean()), float(sample.std())


def train(
    data: Pictures, latents: torch.Tensor, texts: Texts, folder: Path, minutes: float,
    batch: int = 32, lr: float = 1e-3, steps: int = 10**6, compile: bool = True,
) -> None:  # fmt: skip
    """Rectified flow: x_t = (1 - t) x + t noise; the model predicts noise - x."""
    torch.manual_seed(0)
    model = build(latents.shape[1])
    trainer = Trainer(folder, model, steps, lr, ema=0.999, minutes=minutes, weight_decay=0.0)
    forward = torch.compile(model) if compile else model
    shift, spread = latent_statistics(latents)
    generator = torch.Generator().manual_seed(trainer.step)
    rng = random.Random(trainer.step)
    index = batches(len(data), batch, generator)
    height = latents.shape[-1] // 2
    image_ids = FluxPipeline._prepare_latent_image_ids(batch, height, height, "cpu", torch.float32)
    text_ids = torch.zeros(T5_TOKENS, 3)

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = next(index)
        clean = (latents[rows].float() - shift) / spread
        clean = FluxPipeline._pack_latents(clean, *clean.shape)  # (B, 64, 4C)
        words = [
            "" if rng.random() < DROPPED else noisy_caption(caption(data.scenes[i], rng), rng) for i in rows.tolist()
        ]
        tokens, pooled = texts.embed(words)
        t = torch.sigmoid(torch.randn(batch, generator=generator) + 0.3)  # (B,)
        noise = torch.randn(clean.shape, generator=generator)
        mixed = torch.lerp(clean, noise, t[:, None, None])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            velocity = forward(
                hidden_states=mixed, encoder_hidden_states=tokens, pooled_projections=pooled,
                timestep=t, img_ids=image_ids, txt_ids=text_ids, return_dict=False,
            )[0]  # fmt: skip
        return torch.nn.functional.mse_loss(velocity.float(), noise - clean), {}

    trainer.run(loss, on_save=lambda: save_transformer(trainer.best_weights(), latents.shape[1], folder))


def save_transformer(weights: dict[str, torch.Tensor], latent_channels: int, folder: Path) -> None:
    """Write the transformer as a diffusers folder."""
    model = build(latent_channels)
    model.load_state_dict(weights)
    model.save_pretrained(folder / "model")


def assemble(vae: Path, text: Path, transformer: Path, statistics: tuple[float, float]) -> FluxPipeline:
    """The parts as one ``FluxPipeline``; ``statistics`` from :func:`latent_statistics`."""
    shift, spread = statistics
    autoencoder = AutoencoderKL.from_pretrained(vae)
    autoencoder.register_to_config(scaling_factor=1 / spread, shift_factor=shift)
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.5),
        vae=autoencoder,
        text_encoder=CLIPTextModel.from_pretrained(text / "text_encoder"),
        tokenizer=AutoTokenizer.from_pretrained(text / "tokenizer"),
        text_encoder_2=T5EncoderModel.from_pretrained(text / "text_encoder_2"),
        tokenizer_2=AutoTokenizer.from_pretrained(text / "tokenizer_2"),
        transformer=FluxTransformer2DModel.from_pretrained(transformer),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
