"""From a corpus to a saved reward: members of several seeds, the rating noise, the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from reward_models.corpus import Corpus
from reward_models.evaluation import NewPeople, Row, seen_rows
from reward_models.pamela import PamelaConfig, PamelaPredictor
from reward_models.training import TrainingSettings, predict, train_member

Report = Callable[[dict[str, float]], None]


def fit_members(
    corpus: Corpus, settings: TrainingSettings, seeds: Sequence[int], out: Path,
    width: int = 128, layers: int = 2, heads: int = 4,
    accelerator: Accelerator | None = None, report: Report | None = None,
) -> list[PamelaPredictor]:  # fmt: skip
    """A member a seed, with checkpoints and a log of the epochs (``curves.jsonl``) in ``out``.

    The noise of a rating around the prediction is measured on val_seen and kept in the config.
    """
    out.mkdir(parents=True, exist_ok=True)
    config = PamelaConfig(
        features=corpus.pictures.shape[1], width=width, layers=layers, heads=heads, demographics=corpus.demographics,
        metadata=corpus.metadata, people=list(corpus.people), vocabularies=corpus.vocabularies,
    )  # fmt: skip
    val = corpus.tables["val_seen"]

    def on_epoch(row: dict[str, float]) -> None:
        with open(out / "curves.jsonl", "a") as file:
            file.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")
        if report:
            report(row)

    members = [
        train_member(
            config, corpus.pictures, corpus.prompts, corpus.tables["train"], seed, settings,
            val if len(val) else None, out / f"checkpoint-{seed}.pt", accelerator, on_epoch,
        )
        for seed in seeds
    ]  # fmt: skip
    if len(val):
        residual = predict(members, corpus.pictures, corpus.prompts, val) - val.liking
        config.noise = round(float(np.std(residual)), 4)
    return members


def full_table(corpus: Corpus, members: list[PamelaPredictor]) -> list[Row]:
    """Every predictor on seen and unseen people, as far as the corpus has them."""
    rows = seen_rows(corpus, members) if len(corpus.tables["test_seen"]) else []
    if len(corpus.tables["test_unseen"]):
        rows += NewPeople(corpus, members).table_rows()
    return rows


def as_metrics(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """The table for ``config.json``, keyed ``split: model``."""
    return {f"{r.split}: {r.model}": {k: round(float(v), 4) for k, v in r.metrics.items()} for r in rows}
