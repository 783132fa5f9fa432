"""How hard are the simulated people to please, world by world? No reward is asked: everything is told the truth.

    python benchmarks/people.py --out outputs/people

The painter draws every scene that a text around each of six prompts can lead to; the second eye reads them, and 30
people feel what they feel. From these tables, for each world:

liking held     after 4, 12, 24 and 48 pictures, the best one seen: of the unchanged prompt, of random texts, of
                coordinate ascent, of Optuna's TPE (the first people alone), and of all scenes
phrases         the best expected liking of a text with so many phrases; what is not said is drawn as captions leave it
variance        of what a person likes, over all scenes of the world read without error: main effects, pairs, triples
crowd           share of a person's variance that everybody else's mean explains
learnable       SROCC with the truth of new pictures, from 1,600 ratings: ridge on what the first eye reads, kernel
                ridge on the features of the shipped SigLIP
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import optuna
import typer
from scipy.stats import spearmanr
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from steering import PROMPTS

from reward_models.encoders.load import load_encoder
from steer.miniature.eye import load_eye
from steer.miniature.painter import paint
from steer.miniature.person import SimulatedPerson
from steer.miniature.raters import WORLDS, simulated_people
from steer.miniature.words import read_prompt
from steer.miniature.world import ATTRIBUTES, Scene, scene_at, unsaid_probability
from steer.resources import miniature_weights

AT = (4, 12, 24, 48)
NAMES = list(ATTRIBUTES)
N_SCENES, N_TRAIN = 2200, 1600  # of the learnability check
Text = dict[int, int | None]  # by open attribute: the value that is said, None where none is
Reading = dict[str, np.ndarray]


def open_attributes(prompt: str) -> list[int]:
    """Numbers of the attributes that a prompt leaves open."""
    said = read_prompt(prompt)
    return [k for k, name in enumerate(NAMES) if name not in said]


def grid(said: dict[str, str]) -> tuple[list[tuple[str, ...]], tuple[int, ...]]:
    """Every combination of values with those that are said, and the shape of the table that they fill."""
    axes = [(said[name],) if name in said else values for name, values in ATTRIBUTES.items()]
    return list(itertools.product(*axes)), tuple(map(len, axes))


def without_error(rows: list[tuple[str, ...]]) -> Reading:
    """What an eye that is never wrong reads in scenes."""
    return {
        name: np.eye(len(values))[[values.index(row[k]) for row in rows]]
        for k, (name, values) in enumerate(ATTRIBUTES.items())
    }


def usual(k: int) -> np.ndarray:
    """Probabilities of an attribute's values where nothing is said of it."""
    weights = np.array([unsaid_probability(NAMES[k], value) or 1.0 for value in ATTRIBUTES[NAMES[k]]])
    return weights / weights.sum()


def look(prompt: str) -> Reading:
    """The second eye's reading of a painting of each scene that a prompt allows."""
    rows, _ = grid(read_prompt(prompt))
    return load_eye(miniature_weights("judge")).read([paint(Scene(*row, seed=11)) for row in rows])


class Truth:
    """What a person feels of each scene of a prompt, and of texts with a seed."""

    def __init__(self, person: SimulatedPerson, prompt: str, read: Reading, seed: int):
        self.open = open_attributes(prompt)
        self.table = person.satisfaction(read).reshape(grid(read_prompt(prompt))[1])
        self.rng = np.random.default_rng(seed)

    def draw(self, text: Text) -> float:
        """The liking of one picture of a text."""
        values = [0] * len(NAMES)
        for k in self.open:
            said = text.get(k)
            values[k] = int(self.rng.choice(self.table.shape[k], p=usual(k))) if said is None else said
        return float(self.table[tuple(values)])

    def expected(self) -> np.ndarray:
        """Of every text: the table with one more value on each open axis, that nothing is said."""
        table = self.table
        for k in self.open:
            mean = np.expand_dims(np.tensordot(usual(k), table, ([0], [k])), k)
            table = np.concatenate([table, mean], axis=k)
        return table

    def by_phrases(self) -> list[float]:
        """The best expected liking with at most 0, 1, ... 5 phrases."""
        table = self.expected()
        said = np.zeros(table.shape, int)
        for k in self.open:
            axes = tuple(j for j in range(table.ndim) if j != k)
            said = said + np.expand_dims(np.arange(table.shape[k]) < table.shape[k] - 1, axes)
        return [float(table[said <= most].max()) for most in range(6)]


