"""A pipeline that a script has loaded already, and the settings that fit it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diffusers import DiffusionPipeline

from steer.config import DEFAULT, DiffusersConfig, SteerConfig, load_config, presets
from steer.errors import UsageError
from steer.renderers.diffusion import DiffusersRenderer
from steer.resources import MINIATURE_WEIGHTS

MINIATURE = MINIATURE_WEIGHTS / "pipeline"


def renderer_for(
    pipeline: Any, config: str | Path | SteerConfig | None = None
) -> tuple[SteerConfig, DiffusersRenderer]:
    """The settings to draw with ``pipeline``, which are those of ``config`` or else of the preset of its model, and the
    renderer. Raises UsageError for what is no pipeline of diffusers, and for a model that no preset names.
    """
    if not isinstance(pipeline, DiffusionPipeline):
        raise UsageError(f"the pipeline is a {type(pipeline).__name__}, and none of diffusers")
    name = model_of(pipeline)
    if config is None:
        config = _preset_of(name, pipeline)
    loaded = config if isinstance(config, SteerConfig) else load_config(config)
    if not isinstance(loaded.renderer, DiffusersConfig):
        raise UsageError(f"the config '{loaded.name}' draws with '{loaded.renderer.kind}', which takes no pipeline")
    drawing = loaded.renderer.model_copy(update={"model": name, "revision": None})
    return loaded.model_copy(update={"renderer": drawing}), DiffusersRenderer(drawing, pipeline)


def model_of(pipeline: Any) -> str:
    """Where a pipeline was loaded from, a folder or a hub name; the name of its class where it does not say."""
    where = str(pipeline.config.get("_name_or_path") or type(pipeline).__name__)
    return DEFAULT if Path(where) == MINIATURE else where


def _preset_of(name: str, pipeline: Any) -> str:
    configs = {preset: load_config(preset).renderer for preset in presets()}
    drawing = {preset: c.model for preset, c in configs.items() if isinstance(c, DiffusersConfig)}
    found = [preset for preset, model in drawing.items() if model == name]
    if name == DEFAULT or found:
        return DEFAULT if name == DEFAULT else found[0]
    raise UsageError(
        f"no preset is made for '{name}' ({type(pipeline).__name__}): say whose size, steps and reward to use, "
        f"for example config='sdxl'; presets: {', '.join(drawing)}"
    )
