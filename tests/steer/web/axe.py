"""Accessibility of a page as axe-core sees it; ``axe-playwright-python`` carries axe.min.js (``setup.sh browser``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

COUNTED = ("moderate", "serious", "critical")


def faults(page: Page) -> list[str]:
    """What axe finds wrong, one line each: the rule, what it asks for, the element. Empty when all is well.

    Skips the test where axe is not installed.

        with open_tab() as page:
            page.goto(report.as_uri())
            assert faults(page) == []
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for rule in found
        if rule["impact"] in COUNTED
        for node in rule["nodes"]
    ]
