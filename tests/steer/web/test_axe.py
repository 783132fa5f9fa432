"""The harness itself: axe runs, and finds what is wrong."""

from __future__ import annotations

import pytest

from tests.steer.web.axe import faults
from tests.steer.web.browser import PHONE, open_tab, sideways


@pytest.mark.browser
def test_axe_finds_a_picture_without_alt_and_grey_on_grey():
    with open_tab() as page:
        page.set_content("<html lang=en><title>t</title><main><h1>Well</h1><p>Nothing wrong.</p></main>")
        assert faults(page) == []
        page.set_content("<html lang=en><title>t</title><main><h1>h</h1><img src=a.png><p style='color:#aaa'>faint</p>")
        assert {line.split(" ")[0] for line in faults(page)} == {"image-alt", "color-contrast"}


@pytest.mark.browser
def test_a_page_wider_than_a_phone_is_noticed():
    with open_tab(**PHONE) as page:
        page.set_content("<meta name=viewport content='width=device-width'><div style='width:500px'>wide</div>")
        assert sideways(page) > 0
