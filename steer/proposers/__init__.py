"""Who writes rewrites: the lexical search (offline) and chat models."""

from __future__ import annotations

from steer.config import ProposerConfig
from steer.config.strength import STRENGTHS, StrengthName
from steer.protocols import Proposer


def build_proposer(config: ProposerConfig, strength: StrengthName = "free") -> Proposer:
    """The proposer a config names, which changes no more than ``strength`` allows."""
    if config.kind == "lexical":
        from steer.lexicon import Lexicon
        from steer.proposers.lexical import LexicalProposer

        return LexicalProposer(Lexicon.load(config.lexicon).only(STRENGTHS[strength].kinds))
    from steer.proposers.chat import ChatProposer

    return ChatProposer(config, strength=strength)
