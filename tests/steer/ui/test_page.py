"""The page in Chromium: a newcomer's path, the keyboard, a phone, dark mode, axe, and names that try to be markup."""

from __future__ import annotations

import re
import zipfile

import pytest

from tests.steer.server.conftest import fake_parts
from tests.steer.server.test_queue import SlowRenderer
from tests.steer.ui.conftest import ANN, paged, run_to_its_end, wait_for
from tests.steer.web.axe import faults
from tests.steer.web.browser import DARK, DESKTOP, PHONE, open_tab, sideways

pytestmark = pytest.mark.browser
PHONE_DARK = {**PHONE, "color_scheme": "dark"}


@pytest.fixture(scope="module")
def lived_in(painted):
    """A page that has been used: two runs, a favourite, a person, a batch."""
    visitor = painted.visit()
    visitor.post("ui/people", json={"name": "jo", "profile": "at night, no fog"})
    runs = [run_to_its_end(visitor, prompt=prompt, user="jo", budget=8) for prompt in ("a fox in the snow", "a castle")]
    visitor.post(f"ui/runs/{runs[0]}/favourite", json={"picture": 1, "favourite": True})
    batch = visitor.post("ui/batches", params={"file": "two.txt", "user": "jo", "budget": 4}, content=b"a cat\na dog\n")
    name = batch.json()["name"]
    wait_for(lambda: not visitor.get(f"ui/batches/{name}").json()["working"])
    return painted, runs, name


def open_page(tab, server, address="", token=None):
    tab.goto(server.link(token) if token else server.link())
    tab.wait_for_selector(".composer")
    if address:
        tab.goto(f"{server.here}#/{address}")


@pytest.mark.parametrize("settings", [DESKTOP, DARK, PHONE, PHONE_DARK], ids=["light", "dark", "phone", "phone-dark"])
def test_no_page_has_a_fault_for_axe_or_is_wider_than_the_window(lived_in, settings):
    server, runs, batch = lived_in
    pages = {
        "": "#run",
        "history": ".card img",
        "history?favourites=1": ".card img",
        "history?q=nothing-like-it": ".empty",
        f"run/{runs[0]}": ".tile img",
        f"compare/{runs[0]}/0/{runs[1]}/1": ".compare img",
        "people": "#name",
        "person/jo": ".beliefs",
        "person/u17": ".bars",
        "batches": "#file",
        f"batch/{batch}": ".rows img",
        "run/none": ".empty",
    }
    with open_tab(**settings) as tab:
        errors = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        open_page(tab, server)
        for address, there in pages.items():
            tab.goto(f"{server.here}#/{address}")
            tab.wait_for_selector(there)
            tab.wait_for_function("() => !document.querySelector('main > .loading')")
            assert sideways(tab) == 0, address
            assert faults(tab) == [], address
        assert errors == []


def test_a_newcomers_path_from_the_link_to_a_rated_picture(tmp_path_factory, painted):
    """By the keyboard alone where it can be."""
    with open_tab() as tab:
        open_page(tab, painted)
        tab.goto(f"{painted.here}#/people")
        tab.fill("#name", "newcomer")
        tab.fill("#profile", "at night, no fog")
        tab.keyboard.press("Enter")  # a new line in the description
        tab.get_by_role("button", name="Add", exact=True).press("Enter")
        tab.wait_for_selector(".beliefs")
        assert "of what sets this taste apart is known" in tab.inner_text(".beliefs")
        tab.get_by_role("button", name="Rate pictures").press("Enter")
        tab.wait_for_selector(".interview img")
        for key in "524":
            before = tab.get_attribute(".interview img", "src")
            tab.keyboard.press(key)
            tab.wait_for_function("s => document.querySelector('.interview img').getAttribute('src') != s", arg=before)
        assert "3 answers" in tab.inner_text(".interview")
        assert sorted(r.score for r in painted.service.parts.store.ratings("newcomer")) == [2, 4, 5]
        tab.get_by_role("link", name="Draw for newcomer").press("Enter")
        tab.wait_for_selector("#prompt")
        assert tab.input_value("#for") == "newcomer"
        tab.fill("#prompt", "a lighthouse by the sea")
        tab.keyboard.press("Enter")
        tab.wait_for_selector(".tile img")
        tab.wait_for_selector("text=Finished: the budget is spent")
        assert "Gain in liking" in tab.inner_text(".status")
        assert tab.get_attribute(".pair img >> nth=0", "alt") == "Original: a lighthouse by the sea"
        tab.keyboard.press("5")
        tab.wait_for_selector("text=Saved for newcomer: 5 of 5")
        assert len(painted.service.parts.store.ratings("newcomer")) == 4
        tab.keyboard.press("f")
        tab.wait_for_selector("text=★ Favourite")
        with tab.expect_download() as export:
            tab.get_by_role("link", name="Export pictures").click()
        assert len(zipfile.ZipFile(export.value.path()).namelist()) >= 6
        tab.keyboard.press("m")
        tab.wait_for_selector("text=Finished >> visible=true", timeout=60_000)
        assert tab.input_value("#prompt") != "a lighthouse by the sea"


