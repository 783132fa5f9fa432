"""The page of a run: what it shows, whose ratings it takes, how it stops; in a real browser where marked."""

from __future__ import annotations

import re
import threading
import time
import urllib.error
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from rich.console import Console

from steer import Steerer
from steer.config import load_config
from steer.events import CandidateDone, QuestionAsked, RoundProposed
from steer.types import StopReason
from steer.users.records import picture_hash
from steer.web import live_page
from tests.steer.web.axe import faults
from tests.steer.web.browser import DARK, PHONE, open_tab, sideways
from tests.steer.web.visitor import Visitor

QUIET = Console(quiet=True)


@pytest.fixture
def live(miniature, store):
    store.add("me")
    config = load_config("miniature", ["renderer=painter", "search.learn=true", "search.worth=0"])
    steerer = Steerer(config, reward=miniature.parts.reward, store=store)
    page = live_page(steerer.parts)
    steerer.listeners.append(page)
    yield steerer, page
    if page.served:
        page.served.close()


class Gate:
    """Holds a run at its n-th picture until it is opened."""

    def __init__(self, n):
        self.n, self.there, self.opened = n, threading.Event(), threading.Event()

    def __call__(self, event):
        if isinstance(event, CandidateDone):
            self.n -= 1
            if self.n == 0:
                self.there.set()
                assert self.opened.wait(120)


@pytest.fixture
def held(live, tmp_path):
    """A run held at its 13th picture, its page, and the gate."""
    steerer, page = live
    gate, results = Gate(13), []
    steerer.listeners.append(gate)
    served = page.begin(QUIET)
    run = threading.Thread(target=lambda: results.append(steerer.run("a fox", "me", budget=24, out=tmp_path / "run")))
    run.start()
    assert gate.there.wait(120)

    def finish():
        gate.opened.set()
        run.join(120)
        return results[0]

    yield page, served, finish
    finish()


def test_ratings_during_a_run_change_what_it_looks_for(live, tmp_path):
    """After the first round a rating comes in; everything is scored anew, and a resumed run sees the same."""
    steerer, page = live
    said = []

    def press(event):
        if isinstance(event, RoundProposed) and event.round == 2:
            while not (tmp_path / "run" / "pictures" / "0000.png").exists():
                pass
            said.append(page._rate(0, 1))

    steerer.listeners.append(press)
    result = steerer.run("a fox", "me", budget=24, out=tmp_path / "run")
    assert "Saved: 1 of 5" in said[0]
    assert "next round" in said[0]
    assert [(r.score, r.prompt) for r in steerer.parts.store.ratings("me")] == [(1, "a fox")]
    assert (tmp_path / "run" / "journal.jsonl").read_text().count('"kind": "learned"') == 1
    again = steerer.resume(tmp_path / "run")
    assert [c.facts() for c in again.candidates] == [c.facts() for c in result.candidates]


def test_a_rating_can_be_undone_and_the_one_before_holds_again(live, tmp_path):
    steerer, page = live
    steerer.run("a fox", "me", budget=3, out=tmp_path / "run")
    store = steerer.parts.store
    assert "next run" in page._rate(0, 2)
    page._rate(0, 5)
    assert [r.score for r in store.ratings("me")] == [5]
    page._undo()
    assert [r.score for r in store.ratings("me")] == [2]
    page._undo()
    assert store.ratings("me") == []
    assert "no rating" in page._undo()


def test_people_of_the_data_set_are_not_rated_for(live, tmp_path):
    steerer, page = live
    steerer.run("a fox", "u17", budget=3, out=tmp_path / "run")
    assert page.rater is None
    assert "read-only" in page._rate(0, 5)


def test_stop_ends_the_run_at_the_next_picture_and_keeps_the_rest(live, tmp_path):
    steerer, page = live
    steerer.listeners.append(
        lambda e: page._stop() if isinstance(e, CandidateDone) and e.candidate.index == 5 else None
    )
    result = steerer.run("a fox", "me", budget=24, out=tmp_path / "run")
    assert result.stop is StopReason.INTERRUPTED
    assert 6 <= len(result.candidates) <= 8
    assert (tmp_path / "run" / "report.html").exists()
    assert "interrupted" in page._refresh(-1, -1)[0]


def test_after_the_run_it_says_how_to_leave(live, tmp_path):
    steerer, page = live
    said = StringIO()
    served = page.begin(QUIET)
    steerer.run("a fox", "me", budget=3, out=tmp_path / "run")
    staying = threading.Thread(target=page.stay, args=(Console(file=said, width=200),))
    staying.start()
    Visitor(served).get("goodbye", b"")
    staying.join(10)
    assert not staying.is_alive()
    assert f"the page stays open at {served.url}" in said.getvalue()
    assert "Ctrl-C" in said.getvalue()


