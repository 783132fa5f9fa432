"""``report.md`` and ``report.html`` of a study, with plots and grids, and ``findings.json``."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from PIL import Image

from steer.config import load_config
from steer.resources import shipped_reward
from steer.store.files import write_json, write_whole
from steer.study.analysis import Findings, Interval
from steer.study.folder import StudyFolder
from steer.study.grid import write_grid
from steer.study.paired import votes_needed
from steer.study.plan import StudyConfig
from steer.study.plots import plot_all

STYLE = (
    "body{font:15px/1.55 system-ui;max-width:1120px;margin:40px auto;padding:0 24px;color:#202024;background:#faf9f6}"
    "table{border-collapse:collapse;font-size:13.5px;margin:12px 0}td,th{padding:5px 10px;text-align:left;border-bottom:1px solid #e0dfdc}"
    "h1{font-size:25px}h2{font-size:18px;margin-top:36px}img{max-width:100%;display:block;margin:16px 0}"
)


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
    page = as_page(text, folder.path)
    write_whole(folder.path / "report.html", lambda f: f.write(page.encode()))
    return table


def verdicts(findings: Findings, table: dict[str, Any]) -> list[str]:
    """The orders that a study is made to show, each with what was found by each judge."""
    base = findings.config.baseline
    asked = [("own", "other"), ("own", base), ("other", base), ("own", "population")]
    named = {"own", "other", base, "population"}
    asked += [("own", n) for n, c in findings.config.conditions.items() if n not in named and not c.guard]
    lines = []
    for a, b in asked:
        if a not in findings.names or b not in findings.names:
            continue
        for judge in findings.judges:
            mean, low, high = findings.difference(judge, a, b)
            found = "holds" if low > 0 else "is reversed" if high < 0 else "is not decided"
            i, j = findings.names.index(a), findings.names.index(b)
            share = table["wins"][judge][i][j]
            lines.append(
                f"| {a} > {b} | {judge} | {found} | {mean:+.3f} [{low:+.3f}, {high:+.3f}] | {100 * share:.0f} % |"
            )
    return lines


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


def _partial(config: StudyConfig) -> str:
    """Which judges steered something themselves; the others never did."""
    partial = {j: by for j in config.judges if (by := steered_by(config, j))}
    if not partial:
        return "None of them steered. "
    told = "; ".join(f"{j} steered {', '.join(by)}" for j, by in partial.items())
    return f"What a judge steered itself flatters it: {told}. The other judges steered nothing. "


def as_markdown(findings: Findings, table: dict[str, Any], plots: list[str], grids: list[str]) -> str:
    """The report as text."""
    config, first = findings.config, findings.judges[0]
    out = [f"# {config.name}: does steering work, for whom, at what price?", ""]
    if config.about:
        out += [config.about, ""]
    out += [
        f"{table['users']} users x {table['prompts']} prompts x {table['seeds']} seeds, {table['budget']} pictures a run. "
        f"Judges: {', '.join(findings.judges)}; the first counts. {_partial(config)}Intervals: 95 % bootstrap over users; prompts and seeds are "
        "taken as they are. *Liking* is of the picture the user gets, in [0, 1]; of the unchanged prompt and of other users' pictures the mean of "
        "those they might have got.",
        "",
        "## Orders",
        "",
        "| order | judge | | difference | chosen |",
        "|---|---|---|---|---|",
        *verdicts(findings, table),
        "",
        "## Conditions",
        "",
        "| condition | users | "
        + " | ".join(f"{j} | Elo" for j in findings.judges)
        + " | on fresh seeds | fidelity kept | diversity | gap |",
        "|---|---|" + "---|---|" * len(findings.judges) + "---|---|---|---|",
    ]
    for name, row in sorted(table["conditions"].items(), key=lambda item: -item[1][first]["liking"][0]):
        cells = [name, str(row["users"])]
        for j in findings.judges:
            cells += [_told(row[j]["liking"]), _told(row[j]["elo"], 0)]
        gap = _told(row["gap"][first], signed=True) if "gap" in row else ""
        cells += [_told(row["fresh"][first]), _share(row["fidelity kept"]), _told(row["diversity"]), gap]
        out.append("| " + " | ".join(cells) + " |")
    guards = [n for n, c in findings.config.conditions.items() if c.guard]
    if guards and "own" in findings.names:
        out += [
            "",
            "## Guards, above steering without them",
            "",
            "| guard | " + " | ".join(findings.judges) + " | fidelity | gap |",
            "|---|" + "---|" * (len(findings.judges) + 2),
        ]
        for name in guards:
            out.append("| " + " | ".join([name, *_guard(findings, name)]) + " |")
    out += ["", "## Price of a run", "", "| condition | runs | pictures | of the writer |", "|---|---|---|---|"]
    for name, row in table["conditions"].items():
        if (price := row.get("price")) is not None:
            writer = ", ".join(
                f"{v:.4g} {k.replace('_', ' ')}" for k, v in price.items() if k not in ("runs", "pictures")
            )
            out.append(f"| {name} | {price['runs']:.0f} | {price['pictures']:.1f} | {writer} |")
    out += [
        "",
        "*Elo*: Bradley-Terry over all pairs, mean 1000; a judge's choice between two pictures is made with the noise of one rating "
        f"({config.choice_noise} points of 1-5, Thurstone's case V). *On fresh seeds*: the found text drawn on seeds that nothing was chosen on. "
        "*Fidelity kept*: share of the unchanged prompt's. *Diversity*: 1 - cosine between the pictures of two users, of the unchanged prompt between seeds. *Gap*: what the optimised reward gained above the first picture less what "
        f"{first} says was gained; the measure of hacking, the luck of the chosen picture included.",
        "",
        f"To see an effect of 54:46 with real people, {votes_needed(0.54)} choices are needed (80 % power, 5 % two-sided); of 60:40, {votes_needed(0.6)}.",
        "",
        "## Pictures",
        "",
    ]
    out += [f"![{Path(p).stem}]({p})\n" for p in (*plots, *grids)]
    return "\n".join(out) + "\n"


def _guard(findings: Findings, name: str) -> list[str]:
    cells = [_told(findings.difference(j, name, "own"), signed=True) for j in findings.judges]
    from steer.study.paired import interval

    cells.append(_told(interval(findings.fidelity[name] - findings.fidelity["own"]), signed=True))
    first = findings.judges[0]
    cells.append(_told(interval(findings.gaps(name, first) - findings.gaps("own", first)), signed=True))
    return cells


def _told(value: Interval, digits: int = 3, signed: bool = False) -> str:
    mean, low, high = value
    if math.isnan(mean):
        return ""
    sign = "+" if signed else ""
    return f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def _share(value: Interval) -> str:
    return "" if math.isnan(value[0]) else "{:.0f} % [{:.0f}, {:.0f}]".format(*(100 * v for v in value))


def as_page(text: str, folder: Path) -> str:
    """The Markdown as one page that carries its pictures."""
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = re.sub(r'src="(plots/[a-z0-9-]+\.png)"', lambda m: f'src="{_embedded(folder / m[1])}"', body)
    return f"<!doctype html><meta charset='utf-8'><title>study</title><style>{STYLE}</style>{body}"


def _embedded(path: Path) -> str:
    data = io.BytesIO()
    with Image.open(path) as image:
        image.save(data, "PNG")
    return "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()


def read_findings(folder: StudyFolder) -> dict[str, Any] | None:
    """What was found; None before the study is done."""
    path = folder.path / "findings.json"
    return json.loads(path.read_text()) if path.exists() else None