def test_pictures_arrive_one_by_one_and_stop_keeps_them(tmp_path, unsure):
    with (
        paged(fake_parts(tmp_path, SlowRenderer(0.2), settings=["search.budget=20"]), tmp_path / "outputs") as server,
        open_tab() as tab,
    ):
        open_page(tab, server)
        tab.select_option("#for", "bob")
        tab.fill("#prompt", "a fox")
        tab.click("#run")
        seen = set()
        while len(seen) < 3:
            seen.add(tab.locator(".tile").count())
            tab.wait_for_timeout(30)
        assert re.search(r"\d+ of 20 pictures · \d+:\d\d min", tab.inner_text(".status"))
        tab.wait_for_selector(".ask:not([hidden]) img")
        tab.locator(".ask .choice, .ask .scale button").first.click()
        tab.wait_for_selector("text=The next round takes it into account")
        tab.click("#stop")
        tab.wait_for_selector("text=Stopped")
        assert tab.locator(".tile").count() < 20
        tab.reload()
        tab.wait_for_selector(".card")
        tab.goto(f"{server.here}#/history")
        tab.click(".card a")
        tab.click("#continue")
        tab.wait_for_selector("text=Finished")
        assert tab.locator(".tile").count() > 17


def test_two_tabs_watch_one_run(tmp_path):
    with paged(fake_parts(tmp_path, SlowRenderer()), tmp_path / "outputs") as server, open_tab() as tab:
        open_page(tab, server)
        other = tab.context.new_page()
        tab.fill("#prompt", "a fox")
        tab.click("#run")
        tab.wait_for_selector(".tile")
        other.goto(server.here)
        other.wait_for_selector(".tile")
        for each in (tab, other):
            each.wait_for_selector("text=Finished")
            assert each.locator(".tile").count() == 8


def test_what_people_type_never_becomes_markup(painted):
    evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>"\'&lt;'
    visitor = painted.visit()
    visitor.post("ui/people", json={"name": "evil", "profile": evil})
    name = run_to_its_end(visitor, prompt=f"a fox {evil}", user="evil", budget=4)
    with open_tab() as tab:
        open_page(tab, painted)
        for address, there in {
            f"run/{name}": ".tile",
            "history": ".card",
            "people": ".quote",
            "person/evil": ".beliefs",
            f"compare/{name}/0/{name}/1": ".compare",
            "run/%3Cimg src=x onerror=alert(1)%3E": ".empty",
            "?prompt=%3Cscript%3E&user=%3Cb%3E": "#prompt",
        }.items():
            tab.goto(f"{painted.here}#/{address}")
            tab.wait_for_selector(there)
            assert tab.locator("img[src=x], main script").count() == 0, address
            assert "steer" in tab.title(), address
        tab.goto(f"{painted.here}#/run/{name}")
        tab.wait_for_selector(".tile")
        assert "<img src=x" in tab.inner_text("h1")


def test_an_error_is_one_line_and_the_form_stays(painted):
    with open_tab() as tab:
        open_page(tab, painted, "people")
        tab.fill("#name", "no spaces, please")
        tab.get_by_role("button", name="Add", exact=True).click()
        tab.wait_for_selector(".toast.bad")
        assert "not a valid user id" in tab.inner_text("#toast")
        assert tab.input_value("#name") == "no spaces, please"
        tab.goto(f"{painted.here}#/batches")
        rows = {"name": "a.csv", "mimeType": "text/csv", "buffer": b"wrong\na fox\n"}
        tab.set_input_files("#file", rows)
        tab.get_by_role("button", name="Start").click()
        tab.wait_for_selector(".wrong:not([hidden])")
        assert "no column" in tab.inner_text(".wrong")


def test_liked_pictures_are_made_small_and_kept(painted, tmp_path):
    from PIL import Image

    large = tmp_path / "large.png"
    Image.effect_noise((1800, 1400), 80).convert("RGB").save(large)
    assert large.stat().st_size > 2**20  # more than the server takes
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    painted.visit().post("ui/people", json={"name": "photographer"})
    with open_tab() as tab:
        open_page(tab, painted, "person/photographer")
        tab.set_input_files("#liked", [str(large)])
        tab.wait_for_selector("text=1 picture kept as liked")
        assert len(painted.service.parts.store.ratings("photographer")) == 1
        tab.set_input_files("#liked", [str(broken)])
        tab.wait_for_selector("text=not a picture that this browser can read")
        tab.get_by_role("button", name="Delete this person …").click()
        tab.get_by_role("button", name="Delete", exact=True).click()
        tab.wait_for_selector("text=photographer is deleted")
    assert painted.service.parts.store.get("photographer") is None


def test_a_token_for_one_user_shows_no_others(lived_in):
    server, _, _ = lived_in
    with open_tab() as tab:
        open_page(tab, server, "history", ANN)
        tab.wait_for_selector(".empty")
        assert "jo" not in tab.inner_text("main")
        tab.goto(f"{server.here}#/batches")
        tab.wait_for_selector("text=Batches need a token for everybody")
