"""What a training and an evaluation leave to look at: tables in Markdown and JSON, curves as PNG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reward_models.corpus import Corpus
from reward_models.evaluation import NewPeople, Row, baselines, margin_curve, population_level
from reward_models.fit import as_metrics, full_table
from reward_models.metrics import MINIMUM
from reward_models.pamela import PamelaPredictor
from reward_models.training import RatingTable, predict

MARGINS = tuple(np.linspace(0, 0.25, 11))  # of [0, 1]; 0 ... 1 point on a 1-5 slider
COUNTS = (0, 1, 2, 5, 10, 15, 25, 40, 60)


def evaluate_all(corpus: Corpus, members: list[PamelaPredictor], out: Path) -> list[Row]:
    """Write ``evaluation.md``, ``evaluation.json`` and the plots into ``out``; the rows of the table."""
    out.mkdir(parents=True, exist_ok=True)
    rows = full_table(corpus, members)
    report: dict[str, Any] = {"table": as_metrics(rows), "data": corpus.fingerprint}
    test = corpus.tables["test_seen"]
    if len(test):
        predictions = baselines(corpus, test) | {
            "population head": predict(
                members, corpus.pictures, corpus.prompts, test, personal=False, demographics=False
            ),
            "personal": predict(members, corpus.pictures, corpus.prompts, test),
        }
        report["population level"] = {name: population_level(p, test) for name, p in predictions.items()}
        report["margins"] = [round(4 * m, 3) for m in MARGINS]
        report["pairwise by margin"] = {name: margin_curve(p, test, MARGINS) for name, p in predictions.items()}
        report["pairs people disagree on"] = {
            name: disagreement(predictions[name], test) for name in ("population head", "personal")
        }
        _plot_margins(report, out / "margins.png")
    if len(corpus.tables["test_unseen"]):
        new = NewPeople(corpus, members)
        most = min(len(r) for r in new.rows.values()) - MINIMUM
        curve = new.curve([n for n in COUNTS if n <= most] or [0])
        report["new people by ratings given"] = curve
        _plot_new_people(curve, rows, out / "new_people.png")
    (out / "evaluation.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "evaluation.md").write_text(as_markdown(rows, report))
    return rows


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


def as_markdown(rows: Sequence[Row], report: dict[str, Any]) -> str:
    """The report to read."""
    lines = [
        "# Evaluation", "",
        f"Within-person means [95 % bootstrap over people]; people with fewer than {MINIMUM} ratings are left out, constant "
        "predictions or ratings count as 0 (pairwise .5). Metadata is withheld unless said.", "",
        "| split | model | SROCC | PLCC | pairwise | people |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for r in rows:
        m = r.metrics
        srocc = f"{m['srocc']:.3f} [{m['srocc_low']:.3f}, {m['srocc_high']:.3f}]"
        lines.append(
            f"| {r.split} | {r.model} | {srocc} | {m['plcc']:.3f} | {m['pairwise']:.3f} | {m['n_people']:.0f} |"
        )
    if "population level" in report:
        lines += [
            "",
            "Population level, per-picture means of test_seen:",
            "",
            "| model | SROCC | PLCC | pairwise |",
            "|---|---|---|---|",
        ]
        for name, m in report["population level"].items():
            lines.append(f"| {name} | {m['srocc']:.3f} | {m['plcc']:.3f} | {m['pairwise']:.3f} |")
        for name, m in report["pairs people disagree on"].items():
            lines += [
                "",
                f"On {m['pairs']} pairs that people order differently, {name} is right on {m['pairwise']:.3f}.",
            ]
        lines += ["", "![pairwise accuracy by margin](margins.png)"]
    if "new people by ratings given" in report:
        lines += ["", "New people, fitted from their first ratings:", "", "| ratings | SROCC |", "|---|---|"]
        for n, m in report["new people by ratings given"].items():
            lines.append(f"| {n} | {m['srocc']:.3f} [{m['srocc_low']:.3f}, {m['srocc_high']:.3f}] |")
        lines += ["", "![new people](new_people.png)"]
    return "\n".join(lines) + "\n"


def plot_training(log: Path, target: Path) -> None:
    """Loss and validation SROCC by epoch, a line a seed."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    figure, axes = _figure(2)
    for axis, key in zip(axes, ("loss", "val_srocc"), strict=True):
        for seed in sorted({row["seed"] for row in rows}):
            own = [row for row in rows if row["seed"] == seed and key in row]
            axis.plot([r["epoch"] for r in own], [r[key] for r in own], label=f"seed {seed:.0f}")
        axis.set(xlabel="epoch", ylabel=key.replace("_", " "))
        axis.legend()
    figure.savefig(target, dpi=110)


def _figure(n: int) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, n, figsize=(5.2 * n, 3.8), layout="constrained")
    return figure, axes


def _plot_margins(report: dict[str, Any], target: Path) -> None:
    figure, axis = _figure(1)
    for name, values in report["pairwise by margin"].items():
        axis.plot(report["margins"], values, label=name, linewidth=2.4 if name == "personal" else 1.2)
    axis.set(xlabel="rated more than this many points apart (1-5)", ylabel="pairwise accuracy")
    axis.legend(fontsize=8)
    figure.savefig(target, dpi=110)


def _plot_new_people(curve: dict[int, dict[str, float]], rows: Sequence[Row], target: Path) -> None:
    figure, axis = _figure(1)
    counts = list(curve)
    middle = [curve[n]["srocc"] for n in counts]
    axis.fill_between(
        counts, [curve[n]["srocc_low"] for n in counts], [curve[n]["srocc_high"] for n in counts], alpha=0.2
    )
    axis.plot(counts, middle, marker="o", label="new people, fitted")
    for split, name, style in (("test_unseen", "population head", ":"), ("test_seen", "personal", "--")):
        for r in rows:
            if (r.split, r.model) == (split, name):
                axis.axhline(r.metrics["srocc"], linestyle=style, color="0.4", label=f"{split}: {name}")
    axis.set(xlabel="ratings given", ylabel="SROCC on later ratings")
    axis.legend(fontsize=8)
    figure.savefig(target, dpi=110)
