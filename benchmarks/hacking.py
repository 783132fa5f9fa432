"""A reward that can be hacked: what it promises rises, what people like falls. What is each guard worth then?

    python benchmarks/hacking.py --out outputs/hacking

Four scorers that know nobody steer 200 pictures a prompt, without any guard. Three are linear in the features of the
miniature's SigLIP and learnt from a biased sample of simulated people's ratings of painted pictures:

few people      ten people at one end of one trait, 300 pictures of all kinds
few pictures    forty people, 40 pictures, all of them photographs by day
few of both     those ten people, those 40 pictures
agreement       no taste at all: SigLIP's agreement of picture and prompt, as CLIP scores have it

Pictures are drawn by code (the painter), texts are found by the lexical search. After k pictures the run holds the one
of highest objective. Truth: how much simulated people, none of whom taught the scorer, like that picture, looking
through the second eye. What the scorer promises is the share of its reference pictures that score less. Both are told
as differences to the pictures of the unchanged prompt. Intervals: 95 % bootstrap over people, each the mean of their
prompts; guards are compared on the same people, prompts and seeds.

A scorer knows nobody, so one run a prompt serves all people. The held-out stop is the exception: the real rule
(steer/run/held_out.py) watches the run without guards once for each person, who holds what it would have left them.

One file a (way, prompt) in --out: start again to go on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image
from steering import PROMPTS

from reward_models import Person, RewardModel
from reward_models.evaluation.statistics import bootstrap
from reward_models.pamela.evaluation import ridge
from reward_models.scorers.base import SCORERS, Scorer
from reward_models.scorers.scales import Gaussian
from steer import Steerer
from steer.config import load_config
from steer.judging.load import load_reward
from steer.miniature.eye import Eye, load_eye
from steer.miniature.painter import paint
from steer.miniature.raters import simulated_people
from steer.miniature.world import ATTRIBUTES, Scene, scene_at
from steer.resources import miniature_weights
from steer.run.held_out import HeldOut
from steer.search.search import Search
from steer.types import Candidate, StopReason

AT = (6, 12, 24, 48, 100, 200)
TASTES = ("few people", "few pictures", "few of both")
NAKED = ("objective.fidelity_weight=0", "search.min_kept=0", "search.min_likeness=0")
# what each guard changes of a run without guards
GUARDS: dict[str, tuple[str, ...]] = {
    "fidelity": ("objective.fidelity_weight=1",),
    "gentle": ("search.strength=gentle", "search.min_kept=1", "search.min_likeness=0.3"),
    "caution 1": ("objective.caution=1",),
    "caution 3": ("objective.caution=3",),
    "ensemble of 4": (),
    "half the shipped reward": (),
    "held-out stop": (),
}
PEOPLE, TEACHERS = 24, 10
RATED, SEED = 300, 977


class Taste(Scorer):
    """Linear in the unit features of pictures: ``weights`` (D,)."""

    def __init__(self, features: Any, weights: np.ndarray, offset: float):
        self.features, self.weights, self.offset = features, weights, offset

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> np.ndarray:
        return self.features(images) @ self.weights + self.offset

    def fingerprint(self) -> str:
        return f"taste {float(self.weights.sum()):.9f} {self.offset:.9f}"


class Features:
    """Unit features (n, D) of pictures, each encoded once however often it is asked for."""

    def __init__(self, reward: RewardModel):
        self.encoder: Any = reward.encoder  # type: ignore[attr-defined]
        self.encoder.batch_size = 8
        self._encode, self._known = self.encoder.images, {}
        self.encoder.images = self.tensors

    def tensors(self, images: Sequence[Image.Image]) -> Any:
        import torch

        keys = [image.tobytes() for image in images]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in self._known}
        if new:
            self._known |= dict(zip(new, self._encode(list(new.values())), strict=True))
        return torch.stack([self._known[key] for key in keys]) if keys else self._encode([])

    def __call__(self, images: Sequence[Image.Image]) -> np.ndarray:
        return np.asarray(self.tensors(images).cpu(), dtype=float)


def one_hot(scenes: Sequence[Scene]) -> dict[str, np.ndarray]:
    """What a perfect eye reads of scenes, (n, classes) an attribute."""
    return {
        name: np.eye(len(values))[[values.index(getattr(s, name)) for s in scenes]]
        for name, values in ATTRIBUTES.items()
    }


def teach(kind: str, part: int, features: Features) -> tuple[Taste, Gaussian]:
    """A hackable scorer, and the scale on which its own training pictures are evenly spread. ``part``: which of several
    samples of the same kind.
    """
    people, rng = simulated_people(), np.random.default_rng(SEED + part)
    scenes = [scene_at(SEED, i) for i in range(RATED)]
    raters = rng.choice(sorted(people), 40, replace=False).tolist() if kind == "few pictures" else teachers(part)
    if kind != "few people":
        plain = [s.with_(style="photo", light="day") for s in scenes]
        scenes = [plain[i] for i in rng.choice(RATED, 40, replace=False)]
    read = one_hot(scenes)
    ratings = [people[u].rate(people[u].satisfaction(read), rng) for u in raters]
    y = (np.mean(ratings, axis=0) - 1) / 4
    x = features([paint(s) for s in scenes])
    origin, *unit = ridge(x, y, np.vstack([np.zeros(x.shape[1]), np.eye(x.shape[1])]))
    taste = Taste(features, np.array(unit) - origin, float(origin))
    return taste, Gaussian.of(x @ taste.weights + taste.offset)


def teachers(part: int = 0) -> list[str]:
    """People at one end of the first trait; each ``part`` takes others of the outermost forty."""
    people = simulated_people()
    outermost = sorted(people, key=lambda u: float(people[u].traits[0]))[-4 * TEACHERS :]
    return outermost[-TEACHERS:] if part == 0 else random.Random(part).sample(outermost, TEACHERS)


class Watched:
    """A search as the held-out stop sees it, which is told the stop and goes on nevertheless."""

    def __init__(self, search: Search):
        self.search, self.stop, self.barred = search, None, set()  # type: tuple[Any, Any, set[str]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.search, name)

    def bar(self, texts: set[str]) -> None:
        self.barred = set(texts)

    def end_rounds(self, reason: StopReason) -> None:
        self.stop = reason


class Stop(HeldOut):
    """The held-out stop of one person, on pictures in memory that are read once for all."""

    def __init__(self, judge: RewardModel, person: str, prompt: str, readings: dict[int, Any]):
        super().__init__(judge, Person(person), prompt, None)  # type: ignore[arg-type]
        self.readings, self.ended = readings, None  # type: tuple[dict[int, Any], set[str] | None]

    def _of(self, candidate: Candidate) -> float:
        if candidate.index not in self.readings:
            self.readings[candidate.index] = self.judge.read([candidate.image], [self.prompt])  # type: ignore[list-item]
        return float(self.judge.judge(self.readings[candidate.index], self.person).personal[0])

    def watch(self, search: Search) -> None:
        """After a round. ``ended``: the texts that may still win once it has stopped."""
        if self.ended is None:
            watched = Watched(search)
            self(watched)  # type: ignore[arg-type]
            if watched.stop is not None:
                self.ended = search.history.texts() - watched.barred


def one_run(
    steerer: Steerer, prompt: str, pictures: int, people: list[str], eye: Eye, name: str, held_out: RewardModel | None
) -> dict[str, Any]:
    """Promise and truth of the pictures of the prompt, and of what is held after each number of pictures."""
    truth_of = {u: simulated_people()[u] for u in people}
    search = steerer.search(prompt, "average", pictures, 0)
    readings: dict[int, Any] = {}
    stops = {u: Stop(held_out, u, prompt, readings) for u in people} if held_out else {}
    done: list[Candidate] = []
    while candidates := search.ask():
        images = steerer.parts.renderer.render([c.rewrite.text for c in candidates], [c.seed for c in candidates])
        search.tell(steerer.score(candidates, images, search.request))
        for c in candidates:
            c.objective = search.objective_of(c)
        done += candidates
        for stop in stops.values():
            stop.watch(search)
    read = eye.read([c.image for c in done])  # type: ignore[misc]
    truth = {u: person.satisfaction(read) for u, person in truth_of.items()}
    promise = np.array([c.fidelity if name == "agreement" else c.others[name] for c in done])
    goal = np.array([c.objective for c in done])
    first = [i for i, c in enumerate(done) if c.rewrite.text == prompt and c.round == 0]
    held = [int(np.argmax(goal[:k])) for k in AT if k <= pictures]  # a search that ends early keeps what it holds
    found: dict[str, Any] = {
        "promise": [float(promise[first].mean()), *(float(promise[i]) for i in held)],
        "truth": {u: [float(v[first].mean()), *(float(v[i]) for i in held)] for u, v in truth.items()},
        "text": done[held[-1]].rewrite.text,
    }
    if stops:
        left = {
            u: max(
                (i for i, c in enumerate(done) if stop.ended is None or c.rewrite.text in stop.ended),
                key=lambda i: goal[i],
            )
            for u, stop in stops.items()
        }
        found["stopped"] = {u: float(truth[u][i]) for u, i in left.items()}
        found["stopped promise"] = float(np.mean([promise[i] for i in left.values()]))
        found["stops"] = sum(stop.ended is not None for stop in stops.values())
    return found


def settings_of(name: str, guard: str, scales: dict[str, Gaussian]) -> list[str]:
    """The settings of a way, over the miniature's."""
    base = ["renderer=painter", "search.patience=999", "search.worth=0", "search.screen=1", *NAKED]
    if name == "agreement":
        return [*base, "objective.weights={fidelity: 1}"]
    names = [name, *(f"{name} {k}" for k in (1, 2, 3))] if guard == "ensemble of 4" else [name]
    weights = dict.fromkeys(names, 1.0) | ({"personal": 1.0} if guard == "half the shipped reward" else {})
    scorers = {n: {"kind": n, "gaussian": [scales[n].mean, scales[n].std]} for n in names}
    told = [f"objective.scorers={json.dumps(scorers)}", f"objective.weights={json.dumps(weights)}"]
    return [*base, *told, *GUARDS.get(guard, ())]


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results; what is there is not done again.")],
    prompts: Annotated[int, typer.Option(help="The first so many.")] = 4,
    pictures: Annotated[int, typer.Option(help="A run.")] = max(AT),
    guarded: Annotated[str, typer.Option(help="The scorer that the guards are tried on.")] = "few pictures",
) -> None:
    eye, reward = load_eye(miniature_weights("judge")), load_reward("miniature", "cpu")
    features, held_out = Features(reward), load_reward("miniature/held-out", "cpu")
    scales: dict[str, Gaussian] = {}
    for kind in TASTES:
        for part in range(4 if kind == guarded else 1):
            name = f"{kind} {part}" if part else kind
            taste, scales[name] = teach(kind, part, features)
            SCORERS.add(name, lambda found=taste: found)
    taught = {u for part in range(4) for u in teachers(part)}
    people = random.Random(0).sample([f"u{i}" for i in range(1, 157) if f"u{i}" not in taught], PEOPLE)
    out.mkdir(parents=True, exist_ok=True)
    ways = [(guarded, guard) for guard in ("", *GUARDS) if guard != "held-out stop"]
    ways += [(name, "") for name in (*TASTES, "agreement") if name != guarded]
    for name, guard in ways:
        steerer = Steerer(load_config("miniature", settings_of(name, guard, scales)), reward=reward)
        for p, prompt in enumerate(PROMPTS[:prompts]):
            path = out / f"{name}-{guard or 'none'}-{p}.json".replace(" ", "-")
            if not path.exists():
                judge = held_out if name == guarded and not guard else None
                row = one_run(steerer, prompt, pictures, people, eye, name, judge)
                path.write_text(json.dumps(row) + "\n", encoding="utf-8")
                print(path.name, row["text"], flush=True)
    report(out, ways, people, prompts, guarded)


