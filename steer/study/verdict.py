"""What a study found, in sentences made from its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_models.evaluation.pages import as_interval
from steer.config import load_config
from steer.resources import shipped_reward
from steer.study.analysis import Findings, Interval
from steer.study.plan import StudyConfig

FEW = 10  # people; below that an interval over people is itself unsure


@dataclass(frozen=True)
class Compared:
    """Conditions ``a`` and ``b`` by one judge: how much more each person likes what ``a`` gave them."""

    a: str
    b: str
    judge: str
    difference: Interval
    gained: int  # people who like a's more
    people: int
    chosen: float  # how often a's picture is chosen over b's, [0, 1]

    @property
    def verdict(self) -> str:
        """ "holds" or "is reversed" where the interval is on one side of 0, else "is not decided".

        One person gives no interval over people, and decides nothing.
        """
        _, low, high = self.difference
        if self.people < 2 or math.isnan(low):
            return "is not decided"
        return "holds" if low > 0 else "is reversed" if high < 0 else "is not decided"


def compared(findings: Findings, table: dict[str, Any], a: str, b: str, judge: str) -> Compared:
    """Two conditions that the study has."""
    differences = findings.values[judge][a] - findings.values[judge][b]  # (U,)
    return Compared(
        a,
        b,
        judge,
        findings.difference(judge, a, b),
        int((differences > 0).sum()),
        int((~np.isnan(differences)).sum()),
        table["wins"][judge][findings.names.index(a)][findings.names.index(b)] or math.nan,
    )


def verdict(findings: Findings, table: dict[str, Any]) -> list[str]:
    """Does steering for a person raise that person's liking, and more than steering for others? By the first judge.

    Then who says so, what became of fidelity, and a warning where people are few.
    """
    base, judge = findings.config.baseline, findings.judges[0]
    if "own" not in findings.names:
        return []
    own = compared(findings, table, "own", base, judge)
    said = [_over_the_prompt(own)]
    if "other" in findings.names:
        said.append(_over_others(compared(findings, table, "own", "other", judge)))
    said += [_of_two(compared(findings, table, a, b, judge)) for a, b in findings.config.compare]
    by = steered_by(findings.config, judge)
    said.append(
        f"Judged by {judge}; this judge also steered {', '.join(by)}, and flatters it."
        if by
        else f"Judged by {judge}; this judge steered nothing."
    )
    kept = table["conditions"]["own"]["fidelity kept"]
    if not math.isnan(kept[0]):
        said.append(f"The pictures kept {_percent(kept)} of the fidelity that the prompt as typed has.")
    if 1 < own.people < FEW:
        said.append(f"{own.people} people are few: take this as a first look.")
    return said


def _over_the_prompt(found: Compared) -> str:
    amount, gained = as_interval(found.difference, 2, signed=True), f"{found.gained} of {found.people} people gained"
    over = "over the prompt as typed"
    if found.people < 2:
        return f"One person's liking changed by {found.difference[0]:+.2f} {over}; one person gives no interval."
    if found.verdict == "holds":
        return f"Steering for a person raised that person's liking by {amount} {over}; {gained}."
    if found.verdict == "is reversed":
        return f"Steering for a person lowered that person's liking: {amount} {over}; {gained}."
    return (
        f"It is not shown that steering for a person changes that person's liking: {amount} {over}, "
        f"and the interval includes 0; {gained}."
    )


def _over_others(found: Compared) -> str:
    amount = as_interval(found.difference, 2, signed=True)
    if found.verdict == "holds":
        return f"People liked the pictures made for them more than the pictures made for the others, by {amount}."
    if found.verdict == "is reversed":
        return f"People liked the pictures made for them less than the pictures made for the others: {amount}."
    why = "" if found.people < 2 else ", and the interval includes 0"
    return (
        "It is not shown that people like the pictures made for them more than the pictures made for the others: "
        f"{amount}{why}."
    )


def _of_two(found: Compared) -> str:
    """A pair that the study asks about."""
    amount = f"by {as_interval(found.difference, 3, signed=True)}"
    if found.verdict == "holds":
        return f"People liked '{found.a}' more than '{found.b}', {amount}."
    if found.verdict == "is reversed":
        return f"People liked '{found.a}' less than '{found.b}', {amount}."
    why = "" if found.people < 2 else "; the interval includes 0"
    return f"It is not shown that people like '{found.a}' more or less than '{found.b}': {amount}{why}."


def _percent(share: Interval) -> str:
    mean, low, high = (f"{100 * value:.0f}" for value in share)
    return f"{mean} % [{low}, {high}]"


def steered_by(config: StudyConfig, judge: str) -> list[str]:
    """Conditions that steered by the very reward that judges."""
    asked = config.judges[judge]
    if asked.kind != "reward":
        return []
    steering = {
        n: load_config(config.config, config.settings, c.settings).reward
        for n, c in config.conditions.items()
        if c.kind == "steer" and c.scorer is None
    }
    own = str(shipped_reward(asked.model) or asked.model)
    return [n for n, r in steering.items() if str(shipped_reward(r.model) or r.model) == own]
