"""The page and the sheet of a batch."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from PIL import Image

from steer.batch.folder import BatchFolder
from steer.batch.results import page_of
from steer.batch.run import run_batch
from tests.steer.batch.test_local import make

LINES = [{"prompt": p} for p in ("a robot", "a castle")]


@pytest.fixture
def batch(tmp_path, fake_steerer):
    folder, steerer = make(tmp_path, fake_steerer, lines=LINES)
    run_batch(folder, steerer.parts)
    return folder


def test_the_original_stands_beside_the_best_and_gains_are_summed(batch):
    page = (batch.path / "index.html").read_text()
    rows = [batch.outcome(row) for row in batch.rows()]
    gains = [row["gain"] for row in rows]
    assert f"mean gain {sum(gains) / 2:+.2f} over 2 rows, {sum(g > 0 for g in gains)} of them above 0" in page
    for row in rows:
        run = json.loads((batch.path / row["picture"]).parents[1].joinpath("result.json").read_text())
        by_picture = {c["picture"]: c for c in run["candidates"]}
        original = by_picture[row["original_picture"].split("/", 3)[3]]
        assert original["text"] == row["prompt"]
        assert original["seed"] == by_picture[run["picture"]]["seed"]
        card = page[page.index(f">{row['prompt']}</a></h2>") :]
        assert card.index(f'src="{row["original_picture"]}"') < card.index(f'src="{row["picture"]}"')
        assert f"{row['gain']:+.2f}</strong>" in card
        assert f">{row['id']}<" not in page  # a hash tells a reader nothing


def test_a_row_whose_prompt_itself_won_shows_one_picture(tmp_path, fake_steerer):
    folder, steerer = make(tmp_path, fake_steerer, lines=[{"prompt": "a fox"}])
    run_batch(folder, steerer.parts)
    page = (folder.path / "index.html").read_text()
    assert page.count("<img ") == 1
    assert "As typed, and the best" in page


def test_every_link_of_a_batch_leads_somewhere_and_a_report_leads_back(batch):
    page = batch.path / "index.html"
    reports = [batch.path / row["picture"] for row in map(batch.outcome, batch.rows())]
    for here in (page, *(picture.parents[1] / "report.html" for picture in reports)):
        links = re.findall(r'(?:href|src)="(?!data:)([^"]+)"', here.read_text())
        assert len(links) > 6
        for link in links:
            assert (here.parent / link).exists(), f"{here}: {link}"
        if here != page:
            assert "../../../index.html" in links


def test_a_run_outside_a_batch_has_no_way_back(fake_steerer, tmp_path):
    fake_steerer().run("a fox", "u1", budget=4, out=tmp_path / "runs" / "ab" / "abc")
    assert "index.html" not in (tmp_path / "runs" / "ab" / "abc" / "report.html").read_text()


def test_hostile_texts_are_text_on_the_page(tmp_path, fake_steerer):
    attack = "<script>alert('1')</script> \" onload=x {{ 7 * 7 }}"
    folder, _ = make(tmp_path, fake_steerer, lines=[{"prompt": "a fox"}])
    picture = f"rows/{attack}/pictures/1.png"
    row = folder.outcome(next(folder.rows())) | dict.fromkeys(("prompt", "id", "user", "text", "warnings"), attack)
    done = row | {"state": "done", "original": 0.25, "liking": 0.75, "gain": 0.5}
    done |= {"picture": picture, "original_picture": picture}
    failed = row | {"state": "failed", "reason": attack}
    page = page_of(folder, [done, failed], Counter(done=1, failed=2), [0.5])
    assert "<script>" not in page
    assert '" onload' not in page
    assert page.count("{{ 7 * 7 }}") >= 8
    assert "liking 0.25 &rarr; 0.75, <strong>+0.50</strong>" in page
    assert "mean gain +0.50 over 1 row<" in page
    assert "3 rows: 1 done, 2 failed" in page
    assert "The first 2 of 3 rows" in page


def test_a_batch_of_nothing_but_waiting_rows_has_a_page_and_a_sheet(tmp_path, fake_steerer):
    from steer.batch.results import write_results

    folder, _ = make(tmp_path, fake_steerer, lines=[{"prompt": "a fox"}])
    assert write_results(BatchFolder.open(folder.path)) == Counter(waiting=1)
    assert "1 row: 1 waiting" in (folder.path / "index.html").read_text()
    assert Image.open(folder.path / "sheet.png").width > 100
