"""A card's share of a picture that several draw together: the pipeline, with a denoiser that computes some of the
tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from unittest.mock import patch

import torch
from diffusers import ContextParallelConfig
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from reward_models.residency import out_of_memory
from steer.config import DiffusersConfig
from steer.errors import RenderError, UsageError
from steer.renderers.caches import has_published_ratios
from steer.renderers.conditioning import family_of, stacked
from steer.renderers.diffusion import DiffusersRenderer
from steer.renderers.fetching import first_line
from steer.renderers.speed import denoiser

T = TypeVar("T")
WHERE = "renderer.context_parallel"


class Share(DiffusersRenderer):
    """One of ``degree`` processes that do the same in step: nothing may be decided by what one of them sees alone."""

    def __init__(self, config: DiffusersConfig, device: str, degree: int):
        super().__init__(config.model_copy(update={"device": device}))
        self.config, self.degree = config, degree
        self.check()

    def check(self) -> None:
        """Raises RenderError or UsageError where the pipeline cannot be drawn by several."""
        assert self.config.context_parallel
        kind, model = self.config.context_parallel.kind, denoiser(self.pipeline)
        name = type(model).__name__
        if model._cp_plan is None:
            raise RenderError(f"{WHERE}: diffusers does not know how to share the work of a {name}; leave it on null")
        heads = model.config.num_attention_heads
        if kind == "ulysses" and heads % self.degree:
            raise UsageError(
                f"{WHERE}: the {heads} heads of a {name} cannot be shared by {self.degree} cards; "
                "choose another degree, or kind=ring"
            )
        family = family_of(self.pipeline)
        if kind == "ring" and family is not None and family.join is not stacked:
            raise UsageError(f"{WHERE}.kind=ring takes no texts of different lengths, as a {name} does; use ulysses")
        if self.place.placement in ("model", "group"):
            raise RenderError(
                f"{WHERE} shares the work and not the weights, which do not fit on each card: "
                "renderer.quantize=int8 halves them"
            )
        for tier in (None, self.config.draft):
            wanted = self._cache(tier)
            width, height = self._size(tier)
            grid = self.pipeline.vae_scale_factor * 2  # pixels of a token's side: latents in patches of 2 x 2
            if (tokens := (width // grid) * (height // grid)) % self.degree:
                raise UsageError(
                    f"{WHERE}: the {tokens} tokens of a {'draft' if tier else 'picture'} of {width} x {height} pixels "
                    f"cannot be shared evenly by {self.degree} cards; choose another size or degree"
                )
            if wanted.kind == "mag" and not wanted.settings.ratios and not has_published_ratios(model):
                raise UsageError(
                    f"{WHERE}: the cache mag needs its ratios (cache_settings.ratios), as each card would measure "
                    "others; taylorseer needs none, and renderer.draft=null draws no drafts"
                )

    def join(self) -> None:
        """Compute only this process's tokens from now on; its group is there. Raises RenderError where diffusers
        refuses.
        """
        assert self.config.context_parallel
        model, kind = denoiser(self.pipeline), self.config.context_parallel.kind
        shares = ContextParallelConfig(**{f"{kind}_degree": self.degree})
        shares.mesh = init_device_mesh(self.device_type, shares.mesh_shape, mesh_dim_names=shares.mesh_dim_names)
        devices = max(1, torch.accelerator.device_count())
        try:
            # diffusers takes the rank modulo the accelerators, and a machine without any has 0
            with patch.object(torch.accelerator, "device_count", return_value=devices):
                model.enable_parallelism(config=shares)
        except (ValueError, RuntimeError) as error:
            raise RenderError(f"{WHERE}: {first_line(error)}") from error
        model.register_forward_pre_hook(_Evenness(shares, kind, self.degree), with_kwargs=True)

    @property
    def device_type(self) -> str:
        """As torch has it."""
        return torch.device(self.device).type

    def _within_memory(self, work: Callable[[], T]) -> T:
        """``work``, once: a card that drew fewer pictures together would leave the others waiting."""
        try:
            with torch.no_grad():
                return work()
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        raise RenderError(
            "the memory of a card does not suffice for its share; use a smaller renderer.batch_size or size, "
            "or a larger renderer.context_parallel.degree"
        )


class _Evenness:
    """Before each call of the denoiser: whether the text's tokens can be shared evenly. Where they cannot, diffusers'
    "anything" does it, at the price of asking at each attention how many the others have.
    """

    def __init__(self, shares: ContextParallelConfig, kind: str, degree: int):
        self.shares, self.kind, self.degree = shares, kind, degree

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:  # noqa: ARG002
        uneven = kwargs["encoder_hidden_states"].shape[1] % self.degree > 0
        if self.kind == "ring":
            self.shares.ring_anything = uneven
        else:
            self.shares.ulysses_anything = uneven
