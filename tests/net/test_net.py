"""Nothing that a reader of the miniature's results could see has changed since ``facts.json`` was written."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.net import facts as now

THEN = json.loads((Path(__file__).parent / "facts.json").read_text())
APART = 1e-5  # a journal rounds to six decimals, and processors differ by a few of the sixth


def same(found, kept, where=""):
    """Equal, and numbers within ``APART``."""
    if isinstance(kept, dict):
        assert set(found) == set(kept), where
        for key in kept:
            same(found[key], kept[key], f"{where}/{key}")
    elif isinstance(kept, list):
        assert len(found) == len(kept), where
        for i, (a, b) in enumerate(zip(found, kept, strict=True)):
            same(a, b, f"{where}[{i}]")
    elif isinstance(kept, float) and isinstance(found, (int, float)):
        assert math.isclose(found, kept, abs_tol=APART) or (math.isnan(found) and math.isnan(kept)), where
    else:
        assert found == kept, where


@pytest.mark.parametrize("family", now.FAMILIES)
def test_scores(family):
    same(now.scores(now.FAMILIES[family]), THEN["scores"][family])


def test_fingerprints():
    assert now.fingerprints() == THEN["fingerprints"]


@pytest.mark.parametrize("run", THEN["journals"])
def test_journals(run, tmp_path):
    family, user = run.split(": ")
    same(now.journal(now.FAMILIES[family], user, tmp_path), THEN["journals"][run])


def test_a_study(tmp_path):
    same(now.study(tmp_path), THEN["study"])
