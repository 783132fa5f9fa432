"""What people feel of pictures that a reward imagined to be liked: what was imagined, what was scored, what is felt?

    python benchmarks/imagined.py [--people 10] [--prompts 3] [--set renderer=painter]

For people the reward was trained on and for people known from 15 ratings, texts are drawn that it imagines to be best
for one of them, two pictures each; of each person's eight best of these, the mean of what is imagined, of what the
pictures score, and of what the person feels, read by an eye that never steers. The last column is the share of the
score's distance from the imagination that is felt, by least squares: what steer.search.belief calls ``felt``.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import typer
from kept_scenes import PROMPTS, Everybody, liking, texts_of

from steer.config import load_config
from steer.judging.load import load_reward
from steer.miniature.eye import load_eye
from steer.parts import Parts
from steer.resources import miniature_weights

EACH, MOST, BEST, SEEDS = 4, 45, 8, 2  # texts a person adds, texts a prompt, texts of a person that count, pictures


def main(
    people: int = 10,
    prompts: int = 3,
    settings: Annotated[list[str] | None, typer.Option("--set", "-s")] = None,
) -> None:
    """See the module."""
    reward: Any = load_reward("miniature", "cpu")
    renderer, judge = Parts(load_config("miniature", settings or ())).renderer, load_eye(miniature_weights("judge"))
    groups = {known: Everybody(known, reward) for known in ("15", "train")}
    users = {(known, k): everybody.user(k) for known, everybody in groups.items() for k in range(people)}
    rng, rows = np.random.default_rng(0), dict[str, list[tuple[float, float, float]]]()
    for prompt in PROMPTS[:prompts]:
        texts = texts_of(prompt)
        read = reward.imagination.read(texts)
        imagined = {key: liking(reward, user, read.pictures, read.texts) for key, user in users.items()}
        best = sorted({int(row) for values in imagined.values() for row in np.argsort(-values)[:EACH]})
        drawn = [best[i] for i in rng.permutation(len(best))[:MOST]]
        pictures = [
            picture
            for row in drawn
            for picture in renderer.render([texts[row]] * SEEDS, [int(s) for s in rng.integers(2**31, size=SEEDS)])
        ]
        features, seen = reward.encoder.images(pictures), judge.read(pictures)
        asked = reward.texts.features([prompt]).cpu().expand(len(pictures), -1)
        for (known, k), values in imagined.items():
            everybody = groups[known]
            score = liking(reward, users[known, k], features, asked).reshape(-1, SEEDS).mean(1)
            felt = everybody.people[everybody.ids[k]].satisfaction(seen).reshape(-1, SEEDS).mean(1)
            own = values[drawn]
            rows.setdefault(known, []).extend((own[i], score[i], felt[i]) for i in np.argsort(-own)[:BEST])
    print("| known | imagined | scored | felt | share that is felt |\n|---|---|---|---|---|")
    for known, found in rows.items():
        guess, score, felt = np.array(found).T
        share = 1 - (felt - score) @ (guess - score) / np.square(guess - score).sum()
        print(f"| {known} | {guess.mean():.3f} | {score.mean():.3f} | {felt.mean():.3f} | {share:.2f} |")


if __name__ == "__main__":
    typer.run(main)