def best_of_n(truth: Truth) -> list[float]:
    """The unchanged prompt."""
    return [truth.draw({}) for _ in range(max(AT))]


def random_texts(truth: Truth) -> list[float]:
    """Four phrases in five said, each at random."""
    sizes, rng = truth.table.shape, truth.rng
    return [
        truth.draw({k: int(rng.integers(sizes[k])) if rng.random() < 0.8 else None for k in truth.open})
        for _ in range(max(AT))
    ]


def coordinate_ascent(truth: Truth) -> list[float]:
    """One phrase changed at a time, kept where its picture is better; from a random text again where none is."""
    text: Text = dict.fromkeys(truth.open)
    seen = [truth.draw(text)]
    while len(seen) < max(AT):
        current, moved = seen[-1], False
        for k in truth.rng.permutation(truth.open):
            for value in truth.rng.permutation(truth.table.shape[k]):
                seen.append(truth.draw({**text, int(k): int(value)}))
                if seen[-1] > current:
                    current, text, moved = seen[-1], {**text, int(k): int(value)}, True
        if not moved:
            text = {k: int(truth.rng.integers(truth.table.shape[k])) for k in truth.open}
            seen.append(truth.draw(text))
    return seen[: max(AT)]


def tpe(truth: Truth) -> list[float]:
    """Optuna's tree-structured Parzen estimator over the phrases, one of which is to say nothing."""
    seen: list[float] = []

    def objective(trial: optuna.Trial) -> float:
        values = {k: trial.suggest_categorical(NAMES[k], [-1, *range(truth.table.shape[k])]) for k in truth.open}
        seen.append(truth.draw({k: None if v < 0 else v for k, v in values.items()}))
        return seen[-1]

    seed = int(truth.rng.integers(2**31))
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True))
    study.optimize(objective, n_trials=max(AT))
    return seen


WAYS: dict[str, Callable[[Truth], list[float]]] = {
    "best of N": best_of_n,
    "random texts": random_texts,
    "coordinate ascent": coordinate_ascent,
    "TPE": tpe,
}


def variance_shares(person: SimulatedPerson) -> list[float]:
    """Of main effects, pairs and triples, by a functional analysis of variance over all scenes."""
    rows, shape = grid({})
    table = person.satisfaction(without_error(rows)).reshape(shape)
    table = table - table.mean()
    parts: dict[tuple[int, ...], float] = {}
    for size in (1, 2, 3):
        for kept in itertools.combinations(range(len(shape)), size):
            mean = table.mean(axis=tuple(k for k in range(len(shape)) if k not in kept))
            inner = (c for n in range(1, size) for c in itertools.combinations(kept, n))
            parts[kept] = float((mean**2).mean()) - sum(parts[c] for c in inner)
    return [sum(v for kept, v in parts.items() if len(kept) == size) / table.var() for size in (1, 2, 3)]


def crowd(people: dict[str, SimulatedPerson], read: Reading) -> float:
    """Mean share of a person's variance that the others' mean explains."""
    liking = np.stack([p.satisfaction(read) for p in people.values()])
    others = liking.sum(0) - liking
    return float(np.mean([np.corrcoef(a, b)[0, 1] ** 2 for a, b in zip(liking, others, strict=True)]))


