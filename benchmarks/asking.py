"""What questions inside a run are worth: the truth of the picture held, by pictures drawn and by clicks.

    python benchmarks/asking.py --out outputs/asking --set renderer=painter

People of the miniature whom the reward never saw, each known by a few ratings of shipped pictures (--ratings), are
steered for. They answer the questions of their run at once, through the first eye and with their noise, as they rate;
what counts is the truth of the picture they hold, through the second eye.

ask N            at most N questions (search.ask)
TPE, the truth   Optuna's tree-structured Parzen estimator over the same phrases, told the truth after each picture:
                 what can be found

The picture held after k pictures is the one of highest objective, as it is judged at that moment. Intervals: 95 %
bootstrap over people. One file a (person, prompt, way) in --out: start again to go on.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
from pathlib import Path
from typing import Annotated

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import optuna
import typer
from PIL import Image
from steering import PROMPTS, interval

from steer import Steerer
from steer.config import load_config
from steer.events import CandidateDone, Event, QuestionAsked
from steer.lexicon import Lexicon
from steer.miniature.eye import Eye, load_eye
from steer.miniature.person import SimulatedPerson
from steer.miniature.raters import simulated_people
from steer.parts import Parts
from steer.resources import miniature_weights
from steer.run.drive import new_folder
from steer.run.earlier import keep_run
from steer.run.loop import run_loop
from steer.run.session import Session
from steer.types import Candidate, RenderFailure
from steer.users.pictures import shipped_pictures
from steer.users.store import UserStore

AT = (4, 8, 12, 16, 24)
UNSEEN = 166  # the people behind these were never seen by the reward


class Watcher:
    """Answers as the person would, and notes the picture held after each picture."""

    def __init__(self, person: SimulatedPerson, eye: Eye, seed: int):
        self.person, self.eye, self.rng = person, eye, np.random.default_rng(seed)
        self.drawn: list[Candidate] = []
        self.held: list[int] = []
        self.clicks: list[int] = []  # pictures drawn at each click

    def __call__(self, event: Event) -> None:
        """An event of the run."""
        if isinstance(event, CandidateDone):
            self.drawn.append(event.candidate)
            self.held.append(max(self.drawn, key=_now).index)
        elif isinstance(event, QuestionAsked):
            question = event.question
            images = [Image.open(path).convert("RGB") for path in question.paths]
            said = self.person.rate(self.person.satisfaction(self.eye.read(images)), self.rng)
            best = question.pictures[int(np.argmax(said))].index
            question.answer(float(said[0]) if question.form == "rate" else best)
            self.clicks.append(len(self.drawn))


def _now(candidate: Candidate) -> float:
    value = candidate.personal if math.isnan(candidate.objective) else candidate.objective
    return -math.inf if math.isnan(value) else value


def run_once(parts: Parts, watcher: Watcher, judge: Eye, prompt: str, user: str, budget: int, seed: int) -> dict:
    """The truth of what is held after each number of pictures in ``AT``, and of what the search ends with."""
    with tempfile.TemporaryDirectory() as place:
        request = Steerer(parts.config, store=parts.store, reward=parts.reward).request(prompt, user, budget, seed)
        folder = new_folder(parts, request, Path(place) / "run")
        session = Session(parts, request, folder, watcher)
        try:
            run_loop(session.search, parts.renderer, session.judge, folder, watcher, session.after_round)
            keep_run(parts, request, folder, session.search.history.candidates)
            folder.flush()
        finally:
            session.release()
        best = session.search.best()
        assert best is not None
        wanted = [watcher.held[min(k, len(watcher.held)) - 1] for k in AT] + [best.index]
        by_index = {c.index: c for c in watcher.drawn}
        images = [Image.open(folder.path / by_index[i].picture).convert("RGB") for i in wanted]
        truth = watcher.person.satisfaction(judge.read(images))
    return {"held": truth[:-1].tolist(), "end": float(truth[-1]), "clicks": watcher.clicks}


def tpe_once(parts: Parts, person: SimulatedPerson, judge: Eye, prompt: str, budget: int, seed: int) -> dict:
    """The same for a search that is told the truth."""
    lexicon, rng = Lexicon.load("miniature"), random.Random(seed)
    choices = {
        g.name: optuna.distributions.CategoricalDistribution(("", *g.phrases)) for g in lexicon.open_groups(prompt)
    }
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True))
    truths: list[float] = []
    while len(truths) < budget:
        trial = study.ask(choices)
        text = lexicon.compose(prompt, {name: phrase for name, phrase in trial.params.items() if phrase})
        (image,) = parts.renderer.render([text], [rng.getrandbits(31)])
        value = 0.0 if isinstance(image, RenderFailure) else float(person.satisfaction(judge.read([image]))[0])
        study.tell(trial, value)
        truths.append(value)
    best = np.maximum.accumulate(truths)
    return {"held": [float(best[min(k, budget) - 1]) for k in AT], "end": float(best[-1]), "clicks": []}


def known_by(store: UserStore, user: str, person: SimulatedPerson, eye: Eye, ratings: int, seed: int) -> None:
    """A new user who rated a few shipped pictures, drawn at random."""
    store.add(user)
    questions = random.Random(f"{seed}/{user}").sample(shipped_pictures(), ratings)
    if questions:
        said = person.rate(person.satisfaction(eye.read([q.image for q in questions])), np.random.default_rng(seed))
        store.rate_many(user, [(q.hash, q.prompt, float(s)) for q, s in zip(questions, said, strict=True)])


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results; what is there is not done again.")],
    settings: Annotated[list[str] | None, typer.Option("--set", "-s")] = None,
    people: int = 8,
    prompts: int = 3,
    ratings: Annotated[int, typer.Option(help="That each person gave before.")] = 5,
    asks: Annotated[str, typer.Option(help="Numbers of questions to compare.")] = "0,3,1,6",
    budget: int = max(AT),
    seed: int = 0,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = Parts(load_config("miniature", settings or ()))
    eye, judge = load_eye(miniature_weights("eye")), load_eye(miniature_weights("judge"))
    ways = [f"ask {n}" for n in asks.split(",")]
    ways = [ways[0], *ways[1:2], "TPE, the truth", *ways[2:]]
    for name, person in list(simulated_people().items())[UNSEEN:][:people]:
        for p, prompt in enumerate(PROMPTS[:prompts]):
            for way in ways:
                file = out / f"{name}-{p}-{way.replace(' ', '').replace(',', '-')}.json"
                if file.exists():
                    continue
                if way.startswith("TPE"):
                    found = tpe_once(base, person, judge, prompt, budget, p)
                else:
                    config = load_config("miniature", [*(settings or ()), f"search.ask={way.split()[1]}"])
                    store = UserStore(Path(tempfile.mkdtemp()) / "users.db")
                    user = f"new-{name}"
                    known_by(store, user, person, eye, ratings, seed)
                    parts = Parts(config, reward=base.reward, renderer=base.renderer, store=store)
                    found = run_once(parts, Watcher(person, eye, p), judge, prompt, user, budget, p)
                file.write_text(json.dumps({"person": name, "prompt": prompt, "way": way, **found}), encoding="utf-8")
    report(out, ways)
    plot(out, ways)


def by_way(out: Path, ways: list[str]) -> dict[str, dict[tuple[str, str], dict]]:
    """The rows of each way by person and prompt, of those that every way has done, in one order."""
    rows = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(out.glob("*.json"))]
    found = {way: {(r["person"], r["prompt"]): r for r in rows if r["way"] == way} for way in ways}
    common = sorted(set.intersection(*(set(each) for each in found.values())))
    return {way: {key: each[key] for key in common} for way, each in found.items()}


def plot(out: Path, ways: list[str]) -> None:
    """A curve a way in held.png: the truth of the picture held, by pictures drawn; marks where clicks were made."""
    matplotlib.use("Agg")
    figure, axis = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    for way, rows in by_way(out, ways).items():
        held = np.array([interval(_by_person([(k, r["held"][i]) for k, r in rows.items()])) for i in range(len(AT))])
        (line,) = axis.plot(AT, held[:, 0], marker=".", label=way)
        axis.fill_between(AT, held[:, 1], held[:, 2], color=line.get_color(), alpha=0.12)
        if clicks := [r["clicks"] for r in rows.values() if r["clicks"]]:
            most = max(map(len, clicks))
            at = [float(np.mean([c[i] for c in clicks if len(c) > i])) for i in range(most)]
            axis.scatter(at, np.interp(at, AT, held[:, 0]), marker="v", s=60, color=line.get_color(), zorder=3)
    axis.set(xlabel="pictures drawn (a triangle: a click, at its mean place)", ylabel="liking of the picture held")
    axis.legend()
    figure.savefig(out / "held.png", dpi=110)


def report(out: Path, ways: list[str]) -> None:
    """A row a way, over the (person, prompt) that every way has done, and how far each is from the first to TPE."""
    found = by_way(out, ways)
    common = list(found[ways[0]])
    if not common:
        return print("nothing is done by every way yet")
    people = len({person for person, _ in common})
    print(f"{people} people, {len(common)} runs a way; held after {AT} pictures; at the end")
    at_end = {way: _by_person([(k, found[way][k]["end"]) for k in common]) for way in ways}
    for way in ways:
        held = [interval(_by_person([(k, found[way][k]["held"][i]) for k in common])) for i in range(len(AT))]
        clicks = np.mean([len(found[way][k]["clicks"]) for k in common])
        print(f"{way:15s} {' '.join(str(h) for h in held)}  end {interval(at_end[way])}  clicks {clicks:.1f}")
    first, top = at_end[ways[0]], at_end["TPE, the truth"]
    for way in ways[1:]:
        gain = at_end[way] - first
        print(f"{way:15s} over {ways[0]}: {interval(gain)}, share of the way {gain.mean() / (top - first).mean():.2f}")
    return None


def _by_person(values: list[tuple[tuple[str, str], float]]) -> np.ndarray:
    people: dict[str, list[float]] = {}
    for (person, _), value in values:
        people.setdefault(person, []).append(value)
    return np.array([np.mean(v) for v in people.values()])


if __name__ == "__main__":
    typer.run(main)
