"""What the denoiser computed at one step, used again at the next: the caches of diffusers, by ``enable_cache``.

A cache remembers. It is emptied before each call and after it, so that no picture depends on what was drawn before; and
one that decides by what it sees draws pictures one by one, so that company changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.hooks import (
    FirstBlockCacheConfig,
    HookRegistry,
    MagCacheConfig,
    ModelHook,
    SeaCacheConfig,
    TaylorSeerCacheConfig,
    TextKVCacheConfig,
)
from diffusers.hooks.hooks import CacheContext, StateManager, _set_cache_context
from diffusers.hooks.mag_cache import _MAG_CACHE_LEADER_BLOCK_HOOK, FLUX_MAG_RATIOS
from diffusers.models.cache_utils import CacheMixin
from torch import Tensor, nn

from reward_models.residency import out_of_memory
from steer.config import CacheKind, CacheSettings
from steer.errors import RenderError
from steer.renderers.fetching import first_line
from steer.renderers.previews import OnStep

log = logging.getLogger(__name__)
BY_CONTENT = frozenset({"first-block", "sea"})  # the whole batch is computed or skipped by what is in it
GRID = {"FluxTransformer2DModel", "Flux2Transformer2DModel", "QwenImageTransformer2DModel"}  # latents in 2 x 2 patches
WHERE = "steer_where"
Draw = Callable[[str, OnStep], object]  # a picture of a text; the callback is called after each step
MEASURED = "a house by a lake, with trees and a cloudy sky"  # the picture by which MagCache's ratios are measured


@dataclass(frozen=True)
class Wanted:
    """A cache for one kind of picture; ``steps``: of the picture."""

    kind: CacheKind
    settings: CacheSettings
    steps: int

    @property
    def alone(self) -> bool:
        """Whether pictures are drawn one by one."""
        return self.kind in BY_CONTENT


class Caches:
    """The cache that is on a pipeline's denoiser now: a picture in full and a draft may want different ones."""

    def __init__(self, pipeline: Any):
        self.pipeline = pipeline
        self._on: Wanted | None = None
        self._ratios: dict[int, list[float]] = {}  # MagCache's, by steps

    def check(self, kind: CacheKind) -> None:
        """Raises RenderError where the denoiser cannot have this cache."""
        if kind == "none":
            return
        model = self._model(kind)
        name = type(model).__name__
        if kind == "text-kv" and not _has_text_keys(model):
            raise RenderError(
                f"renderer.cache=text-kv keeps nothing in a {name}: the picture and the step change its texts' keys in "
                "every block; it is for NucleusMoEImageTransformer2DModel"
            )
        if kind == "sea" and name not in GRID:
            raise RenderError(f"renderer.cache=sea: how the latents of a {name} lie is not known here")
        if name.startswith("Flux2") and kind == "first-block":
            raise RenderError("renderer.cache=first-block does not fit FLUX.2, whose last blocks join text and picture")
        if name.startswith("Flux2") and kind == "sea":
            raise RenderError("renderer.cache=sea does not fit FLUX.2, whose last blocks join text and picture")

    @contextmanager
    def on(self, wanted: Wanted, draw: Draw) -> Iterator[None]:
        """While pictures are drawn. ``draw`` draws a picture of a text, by which MagCache may be measured first."""
        self._switch(wanted, draw)
        if wanted.kind == "none":
            yield
            return
        model = self._model(wanted.kind)
        model._reset_stateful_cache()  # a call that broke off leaves it full
        try:
            yield
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            if out_of_memory(error):
                raise
            said = (
                "its pipeline does not say which call is which" if "cache context" in str(error) else first_line(error)
            )
            raise RenderError(
                f"renderer.cache={wanted.kind} does not work with {type(model).__name__}: {said}"
            ) from error
        finally:
            model._reset_stateful_cache()

    def _switch(self, wanted: Wanted, draw: Draw) -> None:
        if wanted == self._on or (wanted.kind == "none" and self._on is None):
            return
        if self._on is not None:
            model = self._model(self._on.kind)
            HookRegistry.check_if_exists_or_initialize(model).remove_hook(WHERE, recurse=False)
            model.disable_cache()
            self._on = None
        if wanted.kind == "none":
            return
        self.check(wanted.kind)
        model = self._model(wanted.kind)
        ratios = self._ratios_for(wanted, draw) if wanted.kind == "mag" else []
        model.enable_cache(settings_of_diffusers(wanted, ratios, next(model.parameters()).dtype))
        if wanted.kind == "sea":
            registry = HookRegistry.check_if_exists_or_initialize(model)
            registry.register_hook(_Where(self.pipeline), WHERE)
        self._on = wanted

    def _ratios_for(self, wanted: Wanted, draw: Draw) -> list[float]:
        """How the residual grows from step to step: as set, as published for FLUX.1, or measured on one picture."""
        if wanted.settings.ratios:
            return list(wanted.settings.ratios)
        if has_published_ratios(self._model("mag")):
            return [float(v) for v in FLUX_MAG_RATIOS]
        if wanted.steps not in self._ratios:
            log.info("MagCache: measured on one picture of %d steps", wanted.steps)
            self._ratios[wanted.steps] = self._measured(wanted.steps, draw)
        return self._ratios[wanted.steps]

    def _measured(self, steps: int, draw: Draw) -> list[float]:
        """By diffusers' calibration, read before the picture is finished, when it would print and forget."""
        model = self._model("mag")
        found: list[float] = []

        def after(_pipeline: Any, _step: int, _time: Any, _given: dict[str, Tensor]) -> dict[str, Tensor]:
            found[:] = _calibrated(model)
            return {}

        model.enable_cache(MagCacheConfig(num_inference_steps=steps + 1, calibrate=True))
        try:
            draw(MEASURED, after)
        finally:
            model._reset_stateful_cache()
            model.disable_cache()
        if len(found) != steps:
            raise RenderError(f"renderer.cache=mag: nothing could be measured on a {type(model).__name__}")
        return found

    def _model(self, kind: CacheKind) -> Any:
        model = self.pipeline.components.get("transformer")
        if not isinstance(model, CacheMixin):
            name = type(model).__name__ if model is not None else type(self.pipeline).__name__
            raise RenderError(f"renderer.cache={kind}: diffusers has no caches for {name}; leave it on none")
        return model


