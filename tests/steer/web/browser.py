"""Chromium for the tests of pages: found on this machine, or installed by ``playwright install chromium``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DARK = {**DESKTOP, "color_scheme": "dark"}


@contextmanager
def open_tab(**settings: Any) -> Iterator[Page]:
    """A page of a new browser; ``settings`` go to the browser's context (:data:`PHONE`, :data:`DARK`).

    Skips the test where playwright or Chromium is missing.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error:
            pytest.skip("no Chromium here")
        yield browser.new_context(**(settings or DESKTOP)).new_page()
        browser.close()


def sideways(page: Page) -> int:
    """By how many pixels the page is wider than the window: more than 0 is a horizontal scroll bar."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
