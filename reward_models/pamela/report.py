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
from reward_models.pamela.gallery import opposed, write_gallery
from reward_models.pamela.grid import grid
from reward_models.pamela.newcomers import CONTEXT, with_enough
from reward_models.pamela.reward import PamelaReward
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import Corpus
from reward_models.ratings.table import SPLITS
from reward_models.two_questions import gain_in_words

MARGINS = tuple(np.linspace(0, 0.25, 11))  # of [0, 1]; 0 ... 1 point on a 1-5 slider
APART = (0.0, 0.0625, 0.125, 0.25)  # of [0, 1]; 0, 1/4, 1/2 and 1 point: what is rated closer is a tie
EVALUATED = tuple(s for s in SPLITS if s != "train")


def evaluate_all(
    corpus: Corpus, reward: PamelaReward, out: Path, splits: Sequence[str] = EVALUATED, with_grid: bool = False
) -> list[Row]:
    """Write ``evaluation.md``, ``evaluation.json``, ``people.csv``, ``gallery.html`` and the plots into ``out``; the
    rows of the table.

    Of several data sets each has its own rows, called "NAME SPLIT"; curves of new people are the first one's. A split
    in which nobody can be judged is left out, and the report says so. ``with_grid``: new people also by every number of
    ratings, of neighbours and temperature, over several draws.
    """
    out.mkdir(parents=True, exist_ok=True)
    several = len(corpus.datasets) > 1
    parts = {name: corpus.of(name) if several else corpus for name in corpus.datasets}
    asked = {f"{n} {s}" if several else s: (n, s) for n in parts for s in splits}
    found = {
        label: j
        for label, (name, split) in asked.items()
        if (j := judge(parts[name], reward.ensemble, split, label)) is not None
    }
    rows = [row for judged in found.values() for row in judged.rows()]
    report: dict[str, Any] = {
        "table": as_metrics(rows),
        "data": corpus.fingerprint,
        "data sets": corpus.datasets,
        "splits left out": [label for label in asked if label not in found],
        "unreadable pictures": corpus.unreadable,
        "margins": [round(4 * m, 3) for m in MARGINS],
        "splits": {s: _of_split(judged) for s, judged in found.items()},
    }
    first = corpus.datasets[0]
    shown = [label for label in (_one_of(asked, found, first, k) for k in ("_seen", "_unseen")) if label]
    if shown:
        plot_margins(
            report["margins"], {s: report["splits"][s]["pairwise by margin"] for s in shown}, out / "margins.png"
        )
    new = _one_of(asked, found, first, "_unseen")
    curves = with_enough(parts[first], reward.ensemble, asked[new][1]).curve() if new else {}
    if curves:
        report["new people by ratings given"] = {
            way: {n: summary(each) for n, each in curve.items()} for way, curve in curves.items()
        }
        report["fitted above the population head"] = {
            n: gain(each, curves["population head"][n]) for n, each in curves["fitted"].items()
        }
        plot_new_people(report["new people by ratings given"], out / "new_people.png")
    if new and with_grid and (cells := grid(parts[first], reward.ensemble, asked[new][1])):
        report["new people by ratings, neighbours and temperature"] = cells
    if seen := _one_of(asked, found, first, "_seen"):
        judged = found[seen]
        cases = opposed(judged.predictions[judged.best], judged.test)
        write_gallery(
            cases, parts[first].frames[asked[seen][1]], corpus.scales.get(first, (1.0, 5.0)), out / "gallery.html"
        )
        report["gallery"] = {"cases": len(cases), "right": sum(sum(c.right) for c in cases)}
    if new and (unrated := _unrated(parts[first], reward.ensemble, asked[new][1])):
        report["new people, new pictures"] = unrated
    (out / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (out / "evaluation.md").write_text(as_markdown(rows, report), encoding="utf-8")
    _people(rows).to_csv(out / "people.csv", index=False)
    return rows


def _one_of(asked: dict[str, tuple[str, str]], found: dict[str, Judged], dataset: str, kind: str) -> str:
    """The label of a data set's test split of a kind, of its validation where that was left out, "" without either."""
    wanted = [(dataset, f"{part}{kind}") for part in ("test", "val")]
    return next((label for want in wanted for label, of in asked.items() if of == want and label in found), "")


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


def disagreement(predicted: np.ndarray, test: RatingTable, margin: float = 0.0) -> dict[str, float]:
    """Pairwise accuracy on the pairs of pictures that different people order differently.

    A pair counts where at least two people rated both pictures more than ``margin`` (of [0, 1]) apart, and did not
    agree on the better one; what somebody rates closer is a tie and no vote. A predictor that knows no persons can at
    best side with the majority.
    """
    orders: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for person in np.unique(test.person):
        rows = np.flatnonzero(test.person == person)
        rows = rows[np.argsort(test.picture[rows])]
        i, j = np.triu_indices(len(rows), 1)
        a, b = rows[i], rows[j]
        apart = test.liking[a] - test.liking[b]
        truth, guess = np.where(np.abs(apart) > margin, np.sign(apart), 0), np.sign(predicted[a] - predicted[b])
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
    told = (judged.shared, judged.best)
    curves = {name: margin_curve(p, test, MARGINS) for name, p in predictions.items()}
    return {
        "best": judged.best,
        "above the population head": gain(each[judged.best], each[judged.shared]),
        "population level": {name: population_level(p, test) for name, p in predictions.items()},
        "pairwise by margin": {n: [plain(m.pairwise) for m in curve] for n, curve in curves.items()},
        "counted by margin": [{"people": m.people, "pairs": m.pairs} for m in next(iter(curves.values()))],
        "pairs people disagree on": {n: disagreement(predictions[n], test) for n in told},
        "pairs people disagree on by margin": {
            f"{4 * m:g}": {n: disagreement(predictions[n], test, m) for n in told} for m in APART
        },
    }


def plain(value: float) -> float | None:
    """A number of a report; None, which JSON has, for NaN."""
    return None if np.isnan(value) else round(value, 4)


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
        cells=report.get("new people by ratings, neighbours and temperature", []),
        gallery=report.get("gallery"),
        margins=report["margins"],
        unrated=report.get("new people, new pictures"),
        in_words=gain_in_words,
        minimum=MINIMUM,
        context=CONTEXT,
    )
