"""A vision-language model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from reward_models.addresses import without_password
from reward_models.prompted.remote import encoded
from steer.config import VlmCriticConfig
from steer.critics.base import CriticFailed
from steer.critics.question import Part, schema
from steer.errors import ProposerBudgetSpent, ProposerError
from steer.proposers.endpoint import Endpoint
from steer.proposers.usage import Limits, Usage


class RemoteSeer:
    """Asks as the chat proposer does: patiently, within a budget, and counted. Pictures are sent as data URLs."""

    def __init__(self, config: VlmCriticConfig, key: str, limits: Limits):
        self.model, self.limits, self.size = str(config.model), limits, config.size
        self.endpoint = Endpoint(
            self.model,
            key,
            config.api_key_env,
            config.base_url,
            config.extra,
            limits,
            Usage(price=config.price),
            asked_for="critique",
            way_out="",
        )

    @property
    def usage(self) -> Usage:
        """What comments took."""
        return self.endpoint.usage

    @usage.setter
    def usage(self, usage: Usage) -> None:
        self.endpoint = copy.copy(self.endpoint)
        self.endpoint.usage = usage

    def answer(self, parts: Sequence[Part], most_tokens: int) -> str:
        """What the model writes. Raises CriticFailed."""
        message = {"role": "user", "content": [self._part(part) for part in parts]}
        try:
            return self.endpoint.ask([[message]], schema(), 0.0, [0], most_tokens)[0]
        except (ProposerError, ProposerBudgetSpent) as error:
            raise CriticFailed(str(error)) from error

    def fingerprint(self) -> str:
        """Of the names of model and server."""
        address = self.endpoint.base_url
        told = json.dumps([self.model, None if address is None else without_password(address), self.size])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def _part(self, part: Part) -> dict[str, Any]:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded(part, self.size)}"}}
