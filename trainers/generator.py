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

from steer.miniature.painter import subject_box
from steer.miniature.words import caption
from steer.miniature.world import Scene
from trainers.common import Trainer, batches
from trainers.data import Pictures
from trainers.text import CLIP_TOKENS, T5_TOKENS, WIDTH, noisy_caption, tokenize

DROPPED = 0.1  # share of captions replaced by "", for guidance
SUBJECT_WEIGHT = 3.0  # of the loss where the subject stands, against 1 elsewhere


def build(latent_channels: int = 12) -> FluxTransformer2DModel:
    """256 wide, 2 double + 4 single blocks, 9.1 M parameters."""
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * latent_channels,
        num_layers=2,
        num_single_layers=4,
        attention_head_dim=64,
        num_attention_heads=4,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=False,
        axes_dims_rope=(8, 28, 28),
    )


def refitted(start: Path, latent_channels: int) -> FluxTransformer2DModel:
    """The transformer in ``start``; with other latents than it had, its first and last layers are new."""
    known = FluxTransformer2DModel.from_pretrained(start).float()
    model = build(latent_channels)
    state, given = model.state_dict(), known.state_dict()
    model.load_state_dict({name: given[name] if given[name].shape == v.shape else v for name, v in state.items()})
    return model


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


def subject_weights(scenes: list[Scene], side: int) -> torch.Tensor:
    """Loss weights (n, side * side) of picture tokens, mean 1: more where the subject stands.

    The slot follows from framing and position alone, never from what was drawn, so the weights
    shift effort and not the optimum.
    """
    edges = torch.arange(side + 1) / side
    rows = []
    for scene in scenes:
        left, top, right, bottom = subject_box(scene.framing, scene.position)
        across = (edges[1:].clamp(max=right) - edges[:-1].clamp(min=left)).clamp(min=0) * side
        down = (edges[1:].clamp(max=bottom) - edges[:-1].clamp(min=top)).clamp(min=0) * side
        rows.append((1 + (SUBJECT_WEIGHT - 1) * down[:, None] * across[None, :]).flatten())
    weights = torch.stack(rows)
    return weights / weights.mean(1, keepdim=True)


def is_block_matrix(name: str) -> bool:
    """Whether a parameter is a hidden weight matrix, which Muon may train."""
    return "transformer_blocks" in name


def train(
    data: Pictures,
    latents: torch.Tensor,
    texts: Texts,
    folder: Path,
    minutes: float,
    batch: int = 32,
    lr: float = 1e-3,
    steps: int = 10**6,
    compile: bool = True,
    start: Path | None = None,
    muon: bool = True,
) -> None:
    """Rectified flow: x_t = (1 - t) x + t noise; the model predicts noise - x.

    Goes on from the checkpoint in ``folder``, or begins with the weights in ``start``.
    """
    torch.manual_seed(0)
    model = build(latents.shape[1]) if start is None else refitted(start, latents.shape[1])
    trainer = Trainer(
        folder, model, steps, lr, ema=0.999, minutes=minutes, weight_decay=0.0, muon=is_block_matrix if muon else None
    )
    forward = torch.compile(model) if compile else model
    shift, spread = latent_statistics(latents)
    generator = torch.Generator().manual_seed(trainer.step)
    rng = random.Random(trainer.step)
    index = batches(len(data), batch, generator)
    height = latents.shape[-1] // 2
    image_ids = FluxPipeline._prepare_latent_image_ids(batch, height, height, "cpu", torch.float32)
    text_ids = torch.zeros(T5_TOKENS, 3)
    weights = subject_weights(data.scenes, height)

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
        with mixed():
            velocity = forward(
                hidden_states=mixed,
                encoder_hidden_states=tokens,
                pooled_projections=pooled,
                timestep=t,
                img_ids=image_ids,
                txt_ids=text_ids,
                return_dict=False,
            )[0]
        error = (velocity.float() - (noise - clean)).square().mean(2)  # (B, 64)
        weighted = (weights[rows] * error).mean()
        return weighted, {"plain": float(error.detach().mean())}

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
