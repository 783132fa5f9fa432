"""The pictures of docs/ui.md: a newcomer's path through ``steer ui``, and how long it took.

    python scripts/ui_pictures.py --pause 2      # needs: scripts/setup.sh browser

It starts the command with an empty store, opens its link in Chromium and does what a newcomer would. Before each action
it waits ``--pause`` seconds, as a person who reads does.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageStat
from playwright.sync_api import Page, ViewportSize, sync_playwright

DOCS = Path(__file__).resolve().parents[1] / "docs" / "ui"
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
TALL: ViewportSize = {"width": 1280, "height": 1100}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
RATINGS = 8
LOADED = "() => [...document.images].every((image) => image.loading == 'lazy' || image.complete)"
LIGHT = (100, 125, 150, 175)  # mean brightness above which this newcomer likes a picture less: they like the dark


class Visit:
    """Actions on a page, with a pause before each, and pictures of it."""

    def __init__(self, page: Page, pause_s: float):
        self.page, self.pause_s, self.actions, self.begun = page, pause_s, 0, time.monotonic()

    def do(self, action: str, *told: Any) -> None:
        """A method of the page by its name."""
        time.sleep(self.pause_s)
        self.actions += 1
        getattr(self.page, action)(*told)

    def shoot(self, name: str, viewport: ViewportSize | None = None) -> None:
        """A picture of the window from the top of the page, into the docs."""
        if viewport:
            self.page.set_viewport_size(viewport)
            self.page.evaluate("() => scrollTo(0, 0)")
        self.page.wait_for_timeout(400)
        self.page.wait_for_function(LOADED)
        save(shot(self.page), name)


def shot(page: Page) -> Image.Image:
    """The window."""
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def save(image: Image.Image, name: str) -> None:
    """As WebP."""
    image.save(DOCS / f"{name}.webp", quality=80, method=6)


def newcomer(visit: Visit) -> None:
    """From the open page to a rated picture."""
    page = visit.page
    page.wait_for_selector(".welcome")
    visit.shoot("1-open")
    visit.do("click", "text=Teach it your taste")
    page.wait_for_selector("#name")
    visit.do("fill", "#name", "me")
    visit.do("fill", "#profile", "at night, no fog")
    visit.shoot("2-words")
    visit.do("click", "form button.primary")
    page.wait_for_selector(".beliefs")
    visit.do("click", "#rate")
    for i in range(RATINGS):
        page.wait_for_selector(".interview img")
        address = page.get_attribute(".interview img", "src")
        content = page.request.get(f"{page.url.partition('#')[0]}{address}").body()
        brightness = ImageStat.Stat(Image.open(io.BytesIO(content)).convert("L")).mean[0]
        if i == 3:
            visit.shoot("3-rate")
        visit.do("click", f".interview .scale button >> nth={4 - sum(brightness > limit for limit in LIGHT)}")
        page.wait_for_function("s => document.querySelector('.interview img').getAttribute('src') != s", arg=address)
    visit.do("click", "text=Draw for me")
    page.wait_for_selector("#prompt")
    visit.do("fill", "#prompt", "a lighthouse by the sea")
    page.evaluate("const b = document.getElementById('budget'); b.value = 24; b.dispatchEvent(new Event('input'))")
    visit.do("click", "#run")
    page.wait_for_function("() => document.querySelectorAll('.tile').length > 8", timeout=300_000)
    visit.shoot("4-run", TALL)
    page.wait_for_selector("text=Finished", timeout=300_000)
    visit.do("click", ".detail .scale button >> nth=4")
    page.wait_for_selector("text=Saved for me")
    print(f"{time.monotonic() - visit.begun:.0f} s from the command to a rated picture, in {visit.actions} actions")
    visit.shoot("5-rated", TALL)


def rest(browser: Any, link: str) -> None:
    """The same in the dark, and on a phone."""
    home = link.partition("?")[0]
    run = "#/run/" + browser["name"]
    with_dark = {"color_scheme": "dark"}
    shots = {}
    for key, settings, address, there in (
        ("history-dark", DESKTOP | with_dark, run, ".tile img"),
        ("a", PHONE, run, ".tile img"),
        ("b", PHONE, "#/person/me", ".beliefs"),
        ("c", PHONE | with_dark, "#/history", ".card img"),
    ):
        page = browser["browser"].new_context(**settings).new_page()
        page.goto(link)
        page.wait_for_selector(".composer")
        page.goto(home + address)
        page.wait_for_selector(there)
        page.wait_for_timeout(1500)
        shots[key] = shot(page)
    save(shots["history-dark"], "dark")
    gap = 24
    width, height = shots["a"].size
    phones = Image.new("RGB", (3 * width + 2 * gap, height), "white")
    for i, key in enumerate("abc"):
        phones.paste(shots[key], (i * (width + gap), 0))
    save(phones, "phone")


def main() -> None:
    """Write all pictures, and print how long the path took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds before each action")
    pause = parser.parse_args().pause
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as started:
        begun = time.monotonic()
        command = [sys.executable, "-m", "steer", "ui", "--no-browser", "--store", f"{name}/users.db"]
        ui = subprocess.Popen(
            [*command, "--out", f"{name}/outputs"], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        assert ui.stdout is not None
        link = ui.stdout.readline().split()[1]
        try:
            browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_context(**DESKTOP).new_page()
            page.goto(link)
            visit = Visit(page, pause)
            visit.begun = begun
            newcomer(visit)
            rest({"browser": browser, "name": next(Path(name, "outputs").iterdir()).name}, link)
            browser.close()
        finally:
            ui.terminate()
            ui.wait(60)


if __name__ == "__main__":
    main()
