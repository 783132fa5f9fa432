"""Reports from templates."""

from __future__ import annotations

import math

from reward_models.evaluation.pages import as_interval, render


def test_an_ablations_table():
    metrics = {"srocc": 0.5, "plcc": 0.4}
    change = {"gain": -0.1, "low": -0.2, "high": 0.01}
    results = {"(nothing)": {"a": metrics, "b": metrics}, "no <cross>": {"b": metrics, "a": metrics | change}}
    gaps = {"(nothing)": {"b": 0.125}, "no <cross>": {"b": -0.5}}
    lines = render("ablations.md.j2", results=results, splits=["a", "b"], gaps=gaps).splitlines()
    assert lines[4:] == [
        "| changed | a SROCC | difference | b SROCC | difference | gap to b |",
        "| --- | --- | --- | --- | --- | --- |",
        "| (nothing) | 0.500 |  | 0.500 |  | +0.125 |",
        "| no <cross> | 0.500 | -0.100 [-0.200, +0.010] | 0.500 |  | -0.500 |",
    ]


def test_intervals_as_text():
    assert as_interval((0.12345, 0.1, 0.2)) == "0.123 [0.100, 0.200]"
    assert as_interval((1000.4, 990, 1010), 0) == "1000 [990, 1010]"
    assert as_interval((math.nan, math.nan, math.nan)) == ""
