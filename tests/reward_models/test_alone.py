"""reward_models and its tests stand alone."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_here_imports_steer():
    files = [*(ROOT / "reward_models").rglob("*.py"), *(ROOT / "tests" / "reward_models").rglob("*.py")]
    assert len(files) > 60
    importing = [f for f in files if re.search(r"^\s*(from|import) (steer|tests\.steer)\b", f.read_text(), re.M)]
    assert not importing
