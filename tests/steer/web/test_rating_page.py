"""The pages: what a press does, a real browser where Chromium is installed (marked browser), the server itself
everywhere."""

from __future__ import annotations

import os
import shutil
import threading
import urllib.request

import pytest
from rich.console import Console

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
pytest.importorskip("gradio")

from steer import Steerer
from steer.config import load_config
from steer.errors import UsageError
from steer.users.interview import Interview
from steer.web import live_page
from steer.web.rating import RatingPage

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def interview(miniature, store, questions):
    store.add("me")
    return Interview(store, miniature.parts.reward, "me", questions)


@pytest.fixture
def tab():
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 960, "height": 900})
        page.outside = []
        page.on("request", lambda r: page.outside.append(r.url) if "127.0.0.1" not in r.url else None)
        yield page
        browser.close()


def test_the_server_answers_on_loopback_alone(interview):
    served = RatingPage(interview).start()
    try:
        assert served.url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(served.url) as answer:
            html = answer.read().decode()
        assert "steer: your taste" in html
        assert "key-" in html  # the keyboard's script travels with it
        with pytest.raises(UsageError, match="is taken"):
            RatingPage(interview).start(int(served.url.rsplit(":", 1)[1].strip("/")))
    finally:
        served.close()


def test_a_press_for_a_picture_that_is_gone_is_not_counted(interview):
    page = RatingPage(interview)
    page._begin()
    first = page._name()
    page._rate(first, 4)
    page._rate(first, 4)  # the key was pressed twice
    assert interview.progress().answers == 1
    page._skip(first)
    assert interview.progress().left == 59
    page._undo(page._name())
    assert interview.progress().answers == 0
    assert page._name() == first


def test_choosing_between_two(interview):
    page = RatingPage(interview, pairs=True)
    left, right, name, said = page._begin()
    assert left.size == right.size
    assert "0 answers" in said
    worse, better = name.split()
    page._choose(name, False)
    assert [(c.better, c.worse) for c in interview.store.choices("me")] == [(better, worse)]


def test_it_says_when_it_is_enough(interview, ratings_of):
    truth = ratings_of("u185")
    page = RatingPage(interview)
    page._begin()
    while not interview.progress().enough:
        assert "settles about" in page._progress()
        page._rate(page._name(), truth[page._shown[0].hash])
    assert "That is enough" in page._progress()


@pytest.mark.browser
def test_rating_by_keys_in_a_browser(interview, tab):
    page = RatingPage(interview)
    served = page.start()
    try:
        tab.goto(served.url)
        tab.wait_for_selector("#picture img")
        for k, key in enumerate("4215"):
            tab.keyboard.press(key)
            tab.wait_for_function(f"document.getElementById('progress').innerText.startsWith('{k + 1} answer')")
        assert [r.score for r in interview.store.ratings("me")] == [4, 2, 1, 5]
        tab.keyboard.press("u")
        tab.wait_for_function("document.getElementById('progress').innerText.startsWith('3 answers')")
        tab.locator("#slider input[type=number]").fill("2.6")
        tab.locator("#slider input[type=number]").blur()
        tab.keyboard.press("Enter")
        tab.wait_for_function("document.getElementById('progress').innerText.startsWith('4 answers')")
        assert [r.score for r in interview.store.ratings("me")] == [4, 2, 1, 2.6]
        before = tab.locator("#picture img").get_attribute("src")
        tab.keyboard.press("s")
        tab.wait_for_function(f"document.querySelector('#picture img').getAttribute('src') != '{before}'")
        tab.click("#done")
        tab.wait_for_selector("text=You can close this page")
        assert served.done.is_set()
        assert tab.outside == []  # works offline
    finally:
        served.close()


@pytest.fixture
def live(miniature, store):
    store.add("me")
    config = load_config("miniature", ["renderer=painter", "search.learn=true"])
    steerer = Steerer(config, reward=miniature.parts.reward, store=store)
    page = live_page(steerer.parts)
    steerer.listeners.append(page)
    return steerer, page


def test_ratings_during_a_run_change_what_it_looks_for(live, tmp_path):
    """After the first round a rating comes in; everything is scored anew, and a resumed run sees the same."""
    steerer, page = live
    said = []

    def press(event):
        if type(event).__name__ == "RoundProposed" and event.round == 2:
            steerer_folder = tmp_path / "run" / "pictures"
            while not (steerer_folder / "0000.png").exists():
                pass
            said.append(page._rate(0, 1))

    steerer.listeners.append(press)
    result = steerer.run("a fox", "me", budget=24, out=tmp_path / "run")
    assert "Kept: 1 for **a fox**" in said[0]
    assert [(r.score, r.prompt) for r in steerer.parts.store.ratings("me")] == [(1, "a fox")]
    journal = (tmp_path / "run" / "journal.jsonl").read_text()
    assert journal.count('"kind": "learned"') == 1
    again = steerer.resume(tmp_path / "run")
    assert [c.facts() for c in again.candidates] == [c.facts() for c in result.candidates]


def test_people_of_the_data_set_are_not_rated_for(live, tmp_path):
    steerer, page = live
    steerer.run("a fox", "u17", budget=3, out=tmp_path / "run")
    assert page.rater is None
    assert "read-only" in page._rate(0, 5)


@pytest.mark.browser
def test_a_run_in_a_browser(live, tab, tmp_path):
    steerer, page = live
    served = page.begin(Console(quiet=True), browser=False)
    try:
        tab.goto(served.url)
        thread = threading.Thread(target=lambda: steerer.run("a fox", "me", budget=12, out=tmp_path / "run"))
        thread.start()
        tab.wait_for_selector("#gallery img", timeout=60000)
        thread.join()
        tab.wait_for_function("document.querySelectorAll('#gallery img').length == 12")
        tab.locator("#gallery button img").first.click()
        tab.wait_for_selector("#chosen img")
        tab.keyboard.press("5")
        tab.wait_for_selector("text=Kept: 5")
        assert [r.score for r in steerer.parts.store.ratings("me")] == [5]
        assert "the budget is spent" in tab.inner_text("#progress")
    finally:
        served.close()
