"""Steerers for rows with settings of their own, that share renderer, reward and store wherever these are the same."""

from __future__ import annotations

import json

from steer.batch.rows import Row
from steer.config import SteerConfig, override
from steer.errors import UsageError
from steer.steerer import Steerer


class Parts:
    """One :class:`Steerer` a distinct configuration; models are loaded once."""

    def __init__(self, base: Steerer):
        self.base = base
        self._steerers: dict[str, Steerer] = {"{}": base}

    def config(self, row: Row) -> SteerConfig:
        """The base with the row's settings. Raises UsageError for settings that do not fit."""
        found = override(self.base.config, row.settings, "the row")
        for section in ("renderer", "reward"):
            if getattr(found, section) != getattr(self.base.config, section):
                raise UsageError(f"'{section}' is the whole batch's; a row sets search, proposer and objective alone")
        if found.renderer.preview:
            raise UsageError("renderer.preview stops pictures of a single run; in a batch leave it")
        if found.search.time_limit_s is not None:
            raise UsageError("search.time_limit_s is of a single run; in a batch give budgets")
        return found

    def steerer(self, row: Row) -> Steerer:
        """For this row."""
        key = json.dumps(row.settings, sort_keys=True)
        if key not in self._steerers:
            config, base = self.config(row), self.base
            proposer = (
                base.proposer
                if config.proposer == base.config.proposer and config.search.strength == base.config.search.strength
                else None
            )
            reward = base.reward if config.objective.scorers == base.config.objective.scorers else None
            self._steerers[key] = Steerer(
                config,
                renderer=base.renderer,
                reward=reward,
                proposer=proposer,
                store=base.store,
                listeners=base.listeners,
            )
        return self._steerers[key]

    def check(self, row: Row) -> None:
        """Raises UsageError for what would fail later: an unknown user, a setting, a screen that cannot be."""
        self.config(row)
        self.base.request(row.prompt, row.user, row.budget, row.seed)
