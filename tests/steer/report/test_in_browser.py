"""The report of a run and the page of a batch in a real browser: accessible, and no wider than a phone."""

from __future__ import annotations

import pytest

from steer.batch.run import run_batch
from steer.report.compare import Compared, compared_page
from tests.steer.batch.test_local import make
from tests.steer.web.axe import faults
from tests.steer.web.browser import DARK, DESKTOP, PHONE, open_tab, sideways

LONG = "a castle by the sea with " + "averyveryverylongwordwithoutanyspaceinit" * 3


@pytest.fixture
def pages(fake_steerer, tmp_path):
    """A run for several people, a batch, and two runs compared, of a prompt with a very long word."""
    fake_steerer(["search.original_seeds=3"]).run(LONG, "u1,u17", budget=16, out=tmp_path / "run")
    folder, steerer = make(tmp_path, fake_steerer, lines=[{"prompt": LONG}, {"prompt": "a castle"}])
    run_batch(folder, steerer.parts)
    fake_steerer(["search.seeds=2"]).run("a fox", "u1", budget=6, out=tmp_path / "other")
    compared = tmp_path / "compared.html"
    compared.write_text(compared_page(Compared.of(tmp_path / "run", tmp_path / "other")))
    return [tmp_path / "run" / "report.html", folder.path / "index.html", compared]


@pytest.mark.browser
def test_pages_are_accessible_and_fit_a_phone_in_light_and_dark(pages):
    papers = set()
    for settings in (DESKTOP, PHONE, DARK):
        with open_tab(**settings) as tab:
            asked = []
            tab.on("request", lambda r, asked=asked: asked.append(r.url))
            for page in pages:
                tab.goto(page.as_uri())
                assert faults(tab) == [], page
                assert sideways(tab) == 0, page
                papers.add(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
            assert not [url for url in asked if not url.startswith(("file:", "data:"))]
    assert papers == {"rgb(250, 249, 246)", "rgb(22, 22, 24)"}
