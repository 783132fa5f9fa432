"""What an evaluation leaves to look at: tables in Markdown, JSON and CSV, curves as PNG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reward_models.evaluation.metrics import METRICS, MINIMUM, gain, summary
from reward_models.evaluation.pages import render
from reward_models.evaluation.plots import plot_margins, plot_new_people
from reward_models.pamela.amounts import new_pictures, views_of
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.evaluation import Judged, Row, judge, margin_curve, population_level
from reward_models.pamela.newcomers import CONTEXT, with_enough
from reward_models.pamela.reward import PamelaReward
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import Corpus
from reward_models.ratings.table import SPLITS
from reward_models.two_questions import gain_in_words

MARGINS = tuple(np.linspace(0, 0.25, 11))  # of [0, 1]; 0 ... 1 point on a 1-5 slider
EVALUATED = tuple(s for s in SPLITS if s != "train")


def evaluate_all(corpus: Corpus, reward: PamelaReward, out: Path, splits: Sequence[str] = EVALUATED) -> list[Row]:
    """Write ``evaluation.md``, ``evaluation.json``, ``people.csv`` and the plots into ``out``; the rows of the table.

    A split in which nobody can be judged is left out, and the report says so.
    """
    out.mkdir(parents=True, exist_ok=True)
    found = {s: j for s in splits if (j := judge(corpus, reward.ensemble, s)) is not None}
    rows = [row for judged in found.values() for row in judged.rows()]
    report: dict[str, Any] = {
        "table": as_metrics(rows),
        "data": corpus.fingerprint,
        "splits left out": [s for s in splits if s not in found],
        "unreadable pictures": corpus.unreadable,
        "margins": [round(4 * m, 3) for m in MARGINS],
        "splits": {s: _of_split(judged) for s, judged in found.items()},
    }
    shown = next((s for s in ("test_seen", "val_seen") if s in found), None)
    if shown:
        plot_margins(report["margins"], report["splits"][shown]["pairwise by margin"], out / "margins.png")
    new = next((s for s in ("test_unseen", "val_unseen") if s in found), None)
    curves = with_enough(corpus, reward.ensemble, new).curve() if new else {}
    if curves:
        report["new people by ratings given"] = {
            way: {n: summary(each) for n, each in curve.items()} for way, curve in curves.items()
        }
        report["fitted above the population head"] = {
            n: gain(each, curves["population head"][n]) for n, each in curves["fitted"].items()
        }
        plot_new_people(report["new people by ratings given"], out / "new_people.png")
    if new and (unrated := _unrated(corpus, reward.ensemble, new)):
        report["new people, new pictures"] = unrated
    (out / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "evaluation.md").write_text(as_markdown(rows, report), encoding="utf-8")
    _people(rows).to_csv(out / "people.csv", index=False)
    return rows


def _unrated(corpus: Corpus, ensemble: Ensemble, split: str) -> dict[int, dict[str, float]]:
    """New people on pictures that nobody had rated, as far as a member knew; see
    :func:`reward_models.pamela.amounts.new_pictures`.
    """
    if ensemble.anchor is None:
        return {}
    views = views_of(corpus, ensemble.members, ensemble.priors, ensemble.anchor)
    return new_pictures(corpus, views, split, ensemble.config.noise)


def as_metrics(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """The table as JSON, keyed ``split: model``."""
    return {f"{r.split}: {r.model}": {k: round(float(v), 4) for k, v in r.metrics.items()} for r in rows}


def disagreement(predicted: np.ndarray, test: RatingTable) -> dict[str, float]:
    """Pairwise accuracy on the pairs of pictures that different people order differently.

    A pair counts where at least two people rated both pictures and did not agree on the better one;
    a predictor that knows no persons can at best side with the majority.
    """
    orders: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for person in np.unique(test.person):
        rows = np.flatnonzero(test.person == person)
        rows = rows[np.argsort(test.picture[rows])]
        i, j = np.triu_indices(len(rows), 1)
        a, b = rows[i], rows[j]
        truth, guess = np.sign(test.liking[a] - test.liking[b]), np.sign(predicted[a] - predicted[b])
        for x, y, t, g in zip(test.picture[a], test.picture[b], truth, guess, strict=True):
            if t:
                orders.setdefault((int(x), int(y)), []).append((float(t), float(g)))
    split = [votes for votes in orders.values() if len({t for t, _ in votes}) == 2]
    hits = [(t * g + 1) / 2 for votes in split for t, g in votes]
    return {"pairs": len(split), "pairwise": round(float(np.mean(hits)), 4) if hits else 0.5}


def _of_split(judged: Judged) -> dict[str, Any]:
    """What a split's report holds besides its lines of the table."""
    predictions, test = judged.predictions, judged.test
    each = {row.model: row.each for row in judged.rows()}
    return {
        "best": judged.best,
        "above the population head": gain(each[judged.best], each[judged.shared]),
        "population level": {name: population_level(p, test) for name, p in predictions.items()},
        "pairwise by margin": {name: margin_curve(p, test, MARGINS) for name, p in predictions.items()},
        "pairs people disagree on": {n: disagreement(predictions[n], test) for n in (judged.shared, judged.best)},
    }


def _people(rows: Sequence[Row]) -> pd.DataFrame:
    """A line for every split, model and person."""
    lines = [(r.split, r.model, person, *values) for r in rows for person, values in r.each.items()]
    return pd.DataFrame(lines, columns=["split", "model", "person", *METRICS]).round(4)


def as_markdown(rows: Sequence[Row], report: dict[str, Any]) -> str:
    """The report to read."""
    return render(
        "pamela.md.j2",
        rows=rows,
        splits=report["splits"],
        left_out=report["splits left out"],
        unreadable=report["unreadable pictures"],
        curves=report.get("new people by ratings given"),
        gains=report.get("fitted above the population head"),
        unrated=report.get("new people, new pictures"),
        in_words=gain_in_words,
        has_margins=any(s in report["splits"] for s in ("test_seen", "val_seen")),
        minimum=MINIMUM,
        context=CONTEXT,
    )
