"""What a trained reward costs, and whether its uncertainty is true: enrolment, scoring, and error against the known
taste.

steer data miniature training/pamela && steer reward train -c configs/train/miniature.yaml
python benchmarks/personal_reward.py outputs/rewards/miniature
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from reward_models import Person, teach
from reward_models.pamela.fit import load_corpus
from reward_models.pamela.newcomers import NewPeople
from reward_models.pamela.reward import PamelaReward
from reward_models.pamela.settings import load_training
from steer.resources import data_folder

COUNTS = (0, 1, 2, 5, 15, 40, 100)


def calibration(new: NewPeople, truth: dict[str, dict[str, float]]) -> None:
    """RMS error against the noise-free liking beside the uncertainty that was said, by ratings given."""
    ensemble, corpus = new.ensemble, new.corpus
    rest, owner = new.later(max(COUNTS))
    frame = corpus.frames["test_unseen"]
    names = dict(zip(corpus.tables["test_unseen"].picture, frame["picture"], strict=True))
    actual = np.array(
        [truth[person][names[picture]] for person, picture in zip(rest.person, rest.picture, strict=True)]
    )
    x, q = corpus.pictures[rest.picture], corpus.prompts[rest.prompt]
    print(f"{'ratings':>8} {'RMS error':>10} {'uncertainty':>12} {'ratio':>6} {'within 1 sd':>12} {'within 2 sd':>12}")
    for n in COUNTS:
        given, whose = new.given(n)
        features = corpus.pictures[given.picture], corpus.prompts[given.prompt]
        fitted = ensemble.fit_people(*features, given.liking, whose, new.known)
        for u, person in enumerate(new.people):
            ensemble.add_person(person, [member[u] for member in fitted], new.known[u])
        mean, spread = np.zeros(len(actual)), np.zeros(len(actual))
        for u, person in enumerate(new.people):
            own = owner == u
            (mean[own],), (spread[own],) = ensemble.predict(x[own], q[own], [Person(person)])
        error = np.abs(mean - actual)
        rms, said = float(np.sqrt((error**2).mean())), float(np.sqrt((spread**2).mean()))
        print(
            f"{n:8d} {rms:10.3f} {said:12.3f} {said / rms:6.2f} "
            f"{(error < spread).mean():12.2f} {(error < 2 * spread).mean():12.2f}"
        )


def speed(reward: PamelaReward, pictures: list[Image.Image]) -> None:
    """Seconds of what a user waits for."""
    prompts = ["a fox in the snow"] * len(pictures)
    features, texts = reward.encoder.images(pictures), reward.encoder.texts(prompts)

    def median(work, runs: int = 5) -> float:
        times = []
        for _ in range(runs + 1):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
        return statistics.median(times[1:])

    liking = np.linspace(0, 1, 15)
    alone: np.ndarray = np.zeros(15, dtype=int)
    s = median(lambda: reward.ensemble.fit_people(features[:15], texts[:15], liking, alone, [{}]))
    print(f"enrol from 15 ratings, features there: {s:.3f} s")
    s = median(lambda: teach(reward, "new", pictures[:15], prompts[:15], liking.tolist()))
    print(f"enrol from 15 pictures: {s:.3f} s")
    one = median(lambda: reward.score(pictures[:4], prompts[:4], Person("u17")))
    print(f"score 4 pictures for one person: {one * 1e3:.0f} ms")
    people = [Person(f"u{1 + k % 150}") for k in range(1000)]
    s = median(lambda: reward.ensemble.predict(features, texts, people), 3)
    rate = len(people) * len(pictures) / s
    print(f"1,000 people x {len(pictures)} pictures: {s:.2f} s, {rate:,.0f} scores/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reward", type=Path)
    parser.add_argument("--config", type=Path, default=data_folder("configs") / "train" / "miniature.yaml")
    options = parser.parse_args()
    settings = load_training(options.config)
    corpus, encoder = load_corpus(settings, "cpu")
    reward = PamelaReward.from_folder(options.reward, encoder=encoder)
    print(f"{len(reward.ensemble.members)} members")
    source = Path(settings.data[0].source)
    speed(reward, [Image.open(source / "images" / f"{i:05d}.png") for i in range(20)])
    reward = PamelaReward.from_folder(options.reward, encoder=encoder)
    truth = json.loads((source / "truth.json").read_text(encoding="utf-8"))
    calibration(NewPeople(corpus.with_fields(reward.ensemble.config), reward.ensemble), truth)


if __name__ == "__main__":
    main()
