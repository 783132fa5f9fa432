"""How many ratings a new person must give: pictures chosen to tell most against the same pictures in random order.

    python benchmarks/interview.py [--people 24] [--ratings 25] [--no-browser] [--seed 0] [--elsewhere] [--reward
    miniature]

People of the miniature whom the reward never saw look at the shipped pictures and press the key (1 to 5) nearest to
their noisy rating, in the real page in headless Chromium. After each count of ratings: rank correlation (Spearman) of
the personal reward with their true liking of the data set's 550 test pictures, mean over people [95 % bootstrap over
people]. Then, for each count of chosen ratings, how many random ones reach as much (interpolated), and where the
interview would have ended by itself. ``--elsewhere``: the random pictures are not the shipped ones, which are a design
themselves, but any of the data set's training pictures.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer
from PIL import Image
from scipy.stats import spearmanr
from steering import interval

from reward_models import Person
from steer import Steerer
from steer.config import load_config
from steer.miniature.dataset import N_PICTURES, N_SEEN, N_VAL_UNSEEN, SHARES, plan
from steer.miniature.eye import load_eye
from steer.miniature.person import SimulatedPerson
from steer.miniature.raters import simulated_people
from steer.resources import miniature_weights
from steer.users.interview import Interview
from steer.users.pictures import Question, shipped_pictures
from steer.users.store import UserStore

COUNTS = (0, 3, 5, 8, 10, 12, 15, 18, 20, 25)


class Test:
    """The data set's test pictures and what people truly think of them."""

    def __init__(self, steerer: Steerer, dataset: Path):
        planned = plan(N_PICTURES)[-round(SHARES["test"] * N_PICTURES) :]
        images = [Image.open(dataset / p.file).convert("RGB") for p in planned]
        self.reward = steerer.parts.reward
        self.reading = self.reward.read(images, [p.prompt for p in planned])
        self.read = load_eye(miniature_weights("eye")).read(images)

    def reached(self, user: str, person: SimulatedPerson) -> float:
        liking = self.reward.judge(self.reading, Person(user)).personal
        return float(spearmanr(liking, person.satisfaction(self.read)).statistic)


def answers(person: SimulatedPerson, interview: Interview, read: dict[str, np.ndarray], seed: int) -> dict[str, int]:
    """The key pressed at each picture, the same in both orders."""
    rating = person.rate(person.satisfaction(read), np.random.default_rng(seed))
    return {q.hash: int(np.clip(round(float(r)), 1, 5)) for q, r in zip(interview.pictures, rating, strict=True)}


def anywhere(dataset: Path, seed: int) -> tuple[list[Question], dict[str, np.ndarray]]:
    """Sixty of the data set's training pictures at random, and what the eye reads in them."""
    planned = plan(N_PICTURES)[: round(SHARES["train"] * N_PICTURES)]
    rows = np.random.default_rng(seed).choice(len(planned), 60, replace=False)
    found = [Question(dataset / planned[i].file, planned[i].prompt, "data set") for i in rows]
    return found, load_eye(miniature_weights("eye")).read([q.image for q in found])


def drive(interview: Interview, keys: dict[str, int], n: int, browser: Any, after: Any) -> None:
    """Rate ``n`` pictures, in the page or, without a browser, by its function calls."""
    if browser is None:
        for k in range(n):
            question = interview.next()
            assert question
            interview.rate(question, keys[question.hash])
            after(k + 1)
        return
    from steer.web.rating import RatingPage

    page = RatingPage(interview)
    served = page.start()
    tab = browser.new_page()
    tab.goto(served.url)
    tab.wait_for_selector("#picture img")
    for k in range(n):
        tab.keyboard.press(str(keys[page._shown[0].hash]))
        tab.wait_for_function(f"document.getElementById('progress').innerText.startsWith('{k + 1} answer')")
        after(k + 1)
    tab.close()
    served.close()


