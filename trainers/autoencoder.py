"""The AutoencoderKL: first whole, then the decoder alone, both on 64 px crops.

The encoder is frozen after the first stage, so that latents stay the same while the decoder
keeps getting crisper. Latents get a little noise in training: a decoder that has seen noise
forgives the small errors of a small diffusion model.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from reward_models.encoders.precision import mixed
from trainers.common import Trainer, batches
from trainers.data import Pictures

LATENT_CHANNELS = 12
LATENT_NOISE = 0.05  # the latents' spread is about 0.7


def build() -> AutoencoderKL:
    """A 1.7 M parameter autoencoder, 8x smaller in each direction, 12 channels."""
    channels = (16, 32, 64, 96)
    return AutoencoderKL(
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
        sample_size=128,
    )


def picture_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """L1 + L2 + L1 of the horizontal and vertical differences, so that edges count."""
    gradients = sum((torch.diff(output, dim=d) - torch.diff(target, dim=d)).abs().mean() for d in (-1, -2))
    return (output - target).abs().mean() + F.mse_loss(output, target) + gradients


def train(
    data: Pictures, folder: Path, minutes: float, start: Path | None = None, batch: int = 10, lr: float = 1.5e-3
) -> None:
    """Train on random 64 px crops; with ``start``, the decoder alone on from that model.

    Small batches: what it lacks on a CPU is steps, not samples (1,500 steps of 32 crops stayed
    at a mean absolute error of .12).
    """
    torch.manual_seed(0 if start is None else 1)
    model = build() if start is None else AutoencoderKL.from_pretrained(start)
    model.to(memory_format=torch.channels_last)
    model.encoder.requires_grad_(start is None)
    generator = torch.Generator().manual_seed(0 if start is None else 1)
    index = batches(len(data), batch, generator)
    trainer = Trainer(folder, model, 10**6, lr, ema=0.995, minutes=minutes)

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        pictures = data.batch(next(index).numpy())
        y, x = torch.randint(0, 65, (2,), generator=generator).tolist()
        crop = pictures[..., y : y + 64, x : x + 64].contiguous(memory_format=torch.channels_last)
        with mixed():
            posterior = model.encode(crop).latent_dist
            latents = posterior.mode()
            output = model.decode(latents + LATENT_NOISE * torch.randn_like(latents)).sample.float()
        mean = posterior.mean.float()
        kl = 0.5 * (mean.pow(2) - 1).clamp(min=0).mean()  # holds the spread near 1
        error = (output.detach() - crop).abs().mean()
        return picture_loss(output, crop) + 0.02 * kl, {"mae": float(error), "std": float(mean.detach().std())}

    trainer.run(loss)
    save(model, trainer.best_weights(), folder)


def save(model: AutoencoderKL, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Write the weights as a diffusers folder."""
    finished = build()
    finished.load_state_dict(weights)
    finished.register_to_config(**{k: v for k, v in model.config.items() if k == "scaling_factor"})
    finished.save_pretrained(folder / "model")


@torch.no_grad()
def encode(data: Pictures, model_folder: Path, path: Path, n: int, batch: int = 64) -> torch.Tensor:
    """Latents (n, 12, 16, 16) of the first n pictures, fp16, cached at ``path``."""
    if path.exists():
        return load_file(path)["latents"]
    model = AutoencoderKL.from_pretrained(model_folder).eval().to(memory_format=torch.channels_last)
    rows = []
    for start in range(0, min(n, len(data)), batch):
        pictures = data.pixels[start : min(start + batch, n)]
        x = torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
        with mixed():
            latents = model.encode(x.contiguous(memory_format=torch.channels_last)).latent_dist.mode()
        rows.append(latents.half())
    latents = torch.cat(rows)
    save_file({"latents": latents.contiguous()}, path)
    return latents


@torch.no_grad()
def decode_dataset(latents: Path, model_folder: Path, n: int, path: Path, batch: int = 64) -> None:
    """Save the first n pictures after a trip through the autoencoder, uint8 (n, 128, 128, 3)."""
    model = AutoencoderKL.from_pretrained(model_folder).eval().to(memory_format=torch.channels_last)
    cached = load_file(latents)["latents"][:n]
    rows = []
    for start in range(0, n, batch):
        z = cached[start : start + batch].float()
        z = z + LATENT_NOISE * torch.randn_like(z)
        with mixed():
            decoded = model.decode(z.contiguous(memory_format=torch.channels_last)).sample
        rows.append(((decoded.float() + 1) * 127.5).clamp(0, 255).round().byte().permute(0, 2, 3, 1))
    save_file({"pictures": torch.cat(rows).contiguous()}, path)
