"""The presets as a table: licence, memory, what is on this disk, and whether this machine can run them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
from steer.resources import shipped_reward

LARGE = 5.0  # GiB of weights, from which drawing on a CPU takes minutes a picture
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Machine:
    """What there is to render on; ``free`` in GiB, of the card or, without one, of the main memory."""

    device: str  # "cuda", "mps" or "cpu"
    name: str
    free: float


@dataclass(frozen=True)
class ModelFacts:
    """One preset.

    ``memory`` and ``least`` in GiB, by parameter counts: with all parts on the card, and with one at a time.
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
            memory, least = memory_need(card["parameters"], renderer)
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
                    _no(needs(config, machine, reward_cached)) or runs_here(renderer, memory, least, machine),
                )
            )
    return sorted(found, key=lambda f: f.memory)


def memory_need(parameters: dict[str, float], renderer: DiffusersConfig) -> tuple[float, float]:
    """GiB with all parts on the card, and with one part at a time, of billions of parameters by part."""
    from steer.renderers.placement import ACTIVATIONS, GIB, RESERVE

    weight = {k: v * 1e9 * BYTES.get(renderer.dtype, 4) / GIB for k, v in parameters.items()}
    width, height = renderer.size
    one = RESERVE + ACTIVATIONS * width * height / 2**20  # a batch can be as small as one picture
    return sum(weight.values()) + one, max(weight.values()) + one


def runs_here(renderer: DiffusersConfig, memory: float, least: float, machine: Machine) -> str:
    """In words, whether and how ``machine`` runs it."""
    if card := needed_device(renderer, machine):
        return _no([card])
    if machine.device == "cpu" and memory > machine.free:
        return _no([f"{memory:.0f} GiB of memory"])
    if machine.device == "cpu" and memory >= LARGE:
        return "slowly, as there is no GPU"
    if machine.device == "cpu" or memory <= machine.free:
        return "yes"
    if least <= machine.free:
        return "yes, parts moved off the card"
    return f"slowly, layer by layer ({machine.free:.0f} GiB free)"


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

    if torch.cuda.is_available():
        return Machine("cuda", torch.cuda.get_device_name(0), torch.cuda.mem_get_info()[0] / 2**30)
    if torch.backends.mps.is_available():
        return Machine("mps", "Apple GPU", _main_memory())
    why = unused_card()
    return Machine("cpu", f"no GPU ({why})" if why else "no GPU", _main_memory())


def _main_memory() -> float:
    import psutil  # as Linux alone tells it through os.sysconf

    return float(psutil.virtual_memory().available) / 2**30
