"""The pages of an interview: what a press does, and the same in a real browser (marked browser)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from steer.web.rating import RatingPage, TastePairsPage
from tests.steer.web.axe import faults
from tests.steer.web.browser import DARK, PHONE, open_tab, sideways


def answers(n):
    return f"document.getElementById('progress').innerText.startsWith('{n} answer')"


def test_a_press_for_a_picture_that_is_gone_is_not_counted(interview):
    page = RatingPage(interview)
    page._begin()
    first = page._name()
    page._rate(first, 4)
    page._rate(first, 4)  # the key was pressed twice
    assert interview.progress().answers == 1
    page._skip(first)
    assert interview.progress().left == 59
    page._undo()
    assert interview.progress().answers == 0
    assert page._name() == first


def test_choosing_between_two(interview):
    page = TastePairsPage(interview)
    shown, name, said, *_ = page._begin()
    assert shown.count("<button") == 2
    assert "0 answers" in said
    worse, better = name.split()
    page._choose(name, False)
    assert [(c.better, c.worse) for c in interview.store.choices("me")] == [(better, worse)]


def test_it_counts_down_in_pictures(interview, ratings_of):
    truth, left = ratings_of("u185"), []
    while not interview.progress().enough:
        left.append(interview.progress().more)
        question = interview.next()
        interview.rate(question, truth[question.hash])
    assert abs(left[0] - len(left)) <= 5  # what it promises at the start is about what it takes
    assert left[0] > left[len(left) // 2] > left[-1] >= 1
    assert interview.progress().more == 0


def test_it_stops_asking_when_it_is_enough_and_goes_on_if_wanted(known_well):
    for page in (RatingPage(known_well), TastePairsPage(known_well)):
        shown, name, said, go_on, *_ = page._begin()
        assert "That is enough" in shown
        assert "that is enough" in said
        assert name == ""
        assert go_on.visible
        shown, name, *_ = page._go_on()
        assert "<img" in shown
        assert name
        assert "<img" in page._begin()[0]  # and keeps to it


def test_undo_at_the_end_asks_again(known_well):
    page = RatingPage(known_well)
    page._begin()
    n = known_well.progress().answers
    page._undo()
    assert known_well.progress().answers == n - 1


@pytest.mark.browser
def test_rating_by_keys_slider_and_done(interview, serve):
    served = serve(RatingPage(interview))
    with open_tab() as tab:
        outside = []
        tab.on("request", lambda r: outside.append(r.url) if "127.0.0.1" not in r.url else None)
        tab.goto(served.url)
        tab.wait_for_selector("#picture img")
        for k, key in enumerate("4215", start=1):
            tab.keyboard.press(key)
            tab.wait_for_function(answers(k))
        assert [r.score for r in interview.store.ratings("me")] == [4, 2, 1, 5]
        tab.keyboard.press("u")
        tab.wait_for_function(answers(3))
        tab.locator("#slider input[type=number]").fill("2.6")
        tab.keyboard.press("Enter")
        tab.wait_for_function(answers(4))
        assert [r.score for r in interview.store.ratings("me")] == [4, 2, 1, 2.6]
        tab.click("#key-3")  # leaves no focus behind
        tab.wait_for_function(answers(5))
        tab.keyboard.press("2")
        tab.wait_for_function(answers(6))
        tab.click("#done")
        tab.wait_for_selector("text=Thank you.")
        assert served.done.wait(5)
        assert outside == []  # works offline


@pytest.mark.browser
def test_a_key_on_a_focused_button_is_no_rating(interview, serve):
    served = serve(RatingPage(interview))
    with open_tab() as tab:
        tab.goto(served.url)
        tab.wait_for_selector("#picture img")
        before = tab.locator("#picture img").get_attribute("src")
        tab.focus("#key-s")
        tab.keyboard.press("3")
        tab.keyboard.press("Enter")
        tab.wait_for_function(f"document.querySelector('#picture img').getAttribute('src') != '{before}'")
        tab.focus("#done")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("text=Thank you.")
    assert interview.store.ratings("me") == []


@pytest.mark.browser
@pytest.mark.parametrize("kind", [RatingPage, TastePairsPage])
def test_it_fits_a_phone_and_axe_finds_no_fault(interview, serve, kind):
    served = serve(kind(interview))
    for settings in (PHONE, DARK):
        with open_tab(**settings) as tab:
            tab.goto(served.url)
            tab.wait_for_selector("#picture img, #pair img")
            assert sideways(tab) == 0
            assert tab.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
            for button in tab.query_selector_all("#scale button, #pair button"):
                assert button.evaluate("b => b.scrollWidth <= b.clientWidth")  # no word spills over
            assert faults(tab) == []


def test_the_prompt_is_shown_beside_the_picture_and_is_no_markup(interview):
    """Fig. 13 of the PAMELA paper: people see what the reward reads."""
    page = RatingPage(interview)
    page._begin()
    (question,) = page._shown
    assert f"Prompt: {question.prompt}</p>" in page._picture()
    page._shown = (replace(question, prompt="<script>a fox</script>"),)
    assert "Prompt: &lt;script&gt;a fox&lt;/script&gt;</p>" in page._picture()
    page._shown = (replace(question, prompt=""),)
    assert "Prompt" not in page._picture()
