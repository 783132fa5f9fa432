"""All sections together."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from steer.config import proposer, renderer
from steer.config.objective import ObjectiveConfig
from steer.config.proposer import LexicalConfig, ProposerConfig
from steer.config.renderer import DiffusersConfig, RendererConfig
from steer.config.reward import RewardConfig
from steer.config.search import SearchConfig
from steer.config.section import Kinds, Section

DEFAULT = "miniature"
KINDS: dict[str, Kinds] = {"renderer": renderer.KINDS, "proposer": proposer.KINDS}
SHORT = {"renderer": "kind", "proposer": "kind", "reward": "model"}  # the key that a section's bare name stands for


def spelled_out(section: str, value: Any) -> Any:
    """``painter`` as ``{kind: painter}``, and a reward's name as ``{model: NAME}``."""
    return {SHORT[section]: value} if section in SHORT and isinstance(value, str) else value


class SteerConfig(Section):
    """Everything that a run depends on besides prompt, user and seed."""

    name: str = DEFAULT
    """Name of the preset."""
    about: str = ""
    """What the preset is, in a few words."""
    renderer: RendererConfig = DiffusersConfig()
    """What draws the pictures."""
    reward: Annotated[RewardConfig, BeforeValidator(lambda value: spelled_out("reward", value))] = RewardConfig()
    """The personal reward model, which predicts how much a user likes a picture."""
    proposer: ProposerConfig = LexicalConfig()
    """What writes the rewrites."""
    search: SearchConfig = SearchConfig()
    """How the budget of pictures is spent."""
    objective: ObjectiveConfig = ObjectiveConfig()
    """What the search maximises."""
