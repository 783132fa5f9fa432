"""The benchmark for a card, on tiny models: its rows, what does not run, and the time that it keeps to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def card(out, *options):
    done = subprocess.run(
        [sys.executable, "benchmarks/render.py", "--card", "--tiny", "--out", str(out), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, json.loads(out.read_text())


@pytest.mark.slow
def test_a_row_for_each_way_with_its_split_and_its_share_of_the_rate(tmp_path):
    said, found = card(tmp_path / "card.json", "--only", "flux,plain loop,ours,taylorseer cache,no such attention")
    rows = {(row["way"], row["batch"]): row for row in found["rows"]}
    assert set(rows) == {
        *((way, n) for way in ("plain loop", "ours") for n in (1, 2)),
        ("taylorseer cache", 1),
        ("no such attention", 1),
    }
    for row in rows.values():
        if "fault" in row:
            continue
        assert row["seconds"] > 0
        assert row["denoiser s"] > 0
        assert row["text s"] > 0
        assert row["decode s"] > 0
        assert 0 < row["share"] < 1
    assert rows["ours", 1]["blocks"] == 1
    assert rows["taylorseer cache", 1]["blocks"] < 0.9
    assert "_flash_3 does not run here" in rows["no such attention", 1]["fault"]
    assert "CPU, tiny models" in said


@pytest.mark.slow
def test_when_the_time_is_over_the_rest_is_left_out(tmp_path):
    said, found = card(tmp_path / "card.json", "--minutes", "0")
    assert found["rows"] == []
    assert "klein, plain loop, 1 together" in found["left out"]
    assert "left out, as the time was over" in said
