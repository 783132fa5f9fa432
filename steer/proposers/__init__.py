"""Who writes rewrites: the lexical search (offline) and chat models."""

from __future__ import annotations

from steer.config import ProposerConfig
from steer.protocols import Proposer


def build_proposer(config: ProposerConfig) -> Proposer:
    """The proposer a config names."""
    if config.kind == "lexical":
        from steer.proposers.lexical import LexicalProposer

        return LexicalProposer.from_name(config.lexicon)
    from steer.proposers.chat import ChatProposer

    return ChatProposer(config)