def test_only_pages_and_pictures_of_the_run_are_served(live, tmp_path):
    steerer, page = live
    served = page.begin(QUIET)
    steerer.run("a fox", "me", budget=3, out=tmp_path / "run")
    visitor = Visitor(served)
    assert "a fox" in visitor.get("run/report.html").decode()
    (tmp_path / "secret.png").write_bytes(b"x")
    for other in ("manifest.json", "journal.jsonl", "..%2Fsecret.png", "%2Fetc%2Fhostname"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            visitor.get(f"run/{other}")


def test_pictures_can_be_read_while_the_page_is_drawn_anew(live, tmp_path, capfd):
    """Gradio's own gallery wrote its files again at each tick: a tab that was reloaded read them half written."""
    steerer, page = live
    served = page.begin(QUIET)
    steerer.run("a fox", "me", budget=8, out=tmp_path / "run")
    visitor = Visitor(served)
    until = time.monotonic() + 2
    capfd.readouterr()

    def draw():
        while time.monotonic() < until:
            page._refresh(-1, -1)

    drawing = threading.Thread(target=draw)
    drawing.start()
    names = re.findall(r"pictures/[^']+", page._refresh(-1, -1)[2])
    assert len(names) == 8
    while drawing.is_alive():
        for name in names:
            Image.open(BytesIO(visitor.get(name))).load()
    assert capfd.readouterr() == ("", "")


@pytest.mark.browser
def test_what_is_outlined_is_what_is_rated(held):
    page, served, finish = held
    with open_tab() as tab:
        tab.goto(served.url)
        third = tab.locator("#gallery button").nth(2)
        third.wait_for()
        name = third.get_attribute("id")
        third.click()
        tab.wait_for_selector(f"#{name}[aria-pressed=true]")
        result = finish()
        tab.wait_for_function(f"document.querySelectorAll('#gallery button').length == {len(result.candidates)}")
        assert tab.locator("[aria-pressed=true]").get_attribute("id") == name  # wherever it is in the order now
        tab.keyboard.press("5")
        tab.wait_for_selector("text=Saved: 5 of 5")
        chosen = next(c for c in result.candidates if name == f"picture-{c.index}")
        with Image.open(Path(result.folder) / chosen.picture) as image:
            picture = picture_hash(image.convert("RGB"))
        assert [(r.score, r.picture) for r in page.parts.store.ratings("me")] == [(5, picture)]
        tab.keyboard.press("u")
        tab.wait_for_selector("text=taken back")
        assert page.parts.store.ratings("me") == []


@pytest.mark.browser
def test_a_run_from_begin_to_end(held):
    _, served, finish = held
    for settings in (PHONE, DARK):
        with open_tab(**settings) as tab:
            tab.goto(served.url)
            tab.wait_for_selector("#gallery img")
            assert "13 of 24 pictures" in tab.inner_text("#progress")
            assert sideways(tab) == 0
            assert faults(tab) == []
            assert "a fox" in tab.inner_text("#beside")
    with open_tab() as tab:
        tab.goto(served.url)
        tab.wait_for_selector("#gallery img")
        result = finish()
        tab.wait_for_selector("#over a")
        assert "Finished: the budget is spent" in tab.inner_text("#progress")
        assert not tab.locator("#stop").is_visible()
        first = tab.locator("#gallery button").first
        assert first.get_attribute("id") == f"picture-{result.best.index}"
        assert "best" in first.inner_text()
        assert faults(tab) == []
        with tab.expect_popup() as report:
            tab.click("#over a")
        assert "a fox" in report.value.inner_text("body")
        tab.click("#done")
        tab.wait_for_selector("text=Thank you.")


def test_a_question_of_the_run_is_answered_on_its_page(store, tmp_path, fake_steerer):
    store.add("me")
    steerer = fake_steerer(["search.ask=2"], store=store)
    page, shown = live_page(steerer.parts), []

    def press(event):
        if isinstance(event, QuestionAsked):
            html = page._refresh(-1, -1)[4]
            first = re.findall(r"id='answer-(\w+)'", html)[0]
            shown.append((event.question, html, first))
            page._answer(SimpleNamespace(pressed=f"answer-{first}"))

    steerer.listeners += [page, press]
    steerer.run("a fox", "me", budget=16, out=tmp_path / "run")
    question, html, first = shown[0]
    assert question.words in html
    assert html.count("<img") == len(question.pictures)
    assert html.rstrip().endswith("<button id='answer-skip'>Skip</button></div>")
    assert question.value == float(first)
    assert page._refresh(-1, -1)[4] == ""
