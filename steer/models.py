"""The presets as a table: licence, memory, what is on this disk, and whether this machine can run them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steer.config import (
    DiffusersConfig,
    PromptedConfig,
    SmolLMConfig,
    SteerConfig,
    find_config,
    parse_config,
    presets,
    read_values,
)
from steer.errors import UsageError
from steer.memory import main_memory
from steer.resources import shipped_reward

if TYPE_CHECKING:
    from steer.renderers.plan import Part, Work

LARGE = 5.0  # GiB of weights, from which drawing on a CPU takes minutes a picture
LIGHT = {"transformer": 0.51, "unet": 0.6, "vae": 1.0}  # in eight bits, of what it takes in sixteen; others .55


@dataclass(frozen=True)
class Machine:
    """What there is to render on, in GiB: ``free`` of the card or, without one, of the main memory; ``total`` of the
    card; ``main`` of the main memory.
    """

    device: str  # "cuda", "mps" or "cpu"
    name: str
    free: float
    total: float | None = None
    main: float = math.inf


@dataclass(frozen=True)
class ModelFacts:
    """One preset.

    ``memory`` and ``least`` in GiB, by parameter counts: with all parts on the card as they are, and with the text
    encoders off it and eight bits.
    ``cached`` and ``reward_cached``: what this disk has of the image model and of the reward, "no" for nothing.
    ``kind``: of the reward, "prompted" or "trained".
    ``here``: whether all of it runs on this machine now, in words.
    """

    preset: str
    about: str
    model: str
    licence: str
    gated: bool
    memory: float
    least: float
    cached: str
    reward: str
    reward_cached: str
    kind: str
    here: str


def model_facts(machine: Machine | None = None) -> list[ModelFacts]:
    """All shipped presets that bring a model of their own, the smallest first."""
    machine = machine or this_machine()
    found = []
    for name in presets():
        values = read_values(find_config(name))
        card = values.pop("card", None)
        if card:
            config = parse_config(values, name)
            renderer = config.renderer
            if not isinstance(renderer, DiffusersConfig):
                raise UsageError(f"the preset '{name}' has a card, which only a renderer of kind diffusers can have")
            memory, least = memory_need(card, renderer)
            reward_cached = cached_reward(config)
            found.append(
                ModelFacts(
                    name,
                    config.about,
                    renderer.model,
                    card["licence"],
                    bool(card.get("gated")),
                    memory,
                    least,
                    cached(renderer.model),
                    config.reward.model,
                    reward_cached,
                    config.reward.kind,
                    _no(needs(config, machine, reward_cached)) or runs_here(card, renderer, machine),
                )
            )
    return sorted(found, key=lambda f: f.memory)


def memory_need(card: dict[str, Any], renderer: DiffusersConfig) -> tuple[float, float]:
    """GiB with all parts on the card as they are, and with the text encoders off it and eight bits."""
    from steer.renderers.plan import RESERVE, is_encoder

    parts, work = _parts(card, renderer), _work(card, renderer)
    encoders = sum(part.light for name, part in parts.items() if is_encoder(name))
    rest = sum(part.light for name, part in parts.items() if not is_encoder(name))
    peak = work.peak(tiles=False)
    return sum(part.size for part in parts.values()) + peak, max(encoders + RESERVE, rest + peak)


def runs_here(card: dict[str, Any], renderer: DiffusersConfig, machine: Machine) -> str:
    """In words, whether and how ``machine`` runs it; ``card``: the preset's."""
    from steer.renderers.fitting import allowed_by, loading_peak
    from steer.renderers.plan import choose

    if needed := needed_device(renderer, machine):
        return _no([needed])
    if machine.device != "cuda":
        parts = _parts(
            card, renderer, "float32" if machine.device == "cpu" and renderer.dtype == "auto" else renderer.dtype
        )
        memory = sum(part.size for part in parts.values()) + _work(card, renderer).peak(tiles=False)
        if memory > machine.free:
            return _no([f"{memory:.0f} GiB of memory"])
        return "slowly, as there is no GPU" if machine.device == "cpu" and memory >= LARGE else "yes"
    parts = _parts(card, renderer)
    plan = choose(parts, machine.free, _work(card, renderer), allowed_by(renderer, "cuda", True), machine.total)
    if (peak := loading_peak(renderer, parts, plan)) > machine.main:
        return _no([f"{peak:.0f} GiB of main memory"])
    bits = ", in eight bits" if "int8" in (plan.precision.denoiser, plan.precision.text) else ""
    how = {"none": "yes", "encoders": "yes, the text encoders by turns", "group": "slowly, layer by layer"}
    return how[plan.placement] + bits