def settings_of_diffusers(wanted: Wanted, ratios: Sequence[float], dtype: torch.dtype) -> Any:
    """The configuration that ``enable_cache`` takes; ``dtype``: of the denoiser."""
    s, steps = wanted.settings, wanted.steps
    if wanted.kind == "text-kv":
        return TextKVCacheConfig()
    if wanted.kind == "first-block":
        return FirstBlockCacheConfig(threshold=s.limit("first-block"))
    if wanted.kind == "sea":
        return SeaCacheConfig(
            threshold=s.limit("sea"),
            residual_order=min(s.order, 1),
            retention_steps=s.first,
            cache_end_steps=s.last,
            max_consecutive_cached=s.in_a_row,
            power_exp=2.0,  # of pictures; 3, diffusers' default, is of videos
            raw_vision_callback=_grid,
        )
    if wanted.kind == "taylorseer":
        return TaylorSeerCacheConfig(
            cache_interval=s.in_a_row + 1,
            disable_cache_before_step=s.first,
            disable_cache_after_step=steps - s.last if s.last else None,
            max_order=s.order,
            taylor_factors_dtype=dtype,
            use_lite_mode=True,  # whole blocks are skipped, and what comes out of the last is foretold
        )
    return MagCacheConfig(
        threshold=s.limit("mag"),
        max_skip_steps=s.in_a_row,
        retention_ratio=min(1.0, s.first / steps),
        num_inference_steps=steps,
        mag_ratios=list(ratios),
    )


class _Where(ModelHook):
    """Tells SeaCache at which step a call is: the pipelines of pictures tell only which of the texts it is for."""

    def __init__(self, pipeline: Any):
        super().__init__()
        self.pipeline = pipeline

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        scheduler = self.pipeline.scheduler
        if (name := _context_of(module)) is not None:
            where = CacheContext(
                name,
                step_index=scheduler.step_index or 0,  # None before the first
                num_inference_steps=len(scheduler.timesteps),
                sigma=float(kwargs["timestep"].flatten()[0]),
            )
            _set_cache_context(module, where)
        return args, kwargs


def _context_of(module: nn.Module) -> str | None:
    """The name of the call that runs now, as the pipeline gave it."""
    for hook in HookRegistry.check_if_exists_or_initialize(module).hooks.values():
        for part in vars(hook).values():
            if isinstance(part, StateManager) and part._context is not None:
                return part._context.name
    return None


def _grid(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:  # noqa: ARG001
    """The latents of a call as pictures (channels, 1, height, width), from rows of patches of 2 x 2."""
    rows: Tensor = kwargs["hidden_states"]
    if (shapes := kwargs.get("img_shapes")) is not None:
        _, high, wide = shapes[0][0]
    else:
        high, wide = (int(n) + 1 for n in kwargs["img_ids"].flatten(0, -2).amax(0)[1:3])
    patches = rows.unflatten(1, (high, wide)).unflatten(3, (-1, 2, 2))  # of n pictures
    return list(patches.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3).unsqueeze(2))


def _calibrated(model: nn.Module) -> list[float]:
    """MagCache's ratios of the steps so far, of the text and not of a negative one."""
    for part in model.modules():
        hook = HookRegistry.check_if_exists_or_initialize(part).get_hook(_MAG_CACHE_LEADER_BLOCK_HOOK)
        if hook is not None:
            states = hook.state_manager._state_cache
            return [float(v) for v in next(iter(states.values())).calibration_ratios]
    return []


def _has_text_keys(model: nn.Module) -> bool:
    """Whether diffusers' cache finds blocks in which a text's keys are the same at every step."""
    from diffusers.models.transformers.transformer_nucleusmoe_image import NucleusMoEImageTransformerBlock

    return any(isinstance(part, NucleusMoEImageTransformerBlock) for part in model.modules())


def has_published_ratios(model: Any) -> bool:
    """Whether the published ratios are this model's: they were measured on FLUX.1 dev."""
    c = model.config
    return type(model).__name__ == "FluxTransformer2DModel" and bool(c.guidance_embeds) and c.num_layers == 19
