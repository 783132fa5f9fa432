"""``report.md`` and ``report.html`` of a study, with plots and grids, and ``findings.json``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reward_models.doors import read_object
from reward_models.evaluation.pages import as_interval, render
from reward_models.evaluation.statistics import bootstrap
from reward_models.plural import counted
from steer.report.html import as_uri, embedded, render_html
from steer.store.files import write_json, write_whole
from steer.study.analysis import Findings, Interval
from steer.study.folder import StudyFolder
from steer.study.grid import SIDE, Grid, grid_of, write_grid
from steer.study.paired import votes_needed
from steer.study.plan import Condition, StudyConfig
from steer.study.plots import Plot, plot_all
from steer.study.verdict import Compared, compared, steered_by, verdict


@dataclass(frozen=True)
class _Shown:
    """What both forms of the report are made from."""

    findings: Findings
    table: dict[str, Any]
    plots: list[Plot]
    grids: list[Grid]

    def values(self) -> dict[str, Any]:
        """For the templates."""
        findings, table = self.findings, self.table
        config, judges = findings.config, findings.judges
        guards = [n for n, c in config.conditions.items() if c.guard] if "own" in findings.names else []
        comparisons: dict[str, list[Compared]] = {}
        for found in _comparisons(findings, table):
            comparisons.setdefault(f"{found.a} > {found.b}", []).append(found)
        return {
            "config": config,
            "table": table,
            "judges": judges,
            "sizes": _sizes(table),
            "independence": _independence(config),
            "comparisons": comparisons,
            "conditions": sorted(table["conditions"].items(), key=lambda item: -item[1][judges[0]]["liking"][0]),
            "what": {name: _what(condition) for name, condition in config.conditions.items()},
            "guards": {name: _guard(findings, name) for name in guards},
            "units": _units(table),
            "terms": _terms(config),
            "votes": [votes_needed(0.54), votes_needed(0.6)],
            "plots": self.plots,
            "grids": self.grids,
        }


def write_study(folder: StudyFolder) -> dict[str, Any]:
    """Write everything; the findings."""
    findings = Findings(folder)
    table = findings.table()
    table["verdict"] = verdict(findings, table)
    plots = plot_all(findings, table, folder.path / "plots")
    grids = [grid_of(findings.judged, p) for p in range(len(folder.config.prompts))]
    for p, grid in enumerate(grids):
        write_grid(grid, folder.path / f"plots/grid-{p}.png")
    write_json(folder.path / "findings.json", table, nan=True)
    shown = _Shown(findings, table, plots, grids)
    text, page = as_markdown(shown), as_page(shown, folder)
    write_whole(folder.path / "report.md", lambda f: f.write(text.encode()))
    write_whole(folder.path / "report.html", lambda f: f.write(page.encode()))
    return table


def orders(findings: Findings, table: dict[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """The orders that a study is made to show, for each judge: order, judge, verdict, difference, how often chosen."""
    return [
        (f"{c.a} > {c.b}", c.judge, c.verdict, as_interval(c.difference, signed=True), f"{100 * c.chosen:.0f} %")
        for c in _comparisons(findings, table)
    ]


def _comparisons(findings: Findings, table: dict[str, Any]) -> list[Compared]:
    """Every pair of conditions that a study is about, by each judge."""
    base = findings.config.baseline
    asked = [("own", base), ("own", "other"), ("other", base), ("own", "population")]
    named = {"own", "other", base, "population"}
    asked += [("own", n) for n, c in findings.config.conditions.items() if n not in named and not c.guard]
    asked += findings.config.compare
    return [
        compared(findings, table, a, b, judge)
        for a, b in dict.fromkeys(asked)
        if a in findings.names and b in findings.names
        for judge in findings.judges
    ]


def as_markdown(shown: _Shown) -> str:
    """The report as text."""
    return render("study.md.j2", "steer.report", **shown.values())


def as_page(shown: _Shown, folder: StudyFolder) -> str:
    """The report as one page that carries its pictures; text is escaped."""
    return render_html(
        "study.html.j2",
        **shown.values(),
        plot=lambda name: as_uri((folder.path / "plots" / name).read_bytes(), "image/png"),
        picture=lambda path: embedded(path, 2 * SIDE),
        href=lambda path: path.relative_to(folder.path).as_posix(),
        pages={n: _page_of(folder, n) for n in folder.config.steered()},
        back=None,
    )


def _page_of(folder: StudyFolder, condition: str) -> str:
    return (folder.runs(condition).path / "index.html").relative_to(folder.path).as_posix()


def _sizes(table: dict[str, Any]) -> str:
    parts = [
        counted(table["users"], "person", "people"),
        counted(table["prompts"], "prompt"),
        counted(table["seeds"], "seed"),
    ]
    return f"{' × '.join(parts)}, {counted(table['budget'], 'picture')} per run"


def _independence(config: StudyConfig) -> str:
    """Whether a judge judges its own steering."""
    partial = {j: by for j in config.judges if (by := steered_by(config, j))}
    if not partial:
        return "None of them steered."
    told = "; ".join(f"{judge} steered {', '.join(by)}" for judge, by in partial.items())
    return f"A judge that steered flatters its own steering: {told}. The other judges steered nothing."


def _units(table: dict[str, Any]) -> list[str]:
    """What proposers took, over all conditions: calls, tokens, cost."""
    prices = [row["price"] for row in table["conditions"].values() if "price" in row]
    return list(dict.fromkeys(unit for price in prices for unit in price if unit not in ("runs", "pictures")))


def _what(condition: Condition) -> str:
    """A condition in words."""
    if condition.kind == "prompt":
        return "the prompt as typed, on fresh seeds"
    if condition.kind == "other":
        return f"what '{condition.of}' gave the other people"
    who = "the person" if condition.fixed is None else f"'{condition.fixed}', for everybody"
    who += f", by the scorer '{condition.scorer}'" if condition.scorer else ""
    who += ", with a critic that is told about another person" if condition.critic_of else ""
    return f"steered for {who}" + (f": {', '.join(condition.settings)}" if condition.settings else "")


def _guard(findings: Findings, name: str) -> list[Interval]:
    """What a guard adds to ``own``: liking by each judge, fidelity, gap."""
    first = findings.judges[0]
    return [
        *(findings.difference(j, name, "own") for j in findings.judges),
        bootstrap(findings.fidelity[name] - findings.fidelity["own"]),
        bootstrap(findings.gaps(name, first) - findings.gaps("own", first)),
    ]


def _terms(config: StudyConfig) -> Sequence[tuple[str, str]]:
    """What the columns mean."""
    first = next(iter(config.judges))
    return (
        (
            "Liking",
            "How much a person likes the picture they get, from 0 to 1, as a judge says. For the prompt as typed and "
            "for other people's pictures: the mean over the pictures the person might have got.",
        ),
        ("Interval", "95 % bootstrap over people. Prompts and seeds are taken as they are."),
        (
            "Chosen",
            "How often a judge picks the first picture of two, with the noise of one rating "
            f"({config.choice_noise} points of 1 to 5; Thurstone's case V).",
        ),
        ("Elo", "Strength from all pairwise choices (Bradley-Terry), mean 1000."),
        ("On fresh seeds", "Liking of the final text's pictures on seeds that nothing was chosen on."),
        ("Fidelity kept", "Fidelity to the prompt as a share of that of the prompt as typed."),
        (
            "Diversity",
            "1 less the cosine between the pictures of two people; for the prompt as typed, between its seeds.",
        ),
        (
            "Liked by others",
            "How much the other people of the study like the picture that a person got, as the first judge says.",
        ),
        (
            "Gap",
            f"What the reward that steered gained over the first picture, less what {first} says was gained. It "
            "measures how far the reward was exploited, and includes the luck of the chosen picture.",
        ),
    )


def read_findings(folder: StudyFolder) -> dict[str, Any] | None:
    """What was found; None before the study is done."""
    path = folder.path / "findings.json"
    return read_object(path, nan=True) if path.exists() else None