def _parts(card: dict[str, Any], renderer: DiffusersConfig, device: str = "cuda") -> dict[str, Part]:
    """Sizes by a preset's parameter counts, in billions."""
    from steer.renderers.plan import Part
    from steer.renderers.weights import number_format

    each = number_format(renderer.dtype, device).itemsize
    sizes = {name: count * 1e9 * each / 2**30 for name, count in card["parameters"].items()}
    return {name: Part(size, size * LIGHT.get(name, 0.55)) for name, size in sizes.items()}


def _work(card: dict[str, Any], renderer: DiffusersConfig) -> Work:
    from steer.renderers.fitting import work_for
    from steer.renderers.weights import number_format

    unet = "unet" in card["parameters"]
    denoiser = {} if unet else {"num_attention_heads": 1, "attention_head_dim": card.get("width", 3072)}
    parts = {"transformer": denoiser, "vae": {"force_upcast": unet}}
    return work_for(renderer, number_format(renderer.dtype, "cuda"), parts)


def needed_device(renderer: DiffusersConfig, machine: Machine) -> str:
    """The device that a renderer needs and ``machine`` has not, in words; "" where it has it."""
    if renderer.device in ("auto", machine.device):
        return ""
    return "a CUDA card" if renderer.device == "cuda" else f"the device {renderer.device}"


def needs(config: SteerConfig, machine: Machine, reward_cached: str) -> list[str]:
    """All that a preset needs and that is not here, in words."""
    found: list[str] = []
    if isinstance(config.renderer, DiffusersConfig) and (card := needed_device(config.renderer, machine)):
        found.append(card)
    if isinstance(config.proposer, SmolLMConfig):
        from steer.proposers.smollm import missing_packages

        found += [f"the package {name}" for name in missing_packages()]
    return found + (["a reward"] if reward_cached == "no" and config.reward.kind == "trained" else [])


def _no(needed: list[str]) -> str:
    return f"no: needs {' and '.join(needed)}" if needed else ""


def cached_reward(config: SteerConfig) -> str:
    """What this disk has of a config's reward, in words."""
    name = config.reward.model
    if isinstance(config.reward, PromptedConfig) and config.reward.backend != "local":
        return "a server"
    if config.reward.kind == "trained" and shipped_reward(name) is not None:
        return "shipped"
    return "a folder" if (Path(name) / "config.json").is_file() else _in_hub_cache(name)


def cached(model: str) -> str:
    """What this disk has of an image model, in words."""
    if model == "miniature":
        return "shipped"
    return "a folder" if Path(model).is_dir() else _in_hub_cache(model)


def _in_hub_cache(model: str) -> str:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = {r.repo_id: r for r in scan_cache_dir().repos}
    except CacheNotFound:
        return "no"
    if model not in repos:
        return "no"
    return f"{repos[model].size_on_disk / 2**30:.1f} GiB"


def this_machine() -> Machine:
    """The card of this process, or the CPU; the name says why a card that is here cannot be used."""
    import torch

    from steer.devices import unused_card

    main = main_memory().free
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return Machine("cuda", torch.cuda.get_device_name(0), free / 2**30, total / 2**30, main)
    if torch.backends.mps.is_available():
        return Machine("mps", "Apple GPU", main, main=main)
    why = unused_card()
    return Machine("cpu", f"no GPU ({why})" if why else "no GPU", main, main=main)
