"""The parts of rows with settings of their own; whatever the rows agree on is shared."""

from __future__ import annotations

import json

from steer.batch.rows import Row
from steer.config import SteerConfig, override
from steer.errors import UsageError
from steer.parts import Parts
from steer.run.after import check_asked
from steer.run.requests import check_request


class RowParts:
    """One :class:`~steer.parts.Parts` per distinct configuration; models are loaded once."""

    def __init__(self, base: Parts):
        self.base = base
        self._parts: dict[str, Parts] = {"{}": base}

    def config(self, row: Row) -> SteerConfig:
        """The base with the row's settings. Raises UsageError for settings that do not fit."""
        found, base = override(self.base.config, row.settings), self.base.config
        for name, of_row, of_batch in (
            ("renderer", found.renderer, base.renderer),
            ("reward", found.reward, base.reward),
        ):
            if of_row != of_batch:
                raise UsageError(
                    f"a row cannot change '{name}', which all rows share; it can change search, proposer and objective"
                )
        if found.renderer.preview:
            raise UsageError("renderer.preview does not work in a batch; it is for a single run")
        if found.search.memory:
            raise UsageError("search.memory does not work in a batch: a row must not depend on the rows beside it")
        if found.search.time_limit_s is not None:
            raise UsageError("search.time_limit_s does not work in a batch; limit the budget instead")
        return found

    def budget(self, row: Row) -> int:
        """Pictures that the row may take."""
        if row.budget is None and any(key in ("search", "search.budget") for key in row.settings):
            return self.config(row).search.budget
        return row.budget or self.base.config.search.budget

    def of(self, row: Row) -> Parts:
        """The parts for this row."""
        key = json.dumps(row.settings, sort_keys=True)
        if key not in self._parts:
            self._parts[key] = self.base.with_config(self.config(row))
        return self._parts[key]

    def check(self, row: Row) -> None:
        """Raises UsageError for what would fail later: an unknown user, a setting, a screen that cannot be."""
        config = self.config(row)
        check_request(self.base, row.prompt, row.user, row.budget, row.seed)
        if config.search.ask:
            check_asked(self.base, row.user)
