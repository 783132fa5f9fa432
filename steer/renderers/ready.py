"""A pipeline that is ready to draw: loaded, in the precision and place that fit, with its scheduler and LoRAs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import diffusers
from diffusers import ModelMixin
from diffusers.loaders.lora_base import LoraBaseMixin

from steer.config import DiffusersConfig
from steer.errors import RenderError, unknown
from steer.renderers.conditioning import family_named
from steer.renderers.fetching import Identity, first_line, lora_file, pipeline_folder
from steer.renderers.fitting import check_main_memory, plan_for, work_for
from steer.renderers.loading import read_pipeline
from steer.renderers.placement import modules, settle
from steer.renderers.plan import Plan, Precision
from steer.renderers.speed import compile_blocks, lighten
from steer.renderers.weights import number_format, parts_of, parts_of_modules, pipeline_kind, settings_of


class Loaded:
    """A pipeline in its place. ``identity``: what its weights are, and how they are read; of a run's fingerprint."""

    def __init__(self, config: DiffusersConfig, device: str, pipeline: Any = None):
        dtype = number_format(config.dtype, device)
        if pipeline is None:
            folder, self.identity = pipeline_folder(config)
            parts = parts_of(folder, dtype, config.variant)
            settings = {name: settings_of(folder, name) for name in parts}
            kind = pipeline_kind(folder)
        else:
            self.identity, kind = identity_of(pipeline), type(pipeline).__name__
            parts = parts_of_modules(modules(pipeline), dtype)
            settings = {name: dict(m.config) for name, m in modules(pipeline).items() if isinstance(m, ModelMixin)}
        apart = family_named(kind) is not None
        if config.offload in ("encoders", "group") and not apart:
            raise RenderError(f"renderer.offload={config.offload}: how {kind} encodes texts is not known here")
        work = work_for(config, dtype, settings)
        plan = plan_for(config, device, parts, work, apart)
        own = pipeline is None
        if own:
            check_main_memory(config, device, parts, plan)
            pipeline = read_pipeline(folder, config, dtype, plan)
        self.pipeline = pipeline
        self.identity |= self._make_ready(config, plan)
        split = own and apart and config.offload == "auto" and plan.placement == "none"  # nobody misses the encoders
        self.place = settle(self.pipeline, device, config, plan, work, split)
        compile_blocks(self.pipeline, config)

    def _make_ready(self, config: DiffusersConfig, plan: Plan) -> Identity:
        """Scheduler, LoRAs and precision; what they add to the weights' identity."""
        added: Identity = {}
        self.pipeline.set_progress_bar_config(disable=True)
        if config.scheduler or config.scheduler_settings:
            self.pipeline.scheduler = _scheduler(config, self.pipeline.scheduler)
        for lora in config.loras:
            added[f"lora {lora.path}"] = _add_lora(self.pipeline, lora)
        lighten(self.pipeline, config, plan.precision)
        if plan.precision != Precision():
            added["precision"] = asdict(plan.precision)
        return added


def identity_of(pipeline: Any) -> Identity:
    """Of a pipeline that a script brings along: its kind and size, as nobody can say where it came from."""
    size = {name: sum(p.numel() for p in part.parameters()) for name, part in modules(pipeline).items()}
    return {"given": type(pipeline).__name__, "parameters": size}


def _scheduler(config: DiffusersConfig, own: Any) -> Any:
    """The scheduler by its class's name, with the pipeline's own settings where none are given."""
    name = config.scheduler or type(own).__name__
    if not (name.endswith("Scheduler") and hasattr(diffusers, name)):
        known = sorted(n for n in dir(diffusers) if n.endswith("Scheduler") and not n.startswith(("Flax", "_")))
        raise unknown("scheduler", name, known)
    try:
        return getattr(diffusers, name).from_config(own.config, **config.scheduler_settings)
    except (ImportError, TypeError, ValueError) as error:
        raise RenderError(f"the scheduler {name} does not take the pipeline's settings: {first_line(error)}") from error


def _add_lora(pipeline: Any, lora: Any) -> object:
    """Fuse a LoRA into the weights, so that it costs nothing; its identity."""
    if not isinstance(pipeline, LoraBaseMixin):
        raise RenderError(f"{type(pipeline).__name__} takes no LoRA files")
    path, identity = lora_file(lora)
    try:
        pipeline.load_lora_weights(str(path.parent), weight_name=path.name, use_safetensors=True)
        pipeline.fuse_lora(lora_scale=lora.scale)
        pipeline.unload_lora_weights()
    except ImportError as error:
        raise RenderError("LoRA files need the package peft: pip install peft") from error
    except Exception as error:
        raise RenderError(f"cannot load the LoRA '{lora.path}': {first_line(error)}") from error
    return {"scale": lora.scale, **identity}  # type: ignore[dict-item]
