"""The prompted reward from settings, or from a folder whose ``config.json`` holds them; nothing is trained."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from reward_models.base import RewardError
from reward_models.encoders.load import load_encoder
from reward_models.families import Family
from reward_models.folder import resolved_name
from reward_models.prompted.decider import Decider
from reward_models.prompted.reward import PromptedReward

BACKENDS = ("local", "openai", "decisions", "systemone", "chat")


@dataclass(frozen=True)
class Settings:
    """``backend``: "local", a model in this process; "openai", OpenAI's Decisions API; "decisions", "systemone" and
    "chat", a server at ``base_url``. ``features``: an image-text encoder. For ``share_about``, ``orders`` and ``size``
    see :class:`~reward_models.prompted.reward.PromptedReward`; ``price`` is of a million input tokens.
    """

    model: str
    backend: str = "local"
    revision: str | None = None
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    size: int = 448
    batch_size: int = 1
    features: str | None = None
    share_about: bool = False
    orders: int = 1
    parallel: int = 4
    timeout_s: float = 60
    retries: int = 3
    price: float | None = None


def make(
    settings: Settings, device: str = "cpu", background: Callable[[], Sequence[Image.Image]] | None = None
) -> PromptedReward:
    """The reward of these settings. Raises RewardError for a model or encoder that does not load, a missing key or
    address.
    """
    s = settings
    encoder = load_encoder(s.features, device=device) if s.features else None
    if s.backend == "local":
        from reward_models.encoders.vlm import load_vlm
        from reward_models.prompted.local import LocalDecider

        decider: Decider = LocalDecider(load_vlm(s.model, s.revision, device), s.size, s.batch_size)
    else:
        decider = _remote(s)
    return PromptedReward(decider, encoder, s.share_about, s.orders, background, size=s.size)


def _remote(s: Settings) -> Decider:
    key = os.environ.get(s.api_key_env, "")
    if s.backend not in BACKENDS:
        raise RewardError(f"there is no backend '{s.backend}'; known: {', '.join(BACKENDS)}")
    if s.base_url is None and s.backend != "openai":
        raise RewardError(f"the backend '{s.backend}' needs the address of a server")
    if s.base_url is None and not key:
        raise RewardError(f"the reward needs a key in the environment variable {s.api_key_env}")
    patience: dict[str, Any] = {
        "size": s.size,
        "parallel": s.parallel,
        "timeout_s": s.timeout_s,
        "retries": s.retries,
        "price": s.price,
    }
    if s.backend in ("openai", "decisions"):
        from reward_models.prompted.openai_api import OpenAIDecider

        return OpenAIDecider(s.model, key, s.api_key_env, s.base_url, **patience)
    if s.backend == "systemone":
        from reward_models.prompted.servers import SystemOneDecider

        return SystemOneDecider(s.model, key, s.api_key_env, s.base_url, **patience)
    from reward_models.prompted.servers import ChatDecider

    return ChatDecider(s.model, key, s.api_key_env, s.base_url, **patience)


def _load(folder: Path, device: str = "cpu") -> PromptedReward:
    try:
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        told.pop("family")
        settings = Settings(**told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RewardError(f"the reward model in '{folder}' does not load: {error}") from error
    if settings.backend == "local":
        settings = replace(settings, model=resolved_name(settings.model, folder))
    if settings.features:
        settings = replace(settings, features=resolved_name(settings.features, folder))
    return make(settings, device)


FAMILY = Family("prompted", _load)
