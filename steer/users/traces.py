"""What a deleted person leaves in old run folders."""

from __future__ import annotations

import json
from pathlib import Path

from steer.judging.audience import Audience


def runs_of(user: str, folder: Path) -> list[Path]:
    """Runs below ``folder`` that were steered for or away from ``user``."""
    found = []
    for manifest in sorted(folder.rglob("manifest.json")):
        try:
            audience = Audience.parse(json.loads(manifest.read_text())["request"]["user"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
        if user in audience.everyone:
            found.append(manifest.parent)
    return found
