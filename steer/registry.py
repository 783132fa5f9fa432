"""Renderers, proposers, kinds of reward and critics by name. A plug-in registers its own as an entry point of a group::

    [project.entry-points."steer.renderers"]
    crayon = "my_package:CrayonRenderer"

``--set renderer=crayon --set renderer.settings.width=512`` then calls ``CrayonRenderer(width=512)``.
"""

from __future__ import annotations

import inspect
from typing import Any

from reward_models.registry import Registry, UnknownName
from steer.errors import UsageError

# what ships is called with the config of its kind; a proposer with the strength too
RENDERERS = Registry(
    "renderer",
    "steer.renderers",
    {
        "diffusers": "steer.renderers.workers:build",
        "remote": "steer.renderers.remote:RemoteRenderer",
        "painter": "steer.renderers.painter:build",
    },
)
PROPOSERS = Registry(
    "proposer",
    "steer.proposers",
    {
        "lexical": "steer.proposers.lexical:build",
        "chat": "steer.proposers.chat:build",
        "local": "steer.proposers.local:build",
        "smollm": "steer.proposers.smollm:build",
        "scripted": "steer.proposers.scripted:build",
    },
)

REWARDS = Registry(
    "kind of reward",
    "steer.rewards",
    {"trained": "steer.judging.load:build_trained", "prompted": "steer.judging.prompted:build"},
)
CRITICS = Registry(
    "critic",
    "steer.critics",
    {
        "none": "steer.critics.load:nobody",
        "reward": "steer.critics.reward:build",
        "vlm": "steer.critics.vlm:build",
        "calm": "steer.critics.calm:build",
        "simulated": "steer.critics.simulated:build",
    },
)


def load(registry: Registry, name: str) -> Any:
    """What ``registry`` has under ``name``. Raises UsageError where there is nothing, or it does not load."""
    try:
        return registry.load(name)
    except UnknownName as error:
        raise UsageError(str(error)) from error


def call_plugin(registry: Registry, name: str, settings: dict[str, Any]) -> Any:
    """The part that a plug-in makes of ``settings``. Raises UsageError for settings that it does not take."""
    make = load(registry, name)
    try:
        inspect.signature(make).bind(**settings)
    except TypeError as error:
        raise UsageError(
            f"the {registry.kind} '{name}' does not take {registry.kind}.settings as given: {error}"
        ) from error
    return make(**settings)
