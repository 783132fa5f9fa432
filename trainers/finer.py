"""An autoencoder that keeps twice as much: 24 latent channels instead of 12, learnt whole (FLUX.1 has 16, FLUX.2 32).

It begins as the deeper decoder of :mod:`trainers.crisp` with its encoder; new channels begin idle. The
transformer has to learn its latents anew, so nothing loads it before that is done. Shapes: B crops.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from trainers.common import Trainer, batches
from trainers.crisp import picture_loss
from trainers.data import Pictures

CHANNELS = 24
LATENT_NOISE = 0.04  # at most; the latents' spread is about 0.7
CROP = 64  # px
HELD = 0.02  # weight of the term that holds the latents' spread near 1


def widen(vae: AutoencoderKL, channels: int = CHANNELS) -> AutoencoderKL:
    """The same autoencoder with more latent channels; the decoder does not hear the new ones yet."""
    config = {k: v for k, v in vae.config.items() if k != "_name_or_path"}
    old, config["latent_channels"] = config["latent_channels"], channels
    wider = AutoencoderKL.from_config(config)
    state, given = wider.state_dict(), vae.state_dict()
    for name, value in state.items():
        if name.startswith("encoder.conv_out"):  # means, then log variances
            value[:old].copy_(given[name][:old])
            value[channels : channels + old].copy_(given[name][old:])
        elif name == "decoder.conv_in.weight":
            value.zero_()
            value[:, :old].copy_(given[name])
        else:
            value.copy_(given[name])
    wider.load_state_dict(state)
    return wider


def train(data: Pictures, vae: AutoencoderKL, folder: Path, minutes: float, batch: int = 8, lr: float = 8e-4) -> None:
    """Train encoder and decoder on random crops; resumes from ``folder``."""
    torch.manual_seed(0)
    model = vae.float().to(memory_format=torch.channels_last)
    trainer = Trainer(folder, model, 10**7, lr, ema=0.998, minutes=minutes, weight_decay=0.0)
    generator = torch.Generator().manual_seed(trainer.step)
    index = batches(len(data), batch, generator)
    even = torch.ones(batch, 1, CROP, CROP)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        pictures = data.batch(next(index).numpy())
        y, x = torch.randint(0, pictures.shape[-1] - CROP + 1, (2,), generator=generator).tolist()
        crop = pictures[..., y : y + CROP, x : x + CROP].contiguous(memory_format=torch.channels_last)
        mean = model.encode(crop).latent_dist.mode()
        amount = LATENT_NOISE * torch.rand(batch, 1, 1, 1, generator=generator)
        output = model.decode(mean + amount * torch.randn(mean.shape, generator=generator)).sample
        held = 0.5 * (mean.square() - 1).clamp(min=0).mean()
        error = (output.detach() - crop).abs().mean() / 2
        return picture_loss(output, crop, even) + HELD * held, {"mae": float(error), "std": float(mean.detach().std())}

    trainer.run(loss, on_save=lambda: save(model, trainer.best_weights(), folder))


def save(model: AutoencoderKL, weights: dict[str, Tensor], folder: Path) -> None:
    """Write the autoencoder with these weights as a diffusers folder, in fp16."""
    finished = AutoencoderKL.from_config({k: v for k, v in model.config.items() if k != "_name_or_path"})
    finished.load_state_dict(weights)
    finished.half().save_pretrained(folder / "model")
