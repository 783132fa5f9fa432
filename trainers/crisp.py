"""A crisper decoder for latents that stay as they are: encoder and transformer are frozen.

The decoder gets deeper, beginning as exactly what it was. It learns from pairs: the latents of a painting in look 1 of
the painter, which the transformer learnt to make, and the same scene in the look that pictures shall have. Half of the
latents went through the transformer (noised, then drawn again for the caption), so that the decoder meets the errors
that it has to mend.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, FluxPipeline
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from steer.miniature.painter import paint, subject_box
from steer.miniature.words import caption
from steer.miniature.world import Scene, scene_at
from trainers.common import Trainer
from trainers.data import to_tensor
from trainers.text import T5_TOKENS

SHARD = 250  # pairs in one file
LATENT_NOISE = 0.05  # the latents' spread is about 0.6
STEPS, GUIDANCE = 6, 3.0  # of the preset
STARTS = (2, 3, 4)  # steps at which the transformer takes over from a noised painting: noise of .75, .6 and .43
SUBJECT_WEIGHT = 3.0  # of the loss where the subject stands, against 1 elsewhere
ADVERSARIAL = 0.05  # weight of the critic in the decoder's loss


def deepen(vae: AutoencoderKL) -> AutoencoderKL:
    """The same autoencoder with one residual block more in every block; the new ones do nothing yet.

    diffusers counts blocks for encoder and decoder at once, so the encoder gets idle ones too.
    """
    config = dict(vae.config)
    config["layers_per_block"] += 1
    deeper = AutoencoderKL.from_config(config)
    state, given = deeper.state_dict(), vae.state_dict()
    for name, value in state.items():
        if name in given:
            value.copy_(given[name])
        elif ".conv2." in name:  # the block's last layer; what it adds is then 0
            value.zero_()
    deeper.load_state_dict(state)
    return deeper


class Critic(nn.Module):
    """Tells painted from decoded patches: pictures (B, 3, 128, 128) to logits (B, 1, 32, 32)."""

    def __init__(self, widths: tuple[int, int, int] = (24, 48, 64)):
        super().__init__()
        a, b, c = widths
        self.layers = nn.Sequential(
            spectral_norm(nn.Conv2d(3, a, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(a, b, 4, 2, 1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(b, c, 3, 1, 1)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Conv2d(c, 1, 3, 1, 1)),
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.layers(pictures)


@torch.inference_mode()
def redrawn(pipe: FluxPipeline, latents: torch.Tensor, texts: list[str], generator: torch.Generator) -> torch.Tensor:
    """Latents (B, 12, 16, 16), noised and drawn to the end by the transformer, as the preset has it draw.

    Noised as far as one of the steps ``STARTS`` of a run: enough for errors of the transformer, too little for another
    picture.
    """
    clean = (latents - pipe.vae.config.shift_factor) * pipe.vae.config.scaling_factor
    clean = FluxPipeline._pack_latents(clean, *clean.shape)
    tokens, pooled, text_ids = pipe.encode_prompt(texts + [""] * len(texts), None, max_sequence_length=T5_TOKENS)
    side = latents.shape[-1] // 2
    image_ids = FluxPipeline._prepare_latent_image_ids(1, side, side, "cpu", torch.float32)
    pipe.scheduler.set_timesteps(sigmas=np.linspace(1, 1 / STEPS, STEPS))
    sigmas = pipe.scheduler.sigmas[STARTS[int(torch.randint(len(STARTS), (), generator=generator))] :]
    mixed = torch.lerp(clean, torch.randn(clean.shape, generator=generator), float(sigmas[0]))
    for now, then in itertools.pairwise(sigmas):
        velocity = pipe.transformer(
            hidden_states=torch.cat([mixed, mixed]),
            encoder_hidden_states=tokens,
            pooled_projections=pooled,
            timestep=now.expand(2 * len(mixed)),
            img_ids=image_ids,
            txt_ids=text_ids,
            return_dict=False,
        )[0]
        said, unsaid = velocity.chunk(2)
        mixed = mixed + (then - now) * torch.lerp(unsaid, said, GUIDANCE)
    grid = FluxPipeline._unpack_latents(mixed, side * 16, side * 16, 8)
    return grid / pipe.vae.config.scaling_factor + pipe.vae.config.shift_factor


def write_pairs(pipe: FluxPipeline, folder: Path, n: int, seed: int, look: int) -> None:
    """Write ``pairs-*.safetensors``: ``target`` (SHARD, 128, 128, 3) uint8, ``latents`` and ``redrawn`` fp16.

    Every other subject is steady, as the transformer has them. A file that is there is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(-(-n // SHARD)):
        path = folder / f"pairs-{shard:04d}.safetensors"
        if path.exists():
            continue
        rng, generator = random.Random(f"{seed}/{shard}"), torch.Generator().manual_seed(shard)
        parts: dict[str, list[torch.Tensor]] = {"target": [], "latents": [], "redrawn": []}
        for start in range(shard * SHARD, min(n, (shard + 1) * SHARD), 10):
            scenes = [scene_at(seed, i) for i in range(start, min(n, start + 10))]
            steady = [i % 2 == 0 for i in range(len(scenes))]
            old, new = (
                np.stack([np.asarray(paint(s, still, k)) for s, still in zip(scenes, steady, strict=True)])
                for k in (1, look)
            )
            with torch.inference_mode():
                latents = pipe.vae.encode(to_tensor(old)).latent_dist.mode()
            parts["target"].append(torch.from_numpy(new))
            parts["latents"].append(latents.half())
            parts["redrawn"].append(redrawn(pipe, latents, [caption(s, rng) for s in scenes], generator).half())
        partial = path.with_suffix(".partial")
        save_file({k: torch.cat(v).contiguous() for k, v in parts.items()}, partial)
        partial.rename(path)
        print(f"{path.name} written", flush=True)


class Pairs:
    """What :func:`write_pairs` wrote, read from disk as needed."""

    def __init__(self, folder: Path, seed: int):
        self.files = [safe_open(p, framework="pt") for p in sorted(folder.glob("pairs-*.safetensors"))]
        sizes = [f.get_slice("target").get_shape()[0] for f in self.files]
        self.places = [(k, i) for k, size in enumerate(sizes) for i in range(size)]
        self.scenes = [scene_at(seed, i) for i in range(len(self.places))]

    def batches(self, size: int, rng: random.Random) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Endlessly: latents (B, 12, 16, 16), targets (B, 3, 128, 128) in [-1, 1], pixel weights (B, 1, 128, 128)."""
        while True:
            order = rng.sample(range(len(self.places)), len(self.places))
            for start in range(0, len(order) - size + 1, size):
                rows = order[start : start + size]
                latents, targets = [], []
                for row in rows:
                    shard, i = self.places[row]
                    name = "redrawn" if rng.random() < 0.5 else "latents"
                    latents.append(self.files[shard].get_slice(name)[i : i + 1].float())
                    targets.append(self.files[shard].get_slice("target")[i : i + 1])
                weights = torch.stack([subject_weights(self.scenes[row]) for row in rows])
                yield torch.cat(latents), to_tensor(torch.cat(targets).numpy()), weights


def subject_weights(scene: Scene, side: int = 128) -> torch.Tensor:
    """Pixel weights (1, side, side) with mean 1, heavier in the slot of the subject."""
    left, top, right, bottom = (round(side * edge) for edge in subject_box(scene.framing, scene.position))
    weights = torch.ones(1, side, side)
    weights[:, max(0, top) : bottom, max(0, left) : right] = SUBJECT_WEIGHT
    return weights / weights.mean()


def steepest(pictures: torch.Tensor) -> torch.Tensor:
    """The steepest grey gradient in each neighbourhood of 5 x 5 px, (B, 1, 62, 62) for pictures (B, 3, 128, 128)."""
    grey = pictures.mean(1, keepdim=True)
    across, down = grey.diff(dim=-1)[..., 1:, :], grey.diff(dim=-2)[..., 1:]
    return F.max_pool2d((across.square() + down.square() + 1e-6).sqrt(), 5, stride=2)


def picture_loss(output: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted L1 of pixels, of the differences between neighbours at full and half the size, and of steepness.

    The first two alone prefer a soft edge to a sharp one that is a pixel off; steepness asks for an edge as sharp as
    the target's somewhere near.
    """
    error = (weights * (output - target).abs()).mean() + (steepest(output) - steepest(target)).abs().mean()
    for scale in (1, 2):
        if scale == 2:
            output, target, weights = (F.avg_pool2d(v, 2) for v in (output, target, weights))
        across = (output.diff(dim=-1) - target.diff(dim=-1)).abs() * weights[..., 1:]
        down = (output.diff(dim=-2) - target.diff(dim=-2)).abs() * weights[..., 1:, :]
        error = error + across.mean() + down.mean()
    return error


def train(
    pairs: Pairs,
    vae: AutoencoderKL,
    folder: Path,
    minutes: float,
    adversarial_after: int = 4000,
    batch: int = 4,
    lr: float = 5e-4,
) -> None:
    """Train the decoder of ``vae``, which :func:`deepen` made; from step ``adversarial_after`` on against a critic."""
    torch.manual_seed(0)
    deeper = vae.float().to(memory_format=torch.channels_last)
    decoder, critic = deeper.decoder, Critic().to(memory_format=torch.channels_last)
    parts = nn.ModuleDict({"decoder": decoder, "critic": critic})
    trainer = Trainer(folder, parts, 10**7, lr, ema=0.998, minutes=minutes, weight_decay=0.0)
    source = pairs.batches(batch, random.Random(trainer.step))

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        latents, target, weights = next(source)
        latents = latents + LATENT_NOISE * torch.rand(len(latents), 1, 1, 1) * torch.randn_like(latents)
        target = target.contiguous(memory_format=torch.channels_last)
        output = decoder(latents.contiguous(memory_format=torch.channels_last))
        value = picture_loss(output, target, weights)
        figures = {"mae": float((output.detach() - target).abs().mean()) / 2}
        if step >= adversarial_after:
            critic.requires_grad_(False)
            fooled = -critic(output).mean()
            critic.requires_grad_(True)
            # hinge loss; Adam does not mind its scale, and small gradients leave the clipping to the decoder's
            real, fake = critic(target), critic(output.detach())
            seen = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
            value = value + ADVERSARIAL * fooled + 0.1 * seen
            figures |= {"critic": float(seen.detach())}
        return value, figures

    trainer.run(loss, on_save=lambda: save(deeper, trainer.best_weights(), folder))


def save(deeper: AutoencoderKL, weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Write the autoencoder with these decoder weights as a diffusers folder, in fp16."""
    finished = AutoencoderKL.from_config({k: v for k, v in deeper.config.items() if k != "_name_or_path"})
    finished.encoder.load_state_dict(deeper.encoder.state_dict())
    finished.decoder.load_state_dict({k.removeprefix("decoder."): v for k, v in weights.items() if k[:8] == "decoder."})
    finished.half().save_pretrained(folder / "model")
