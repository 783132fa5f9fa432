"""Who writes rewrites: the lexical search (offline) and chat models."""

from __future__ import annotations

from steer.config import ProposerConfig, ProposerPlugin
from steer.config.strength import StrengthName
from steer.protocols import Proposer
from steer.registry import PROPOSERS, call_plugin, load


def build_proposer(config: ProposerConfig, strength: StrengthName = "free") -> Proposer:
    """The proposer that a config names, which changes no more than ``strength`` allows; a plug-in is only guarded by
    it.
    """
    if isinstance(config, ProposerPlugin):
        return call_plugin(PROPOSERS, config.kind, config.settings)
    return load(PROPOSERS, config.kind)(config, strength)