def learnable(people: list[SimulatedPerson], read: Reading, features: np.ndarray) -> dict[str, float]:
    """Mean SROCC with the truth of scenes that were not rated."""
    flat = StandardScaler().fit_transform(np.concatenate(list(read.values()), axis=1))
    seen, new, rng = slice(0, N_TRAIN), slice(N_TRAIN, None), np.random.default_rng(0)
    kernel = {"kernel": "rbf", "gamma": 0.15 / features.shape[1]}
    ways = {
        "ridge on the eye": (flat, lambda: Ridge(10.0)),
        "ridge on SigLIP": (features, lambda: Ridge(100.0)),
        "kernel ridge on SigLIP": (features, lambda: KernelRidge(alpha=0.5, **kernel)),
    }
    found: dict[str, list[float]] = {"ratings themselves": [], **{name: [] for name in ways}}
    for person in people:
        truth = person.satisfaction(read)
        ratings = person.rate(truth, rng)
        found["ratings themselves"].append(spearmanr(ratings[new], truth[new]).statistic)
        for name, (x, model) in ways.items():
            fitted = model().fit(x[seen], ratings[seen] - ratings[seen].mean())
            found[name].append(spearmanr(fitted.predict(x[new]), truth[new]).statistic)
    return {name: float(np.mean(values)) for name, values in found.items()}


def kept(path: Path, make: Callable[[], Reading]) -> Reading:
    """Arrays on disk, made once."""
    if not path.exists():
        np.savez(path, **make())
    with np.load(path) as saved:
        return dict(saved)


def random_scenes() -> Reading:
    """What the first eye and the SigLIP see in random scenes."""
    pictures = [paint(scene_at(41, i)) for i in range(N_SCENES)]
    encoder = load_encoder(str(miniature_weights("siglip")), device="cpu")
    features = np.concatenate([encoder.images(pictures[i : i + 64]).numpy() for i in range(0, N_SCENES, 64)])
    return {**load_eye(miniature_weights("eye")).read(pictures), "features": features}


def main(
    out: Annotated[Path, typer.Option(help="Folder that keeps what the eyes read.")],
    users: int = 30,
    tpe_users: int = 10,
    world: Annotated[list[int] | None, typer.Option(help="Only these.")] = None,
) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    out.mkdir(parents=True, exist_ok=True)
    reads = [kept(out / f"prompt-{p}.npz", lambda prompt=prompt: look(prompt)) for p, prompt in enumerate(PROMPTS)]
    scenes = kept(out / "scenes.npz", random_scenes)
    features = StandardScaler().fit_transform(scenes.pop("features"))
    chosen = random.Random(0).sample([f"u{i}" for i in range(1, 157)], users)
    for number in world or WORLDS:
        people = simulated_people(world=number)
        held: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
        phrases, best = [], []
        for p, prompt in enumerate(PROMPTS):
            for k, user in enumerate(chosen):
                for way, search in WAYS.items():
                    if way != "TPE" or k < tpe_users:
                        seen = search(Truth(people[user], prompt, reads[p], seed=100 * p + k))
                        held[way].append(np.maximum.accumulate(seen)[[n - 1 for n in AT]])
                truth = Truth(people[user], prompt, reads[p], 0)
                phrases.append(truth.by_phrases())
                best.append(truth.table.max())
        print(f"world {number}: liking held after {AT} pictures; the best of all scenes is {np.mean(best):.3f}")
        for way, rows in held.items():
            print(f"  {way:20s} {np.mean(rows, axis=0).round(3)}")
        print(f"  best expected liking with 0 to 5 phrases: {np.mean(phrases, axis=0).round(3)}")
        shares = np.mean([variance_shares(people[u]) for u in chosen[:10]], axis=0)
        print(f"  variance by main effects, pairs, triples: {shares.round(3)}")
        print(f"  variance explained by the crowd: {crowd(people, scenes):.3f}")
        for name, value in learnable([people[u] for u in chosen[:16]], scenes, features).items():
            print(f"  SROCC, {name}: {value:.3f}", flush=True)


if __name__ == "__main__":
    typer.run(main)
