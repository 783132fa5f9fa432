"""Small decoders, which show in a moment nearly what the pipeline's own shows: for drafts and previews."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffusers import AutoencoderKL, AutoencoderTiny

from reward_models.trusted import load
from steer.errors import RenderError
from steer.renderers.fetching import first_line


def small_decoder(name: str, pipeline: Any, device: str) -> AutoencoderTiny:
    """An AutoencoderTiny for the pipeline's latents, on the device. Raises RenderError where it does not fit them."""
    own = pipeline.vae
    if not isinstance(own, AutoencoderKL):
        raise RenderError(f"small decoders are known for pipelines with an AutoencoderKL, not {type(own).__name__}")
    try:
        found = load(AutoencoderTiny, name, dtype=own.dtype, use_safetensors=True)
    except Exception as error:  # the library raises many kinds for one thing: it does not load
        raise RenderError(f"cannot load the small decoder '{name}': {first_line(error)}") from error
    small: AutoencoderTiny = found.to(device).eval()
    finer = len(small.config.decoder_block_out_channels) - 1, len(own.config.block_out_channels) - 1
    if small.config.latent_channels != own.config.latent_channels or finer[0] != finer[1]:
        raise RenderError(
            f"the small decoder '{name}' takes latents of {small.config.latent_channels} channels at 1/{2 ** finer[0]} "
            f"of the size; the pipeline has {own.config.latent_channels} at 1/{2 ** finer[1]}"
        )
    return small


@contextmanager
def decoding_by(pipeline: Any, small: AutoencoderTiny | None) -> Iterator[None]:
    """While pictures are made that the small decoder shows; None leaves the pipeline's own."""
    own = pipeline.vae if small is not None else None
    if small is not None:
        pipeline.vae = small
    try:
        yield
    finally:
        if small is not None:
            pipeline.vae = own