def main(
    people: int = 24,
    ratings: int = 25,
    browser: bool = True,
    seed: int = 0,
    elsewhere: bool = False,
    dataset: Path = Path("training/pamela"),
    chromium: str = "/usr/bin/chromium",
    reward: str = "miniature",
) -> None:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    store = UserStore(Path(tempfile.mkdtemp()) / "users.db")
    steerer = Steerer(load_config("miniature", [f"reward={reward}"]), store=store)
    test, questions = Test(steerer, dataset), shipped_pictures()
    read = load_eye(miniature_weights("eye")).read([q.image for q in questions])
    others, read_others = anywhere(dataset, seed) if elsewhere else (questions, read)
    everyone = list(simulated_people().items())[N_SEEN + N_VAL_UNSEEN :][:people]
    curves: dict[bool, np.ndarray] = {c: np.full((len(everyone), len(COUNTS)), np.nan) for c in (True, False)}
    ended = np.zeros(len(everyone))
    with _browser(chromium if browser else None) as opened:
        for u, (name, person) in enumerate(everyone):
            for chosen in (True, False):
                user = f"new-{name}-{'chosen' if chosen else 'random'}"
                store.add(user)
                interview = Interview(
                    store, steerer.parts.reward, user, questions if chosen else others, chosen, seed=u
                )
                curves[chosen][u, 0] = test.reached(user, person)

                def after(
                    k: int,
                    u: int = u,
                    chosen: bool = chosen,
                    user: str = user,
                    interview: Interview = interview,
                    person: SimulatedPerson = person,
                ) -> None:
                    if k in COUNTS:
                        curves[chosen][u, COUNTS.index(k)] = test.reached(user, person)
                    if chosen and not ended[u] and interview.progress().enough:
                        ended[u] = k

                seen = read if chosen else read_others
                drive(interview, answers(person, interview, seen, u + 1000 * seed), ratings, opened, after)
            print(
                f"{name}: {curves[True][u, -1]:.3f} {curves[False][u, -1]:.3f}, enough after {ended[u]:.0f}", flush=True
            )
    print(f"{'ratings':>8s} {'chosen':>24s} {'random':>24s} {'chosen - random':>26s} {'random ones for as much':>24s}")
    random_mean = curves[False].mean(0)
    for i, n in enumerate(COUNTS):
        cells = [
            interval(v) for v in (curves[True][:, i], curves[False][:, i], curves[True][:, i] - curves[False][:, i])
        ]
        told = "  ".join(f"{m:+.3f} [{low:+.3f}, {high:+.3f}]" for m, low, high in cells)
        same, low, high = saved(curves, i)
        beyond = ">" if cells[0][0] > random_mean[-1] else ""
        print(f"{n:8d}  {told}   {beyond}{same:.1f} [{low:.1f}, {high:.1f}]")
    stops = ended[ended > 0]
    print(
        f"ended by itself: {len(stops)} of {len(ended)}, "
        f"after {np.median(stops):.0f} [{stops.min():.0f}, {stops.max():.0f}]"
    )
    print(json.dumps({"people": len(everyone), "browser": browser, "reward": reward}))


def saved(curves: dict[bool, np.ndarray], i: int) -> tuple[float, float, float]:
    """Random ratings that reach what COUNTS[i] chosen ones do, and its bootstrap interval over people; cut at the last
    count."""
    rng = np.random.default_rng(0)
    found = []
    n = len(curves[True])
    for rows in [np.arange(n), *rng.integers(0, n, (2000, n))]:
        chosen, other = curves[True][rows, i].mean(), np.maximum.accumulate(curves[False][rows].mean(0))
        found.append(float(np.interp(chosen, other, COUNTS)))
    low, high = np.percentile(found[1:], [2.5, 97.5])
    return found[0], float(low), float(high)


class _browser:
    """Headless Chromium, or None."""

    def __init__(self, path: str | None):
        self.path = path

    def __enter__(self) -> Any:
        if self.path is None:
            return None
        from playwright.sync_api import sync_playwright

        self.play = sync_playwright().start()
        return self.play.chromium.launch(executable_path=self.path, args=["--no-sandbox"])

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            self.play.stop()


if __name__ == "__main__":
    torch.set_num_threads(1)
    typer.run(main)
