"""``report.md`` and ``report.html`` of a study, with plots and grids, and ``findings.json``."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup
from PIL import Image

from reward_models.evaluation.pages import as_interval, render
from reward_models.evaluation.statistics import bootstrap
from steer.config import load_config
from steer.resources import shipped_reward
from steer.store.files import write_json, write_whole
from steer.study.analysis import Findings, Interval
from steer.study.folder import StudyFolder
from steer.study.grid import write_grid
from steer.study.paired import votes_needed
from steer.study.plan import StudyConfig
from steer.study.plots import plot_all


def write_study(folder: StudyFolder) -> dict[str, Any]:
    """Write everything; the findings."""
    findings = Findings(folder)
    table = findings.table()
    plots = plot_all(findings, table, folder.path / "plots")
    grids = []
    for p in range(len(folder.config.prompts)):
        grids.append(f"plots/grid-{p}.png")
        write_grid(findings.judged, p, folder.path / grids[-1])
    write_json(folder.path / "findings.json", table)
    text = as_markdown(findings, table, [f"plots/{p}" for p in plots], grids)
    write_whole(folder.path / "report.md", lambda f: f.write(text.encode()))
    page = as_page(text, folder)
    write_whole(folder.path / "report.html", lambda f: f.write(page.encode()))
    return table


def orders(findings: Findings, table: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """The orders that a study is made to show, for each judge: order, judge, verdict, difference, how often chosen."""
    base = findings.config.baseline
    asked = [("own", "other"), ("own", base), ("other", base), ("own", "population")]
    named = {"own", "other", base, "population"}
    asked += [("own", n) for n, c in findings.config.conditions.items() if n not in named and not c.guard]
    found = []
    for a, b in asked:
        if a not in findings.names or b not in findings.names:
            continue
        for judge in findings.judges:
            difference = findings.difference(judge, a, b)
            verdict = "holds" if difference[1] > 0 else "is reversed" if difference[2] < 0 else "is not decided"
            share = table["wins"][judge][findings.names.index(a)][findings.names.index(b)]
            found.append((f"{a} > {b}", judge, verdict, as_interval(difference, signed=True), f"{100 * share:.0f} %"))
    return found


def steered_by(config: StudyConfig, judge: str) -> list[str]:
    """Conditions that steered by the very reward that judges."""
    asked = config.judges[judge]
    if asked.kind != "reward":
        return []
    steering = {
        n: load_config(config.config, config.settings, c.settings).reward
        for n, c in config.conditions.items()
        if c.kind == "steer"
    }
    own = str(shipped_reward(asked.model) or asked.model)
    return [n for n, r in steering.items() if str(shipped_reward(r.model) or r.model) == own]


def as_markdown(findings: Findings, table: dict[str, Any], plots: list[str], grids: list[str]) -> str:
    """The report as text."""
    config, first = findings.config, findings.judges[0]
    guards = [n for n, c in config.conditions.items() if c.guard] if "own" in findings.names else []
    return render(
        "study.md.j2",
        "steer.report",
        config=config,
        table=table,
        judges=findings.judges,
        partial={j: by for j in config.judges if (by := steered_by(config, j))},
        orders=orders(findings, table),
        conditions=sorted(table["conditions"].items(), key=lambda item: -item[1][first]["liking"][0]),
        guards={name: _guard(findings, name) for name in guards},
        votes_needed=votes_needed,
        pictures=[(Path(p).stem, p) for p in (*plots, *grids)],
    )


def _guard(findings: Findings, name: str) -> list[Interval]:
    """What a guard adds to ``own``: liking by each judge, fidelity, gap."""
    first = findings.judges[0]
    return [
        *(findings.difference(j, name, "own") for j in findings.judges),
        bootstrap(findings.fidelity[name] - findings.fidelity["own"]),
        bootstrap(findings.gaps(name, first) - findings.gaps("own", first)),
    ]


def as_page(text: str, folder: StudyFolder) -> str:
    """The Markdown as one page that carries its pictures."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = re.sub(r'src="(plots/[a-z0-9-]+\.png)"', lambda m: f'src="{_embedded(folder.path / m[1])}"', body)
    return render("study.html.j2", "steer.report", name=folder.config.name, body=Markup(body))  # html is off above


def _embedded(path: Path) -> str:
    data = io.BytesIO()
    with Image.open(path) as image:
        image.save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def read_findings(folder: StudyFolder) -> dict[str, Any] | None:
    """What was found; None before the study is done."""
    path = folder.path / "findings.json"
    return json.loads(path.read_text()) if path.exists() else None
