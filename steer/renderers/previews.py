"""A look at a picture while it is made, and an end to it where there is no hope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import AutoencoderTiny
from PIL import Image
from torch import Tensor

from steer.config import PreviewConfig
from steer.errors import RenderError
from steer.protocols import GoesOn, Previews
from steer.renderers.checks import as_picture
from steer.renderers.decoders import decoding_by
from steer.types import RenderFailure, Stopped

OnStep = Callable[[Any, int, Any, dict[str, Tensor]], dict[str, Tensor]]  # diffusers' callback_on_step_end
Draw = Callable[[str, int, OnStep], Image.Image | RenderFailure]  # one picture of a prompt and seed
EULER = ("FlowMatchEulerDiscreteScheduler", "EulerDiscreteScheduler")


class EulerPreviews(Previews):
    """Renders one picture at a time and asks ``goes_on`` after ``step`` steps.

    The preview is what the model expects to come out: an Euler step from x at noise s to x' at noise s' goes along
    d = (x' - x) / (s' - s), which ends without noise at x' - s' d. It is decoded by the pipeline's own VAE, at low
    size.

    ``draw`` renders with ``pipeline`` pictures of ``size``. Raises RenderError for other schedulers and unknown
    latents.
    """

    def __init__(self, pipeline: Any, size: tuple[int, int], config: PreviewConfig, draw: Draw):
        self.pipeline, self.size, self.config, self.draw = pipeline, size, config, draw
        self.decoder: AutoencoderTiny | None = None  # in place of the pipeline's own
        scheduler = type(pipeline.scheduler).__name__
        if scheduler not in EULER:
            raise RenderError(f"renderer.preview knows Euler's steps only; the scheduler is {scheduler}")
        name = type(pipeline).__name__
        self._clean = next((clean for start, clean in LATENTS if name.startswith(start)), None)
        if self._clean is None:
            raise RenderError(f"renderer.preview does not know the latents of {name}")

    def render(
        self, prompts: Sequence[str], seeds: Sequence[int], goes_on: GoesOn
    ) -> list[Image.Image | RenderFailure | Stopped]:
        """As the whole renderer's; Stopped with the preview where ``goes_on`` said no."""
        results: list[Image.Image | RenderFailure | Stopped] = []
        for i, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
            stopped: list[Stopped] = []
            before: list[Tensor] = []

            def look(
                pipeline: Any,
                step: int,
                _time: Any,
                given: dict[str, Tensor],
                i: int = i,
                stopped: list[Stopped] = stopped,
                before: list[Tensor] = before,
            ) -> dict[str, Tensor]:
                if step == self.config.step - 2:
                    before.append(given["latents"])
                elif step == self.config.step - 1:
                    preview = self._decode(before[0], given["latents"], step)
                    with torch.inference_mode(False), torch.enable_grad():  # whoever judges may need gradients
                        if isinstance(preview, RenderFailure) or goes_on(i, preview):
                            return {}
                    stopped.append(Stopped(preview, step + 1))
                    pipeline._interrupt = True
                return {}

            made = self.draw(prompt, seed, look)
            results.append(stopped[0] if stopped else made)
        return results

    def _decode(self, before: Tensor, after: Tensor, step: int) -> Image.Image | RenderFailure:
        assert self._clean
        p = self.pipeline
        s, t = (float(v) for v in p.scheduler.sigmas[step : step + 2])
        clean = after - t * (after - before) / (t - s)
        with decoding_by(p, self.decoder):
            latents = self._clean(p, clean.to(after.dtype), *self.size)
            if self.config.scale < 1:
                latents = torch.nn.functional.interpolate(latents, scale_factor=self.config.scale, mode="area")
            picture = p.vae.decode(latents.to(p.vae.dtype), return_dict=False)[0]
        return as_picture(p.image_processor.postprocess(picture, output_type="np")[0], False)


def _flux(p: Any, latents: Tensor, width: int, height: int) -> Tensor:
    unpacked = p._unpack_latents(latents, height, width, p.vae_scale_factor)
    return unpacked / p.vae.config.scaling_factor + p.vae.config.shift_factor


def _flux2(p: Any, latents: Tensor, width: int, height: int) -> Tensor:
    side = p.vae_scale_factor * 2
    grid = latents.transpose(1, 2).unflatten(2, (height // side, width // side))
    mean, variance = (v.view(1, -1, 1, 1).to(grid) for v in (p.vae.bn.running_mean, p.vae.bn.running_var))
    return p._unpatchify_latents(grid * torch.sqrt(variance + p.vae.config.batch_norm_eps) + mean)


def _sdxl(p: Any, latents: Tensor, width: int, height: int) -> Tensor:  # noqa: ARG001
    return latents / p.vae.config.scaling_factor


LATENTS: tuple[tuple[str, Callable[[Any, Tensor, int, int], Tensor]], ...] = (
    ("Flux2", _flux2),
    ("FluxPipeline", _flux),
    ("StableDiffusionXLPipeline", _sdxl),
)
