"""Makes what the protocol's further rows need, as a configuration asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from reward_models.encoders.cache import Progress
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.encoders.vlm import load_vlm
from reward_models.linear_hidden.extras import Elsewhere, Extras
from reward_models.linear_hidden.fit import attribute_map, pools_of
from reward_models.linear_hidden.settings import LinearHiddenSettings
from reward_models.linear_hidden.written import Writer
from reward_models.ratings.aadb import load_aadb
from reward_models.ratings.sets import load_set
from reward_models.ratings.table import Ratings
from reward_models.taste.ridge import Scaler


def extras_of(
    settings: LinearHiddenSettings,
    encoder: HiddenPools,
    pools: Mapping[str, np.ndarray],
    rows: Mapping[str, int],
    ratings: Ratings,
    progress: Progress | None = None,
) -> Extras:
    """``pools`` (P, D): of the evaluated pictures, computed by ``encoder``; ``rows``: theirs by picture. What the model
    writes is kept in ``written.jsonl`` in the configuration's ``out``.
    """
    asked = settings.evaluation
    encoder = encoder.with_pools(list(pools))
    aadb: dict[str, np.ndarray] = {}
    if asked.aadb:
        found = load_aadb(Path(asked.aadb).expanduser())
        there, at = pools_of(encoder, found.root, found.pictures, settings, progress)
        kept = [i for i, p in enumerate(found.pictures) if p in at]
        order = [at[found.pictures[i]] for i in kept]
        for pool, x in there.items():
            aadb[pool] = attribute_map(x[order], found.values[kept], Scaler.of(x[order]))(pools[pool])
    elsewhere = None
    if asked.elsewhere:
        other = load_set(asked.elsewhere)
        there, at = pools_of(encoder, other.root, other.table["picture"].unique(), settings, progress)
        elsewhere = Elsewhere(other.name, other.table[other.table["picture"].isin(list(at))], there, at)
    if not asked.written and not asked.few_shot:
        return Extras(aadb=aadb, elsewhere=elsewhere)
    writer = Writer(load_vlm(settings.vlm, settings.revision, encoder.device), ratings.root, settings.size)
    written = None
    if asked.written:
        written = np.full(len(next(iter(pools.values()))), np.nan)
        written[list(rows.values())] = writer.scores(list(rows), Path(settings.out) / "written.jsonl", progress)
    return Extras(written, writer.few_shot if asked.few_shot else None, asked.few_shot, aadb, elsewhere)
