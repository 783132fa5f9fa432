"""What a preset needs, and whether this machine can run it, before anything is fetched or paid for."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reward_models.addresses import without_password
from reward_models.families import is_hub_name
from reward_models.plural import counted
from steer.config import (
    ChatConfig,
    DiffusersConfig,
    LocalConfig,
    PromptedConfig,
    RemoteConfig,
    SmolLMConfig,
    SteerConfig,
    TrainedConfig,
)
from steer.errors import SteerError
from steer.hub import CANNOT_ASK, Needed, in_cache, needed
from steer.judging.load import trained_here
from steer.models import Machine, memory_need, runs_here, this_machine
from steer.resources import shipped_reward
from steer.users.store import UserStore

GB = 1e9
TOKENS_A_MEGAPIXEL = 4096  # of a transformer that draws, with patches of 16 pixels
# arithmetic a second that drawing reaches: first guesses, by device and the kind of card
SPEEDS = {"cuda": 8e13, "mps": 4e12, "cpu": 1e11}
CARDS = {"H100": 4e14, "H200": 4e14, "A100": 1.8e14, "4090": 1.2e14, "5090": 1.8e14, "3090": 5e13, "L40": 1.5e14}
AN_ANSWER_S = {"cuda": 0.15, "mps": 2.0, "cpu": 20.0}  # of a 4B model about a picture: first guesses
A_REMOTE_PICTURE_S, A_REMOTE_ANSWER_S = 15.0, 2.0


@dataclass(frozen=True)
class Part:
    """One part of a preset. ``where``: "shipped", "in a folder", "the hub" or "an API at HOST". ``bytes_``: to be
    fetched; NaN where that is not known. ``problems``: what stands in its way, one line each.
    """

    role: str
    name: str
    where: str
    bytes_: float = 0.0
    remark: str = ""
    problems: tuple[str, ...] = ()
    hub: Needed | None = None


@dataclass(frozen=True)
class Checkup:
    """All that is known of a preset on this machine. ``guess_s``: seconds of a run, a first guess."""

    preset: str
    machine: Machine
    disk_free: int
    cache: str
    parts: list[Part]
    fits: str
    pictures: int
    requests: int
    guess_s: float
    money: float
    problems: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)  # of the store

    @property
    def to_fetch(self) -> float:
        """Bytes, each repository once; NaN where a size is not known."""
        each = {part.name: part.bytes_ for part in self.parts}
        return math.fsum(each.values())

    @property
    def next(self) -> str:
        """The command to go on with."""
        if self.problems:
            return f"steer doctor --config {self.preset}"
        if self.users:
            return f'steer run "a castle" --user {self.users[0]} --config {self.preset}'
        return f'steer user add me --profile "warm light, no neon" --config {self.preset}'


def examine(config: SteerConfig, card: dict[str, Any], machine: Machine | None = None) -> Checkup:
    """Look at everything that a run of ``config`` needs; ``card`` is its preset's, {} for none. Asks the hub for names
    and sizes, and no API.
    """
    machine = machine or this_machine()
    parts = [_renderer(config, card), *_loras(config), *_reward(config, card), _proposer(config, card)]
    cache = _cache()
    free = shutil.disk_usage(next(p for p in (cache, *cache.parents) if p.exists())).free
    problems = [f"{part.role}: {problem}" for part in parts for problem in part.problems]
    fetch = math.fsum({p.name: p.bytes_ for p in parts if not math.isnan(p.bytes_)}.values())
    if fetch > free:
        problems.append(f"disk: {fetch / GB:.1f} GB are to be fetched, and {cache} has {free / GB:.1f} GB left")
    fits = _fits(config, card, machine)
    if fits.startswith("no:"):
        problems.append(f"memory: {fits.removeprefix('no: ')}")
    pictures = config.search.budget
    requests = _requests(config, pictures)
    return Checkup(
        config.name,
        machine,
        free,
        str(cache),
        parts,
        fits,
        pictures,
        requests,
        _seconds(config, card, machine, pictures),
        _money(config, pictures),
        problems,
        [user.id for user in UserStore().users() if not user.source],
    )


def _renderer(config: SteerConfig, card: dict[str, Any]) -> Part:
    r = config.renderer
    if isinstance(r, DiffusersConfig) and r.model != "miniature":
        guess = sum(card.get("parameters", {}).values()) * 2e9
        found = _model("renderer", r.model, guess, lambda: needed(r.model, r.revision, r.variant, pipeline=True))
        licence = card.get("licence", "")
        return _with(found, remark=f"licence: {licence}" if licence else "")
    if isinstance(r, RemoteConfig):
        return _api("renderer", r.model, r.base_url, r.api_key_env)
    return Part("renderer", r.model, "shipped")


def _loras(config: SteerConfig) -> list[Part]:
    """LoRAs of the hub, of which one file each is read."""
    r = config.renderer
    names = [lora for lora in r.loras if is_hub_name(lora.path)] if isinstance(r, DiffusersConfig) else []
    return [_model("LoRA", x.path, math.nan, lambda x=x: needed(x.path, file=x.file)) for x in names]  # type: ignore[misc]


def _reward(config: SteerConfig, card: dict[str, Any]) -> list[Part]:
    r, guesses = config.reward, card.get("others", {})
    if isinstance(r, PromptedConfig):
        if r.backend == "local":
            parts = [_vlm("reward", r.model, r.revision, guesses)]
        else:
            parts = [_api("reward", r.model, r.base_url, r.api_key_env)]
        if r.features:
            parts.append(_vlm("features", r.features, None, guesses))
        return parts
    if isinstance(r, TrainedConfig) and shipped_reward(r.model) is None:
        try:
            return [_model("reward", trained_here(r.model), math.nan, lambda: needed(r.model))]
        except SteerError as error:
            return [Part("reward", r.model, "nowhere", problems=(str(error),))]
    return [Part("reward", r.model, "shipped")]


def _proposer(config: SteerConfig, card: dict[str, Any]) -> Part:
    p = config.proposer
    if isinstance(p, LocalConfig):
        return _vlm("proposer", p.model, p.revision, card.get("others", {}))
    if isinstance(p, ChatConfig):
        return _api("proposer", p.model, p.base_url, p.api_key_env)
    if isinstance(p, SmolLMConfig):
        from steer.proposers.smollm import missing_packages

        missing = tuple(f"the package {name} is not installed" for name in missing_packages())
        return Part("proposer", "SmolLM2-135M", "a package", problems=missing)
    return Part("proposer", p.kind, "shipped")


def _vlm(role: str, name: str, revision: str | None, guesses: dict[str, float]) -> Part:
    return _model(role, name, guesses.get(name, math.nan) * 2e9, lambda: needed(name, revision))


def _model(role: str, name: str, guess: float, ask: Callable[[], Needed]) -> Part:
    """``guess``: bytes, where the hub does not tell."""
    if Path(name).is_dir():
        return Part(role, name, "in a folder")
    if not is_hub_name(name):
        return Part(role, name, "nowhere", problems=(f"there is no folder '{name}'",))
    found = ask()
    if found.fault:
        unasked = found.fault == CANNOT_ASK
        if unasked and in_cache(name):
            return Part(role, name, "the hub", 0.0, f"in the cache; {found.fault}", (), found)
        fault = f"'{name}' is not in the cache, and {found.fault}" if unasked else f"'{name}': {found.fault}"
        return Part(
            role,
            name,
            "the hub",
            guess,
            found.fault if math.isnan(guess) else f"{found.fault}: a guess",
            (fault,),
            found,
        )
    problems: tuple[str, ...] = ()
    if found.gated and found.allowed is False and found.to_fetch:
        problems = (f"'{name}' is given only to who accepted its licence: accept it on its page, then 'hf auth login'",)
    return Part(role, name, "the hub", found.to_fetch, "", problems, found)


def _api(role: str, name: str, base_url: str | None, key_from: str) -> Part:
    where = without_password(f"an API at {base_url or os.environ.get('OPENAI_BASE_URL') or 'OpenAI'}")
    if base_url is None and not os.environ.get(key_from):
        return Part(role, name, where, problems=(f"there is no key in the environment variable {key_from}",))
    return Part(role, name, where)


def _with(part: Part, remark: str) -> Part:
    said = ", ".join(text for text in (part.remark, remark) if text)
    return Part(part.role, part.name, part.where, part.bytes_, said, part.problems, part.hub)


def _fits(config: SteerConfig, card: dict[str, Any], machine: Machine) -> str:
    """In words, whether the models fit into the memory of the card, or of the machine without one."""
    if not isinstance(config.renderer, DiffusersConfig) or not card.get("parameters"):
        return "nothing large runs on this machine"
    words = runs_here(card, config.renderer, machine)
    if words.startswith("no:"):
        return words
    memory, _ = memory_need(card, config.renderer)
    local = {c.model for c in (config.reward, config.proposer) if isinstance(c, (LocalConfig, PromptedConfig))}
    features = config.reward.features if isinstance(config.reward, PromptedConfig) else None
    each = 4 if machine.device == "cpu" else 2  # bytes of a number
    sizes = [b * each * 1e9 / 2**30 for name, b in card.get("others", {}).items() if name in {*local, features}]
    beside = sum(sizes)
    need = f"{memory:.0f} GiB for the image model and {beside:.0f} for the others; {machine.free:.0f} free"
    if machine.device != "cuda":
        if memory + beside > machine.free:
            return f"no: needs {memory + beside:.0f} GiB of memory ({need})"
        return f"{words} ({need})"
    if max(sizes, default=0.0) + 1 > machine.free:
        return f"no: needs a card with {max(sizes) + 1:.0f} GiB for the reward ({need})"
    turns = "; they take turns on the card" if memory + beside > machine.free else ""
    return f"{words} ({need}{turns})"


def _requests(config: SteerConfig, pictures: int) -> int:
    """Requests to APIs: pictures, scores of each in one request, and a rewriting of each round."""
    found = pictures if isinstance(config.renderer, RemoteConfig) else 0
    if isinstance(config.reward, PromptedConfig) and config.reward.backend != "local":
        texts = pictures * (config.search.screen if config.search.screen > 1 else 0)
        found += pictures + texts
    if isinstance(config.proposer, ChatConfig):
        found += math.ceil(pictures / config.search.rewrites)
    return found


def _money(config: SteerConfig, pictures: int) -> float:
    """In the currency of the prices that are set; NaN where something paid for has none."""
    r = config.renderer
    if not isinstance(r, RemoteConfig):
        return 0.0
    return pictures * r.price if r.price is not None else math.nan


def _seconds(config: SteerConfig, card: dict[str, Any], machine: Machine, pictures: int) -> float:
    """A first guess: arithmetic of drawing, and answers of the reward."""
    r = config.renderer
    answers = pictures * (2 + config.search.screen * (config.search.screen > 1))
    reward = config.reward
    asks = isinstance(reward, PromptedConfig)
    local = isinstance(reward, PromptedConfig) and reward.backend == "local"
    judging = answers * (AN_ANSWER_S[machine.device] if local else A_REMOTE_ANSWER_S / 4) if asks else 0.0
    if isinstance(r, RemoteConfig):
        return pictures * A_REMOTE_PICTURE_S / r.parallel + judging
    if not isinstance(r, DiffusersConfig) or r.model == "miniature" or not card.get("parameters"):
        return 0.2 * pictures + judging
    speed = next((v for name, v in CARDS.items() if name in machine.name), SPEEDS[machine.device])
    drawing = max(card["parameters"].values()) * 1e9
    width, height = r.size
    arithmetic = 2 * drawing * TOKENS_A_MEGAPIXEL * width * height / 2**20 * r.steps
    return pictures * arithmetic / speed + judging


def _cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def lines(checkup: Checkup) -> list[str]:
    """As the command prints it, without markup."""
    c = checkup
    disk = f"{c.disk_free / GB:.0f} GB of disk in {c.cache}"
    found = [f"machine   {c.machine.name}, {c.machine.free:.0f} GiB of memory free, {disk}"]
    named: dict[str, str] = {}
    for part in c.parts:
        if part.where == "the hub" and part.name in named:
            found.append(f"{part.role:10s}{part.name}: the same as the {named[part.name]}'s")
            continue
        named[part.name] = part.role
        size = "size unknown" if math.isnan(part.bytes_) else f"{part.bytes_ / GB:.1f} GB to fetch"
        if part.where == "the hub" and part.bytes_ == 0:
            size = "already here"
        what = f"{part.where}, {size}" if part.where == "the hub" else part.where
        remark = f" ({part.remark})" if part.remark else ""
        found.append(f"{part.role:10s}{part.name}: {what}{remark}")
    found.append(f"fits      {c.fits}")
    a_run = f"{counted(c.pictures, 'picture')}"
    if c.requests:
        a_run += f", {counted(c.requests, 'request')}"
    if c.money:
        a_run += ", money unknown (set renderer.price)" if math.isnan(c.money) else f", {c.money:.2f} for pictures"
    found.append(f"a run     {a_run}, about {_time(c.guess_s)}: first guesses")
    found += [f"missing   {problem}" for problem in c.problems]
    found.append(f"next      {c.next}" if not c.problems else f"next      mend the above, then {c.next}")
    return found


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
