"""How much a card can tell: a linear reader of the same cards, for P-MLLM's bar on the miniature.

    python benchmarks/card_ceiling.py [--world 1]

A ridge from what people say of themselves (demographics, traits, phrases) to what they make of each value of a picture,
learnt from the crowd's 1,000 people, and from the 156 that PAMELA had. Spearman with what the 34 unseen people truly
like, over 600 scenes; the best of four penalties, so a little optimistic. Mean over people.
"""

from __future__ import annotations

import random

import numpy as np
import typer

from reward_models.evaluation.statistics import spearman
from steer.miniature.dataset import N_SEEN, N_VAL_UNSEEN
from steer.miniature.person import SimulatedPerson
from steer.miniature.profiles import SCALES, SPOKEN, self_report
from steer.miniature.raters import N_PEOPLE, simulated_people
from steer.miniature.world import ATTRIBUTES, random_scene
from trainers.profile_world import one_hot

TRAINING, TEST = 2400, 600  # scenes
PENALTIES = (1.0, 10.0, 30.0, 100.0)
CARDS = (("demographics",), ("traits",), ("words",), ("demographics", "traits", "words"))
PHRASES = [(a, v) for a in SPOKEN for v in ATTRIBUTES[a]]


def read_card(person: SimulatedPerson, parts: tuple[str, ...], known: dict[str, list[str]]) -> list[float]:
    """A card as numbers."""
    report, found = self_report(person), [1.0]
    if "demographics" in parts:
        found += [float(person.demographics[k] == v) for k, values in known.items() for v in values]
    if "traits" in parts:
        found += [(report.scales[name] - 5.5) / 2 for name in SCALES]
    if "words" in parts:
        found += [float(p in said) for said in (report.liked, report.disliked) for p in PHRASES]
    return found


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Coefficients (D, outputs) of rows (n, D)."""
    found: np.ndarray = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return found


def main(world: int = 1) -> None:
    """See the module."""
    people = list(simulated_people(N_PEOPLE + 1000, world=world).values())
    read = one_hot([random_scene(random.Random(i)) for i in range(TRAINING + TEST)])
    x = np.concatenate([np.ones((TRAINING + TEST, 1)), *read.values()], axis=1)
    liking = np.stack([p.satisfaction(read) for p in people])
    tastes = ridge(x[:TRAINING], liking[:, :TRAINING].T, 0.5).T  # (people, values): what each makes of each value
    unseen = range(N_SEEN + N_VAL_UNSEEN, N_PEOPLE)
    known = {k: sorted({p.demographics[k] for p in people}) for k in people[0].demographics}

    def judged(guesses: np.ndarray) -> float:
        return float(
            np.mean([spearman(x[TRAINING:] @ g, liking[i, TRAINING:]) for g, i in zip(guesses, unseen, strict=True)])
        )

    print("| card | from 1,000 people | from 156 |\n|---|---|---|")
    print(f"| none | {judged(np.repeat(tastes[N_PEOPLE:].mean(0)[None], len(unseen), 0)):.3f} | |")
    for parts in CARDS:
        cards = np.array([read_card(p, parts, known) for p in people])
        cells = [
            max(judged(cards[unseen] @ ridge(cards[who], tastes[who], penalty)) for penalty in PENALTIES)
            for who in (slice(N_PEOPLE, None), slice(0, N_SEEN))
        ]
        print(f"| {', '.join(parts)} | {cells[0]:.3f} | {cells[1]:.3f} |")
    print(f"| (their own linear taste) | {judged(tastes[unseen]):.3f} | |")


if __name__ == "__main__":
    typer.run(main)