def report(out: Path, ways: list[tuple[str, str]], people: list[str], prompts: int, guarded: str) -> None:
    """A line a scorer and number of pictures, then a line a guard."""
    rows = {
        way: [
            json.loads((out / f"{way[0]}-{way[1] or 'none'}-{p}.json".replace(" ", "-")).read_text(encoding="utf-8"))
            for p in range(prompts)
        ]
        for way in ways
    }
    print(f"{len(people)} people x {prompts} prompts; differences to the pictures of the unchanged prompt")
    for (name, guard), found in rows.items():
        if guard:
            continue
        truth = np.array([[r["truth"][u] for r in found] for u in people])  # (U, prompts, 1 + AT)
        promise = np.array([r["promise"] for r in found])
        print(f"{name}: unchanged prompt {promise[:, 0].mean():.3f} promised, {truth[..., 0].mean():.3f} true")
        for k in range(1, truth.shape[-1]):
            change = (truth[..., k] - truth[..., 0]).mean(1)
            up = (promise[:, k] - promise[:, 0]).mean()
            print(f"  {AT[k - 1]:4d} pictures: promised {up:+.3f}, true {told(change)}")
        late, more = truth[..., -1] - truth[..., 2], (promise[:, -1] - promise[:, 2]).mean()
        print(f"  from {AT[1]} pictures to the last: promised {more:+.3f}, true {told(late.mean(1))}")
        fell = (truth[..., -1] < truth[..., 0]).mean()
        print(f"  worse than the unchanged prompt at the end: {fell:.2f} of people x prompts")
    plain = rows[guarded, ""]
    without = np.array([[r["truth"][u][-1] for r in plain] for u in people])
    start = np.array([[r["truth"][u][0] for r in plain] for u in people])
    print(f"guards on {guarded}, after all pictures: true above the run without guards, above the unchanged prompt")
    for guard in GUARDS:
        if guard == "held-out stop":
            end = np.array([[r["stopped"][u] for r in plain] for u in people])
            up = np.mean([r["stopped promise"] - r["promise"][0] for r in plain])
        else:
            end = np.array([[r["truth"][u][-1] for r in rows[guarded, guard]] for u in people])
            up = np.mean([r["promise"][-1] - r["promise"][0] for r in rows[guarded, guard]])
        print(f"  {guard:24s} {told((end - without).mean(1))}  {told((end - start).mean(1))}  promised {up:+.3f}")
    print(f"  stopped by the held-out reward: {sum(r['stops'] for r in plain)} of {len(people) * prompts}")


def told(values: np.ndarray) -> str:
    mean, low, high = bootstrap(values)
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


if __name__ == "__main__":
    typer.run(main)
