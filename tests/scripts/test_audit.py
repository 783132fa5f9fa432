"""What `make audit` says of an advisory service's answers."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from audit import verdict  # after the folder is known

FINE = {"name": "numpy", "version": "2.4.6", "vulns": []}
BAD = {"name": "jinja2", "version": "3.1.2", "vulns": [{"id": "PYSEC-2024-1", "fix_versions": ["3.1.6"]}]}
UNKNOWN = {"name": "uv", "skip_reason": "Dependency not found"}


def test_a_vulnerable_version_fails_and_is_named():
    assert verdict([FINE, BAD]) == (["jinja2 3.1.2: PYSEC-2024-1, mended in 3.1.6", "2 packages audited"], 1)


def test_a_service_that_knows_nothing_is_no_clean_bill():
    lines, code = verdict([UNKNOWN])
    assert code == 0
    assert lines[0].startswith("nothing was audited")


def test_what_was_left_out_is_named():
    assert verdict([FINE, UNKNOWN]) == (["not audited: uv", "1 packages audited"], 0)
