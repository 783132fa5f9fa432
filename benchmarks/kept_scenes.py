"""Tables for benchmarks/peers.py: every scene that a text around a prompt can lead to, painted, read and judged once.

    python benchmarks/kept_scenes.py --out outputs/scenes [--people 10] [--prompts 4] [--known 15]

The painter's details are one of ``DETAILS`` instead of any, so that a search costs its own time alone: thousands of
searches run where a dozen would. For each prompt a file with what the encoder and the second eye make of each scene;
for each person and prompt one with what the person feels, what the reward says of each scene, and what it imagines of
each text of the lexicon. --known: ``train`` (people the reward was trained on), ``profile`` (a profile and demographics
alone), or how many of the 60 shipped pictures they rated, drawn at random. What is there is not done again. Shapes: S
scenes times details, T texts.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from steer.lexicon import Lexicon
from steer.miniature.words import nearest_subject, read_prompt
from steer.miniature.world import ATTRIBUTES, Scene, complete_scene

DETAILS = 2
PROMPTS = (  # the fewer scenes the earlier; the first six are those of benchmarks/steering.py
    "a lighthouse by the sea",
    "a robot in the city",
    "a castle in the mountains",
    "a sailboat at sunset",
    "a snowman on the left",
    "a fox",
    "a cat in winter",  # said in other words than the lexicon's
    "a train on a street",
    "a guitar by a window",
    "a whale in soft morning light",
    "a house on the grass",
    "a teapot under the stars",
)


def axes_of(prompt: str) -> list[tuple[str, ...]]:
    """The values of each attribute that a prompt allows."""
    said = read_prompt(prompt)
    return [(said[n],) if n in said else values for n, values in ATTRIBUTES.items()]


def row_of(axes: list[tuple[str, ...]], text: str, seed: int) -> int:
    """The scene that the painter paints of a text, by its row; where a text unsays the prompt, the prompt counts."""
    said = read_prompt(text)
    said.setdefault("subject", nearest_subject(text))
    scene = complete_scene(said, random.Random(seed))
    values = [a.index(v) if v in a else 0 for a, v in zip(axes, scene.attributes().values(), strict=True)]
    return int(np.ravel_multi_index(values, [len(a) for a in axes])) * DETAILS + scene.seed % DETAILS


def texts_of(prompt: str) -> list[str]:
    """Every text of the lexicon around a prompt (T,)."""
    lexicon = Lexicon.load("miniature")
    groups = lexicon.open_groups(prompt)
    said = itertools.product(*[("", *g.phrases) for g in groups])
    return [lexicon.compose(prompt, {g.name: p for g, p in zip(groups, each, strict=True) if p}) for each in said]


def name_of(prompt: str) -> str:
    return prompt.replace(" ", "_")


def painted(prompt: str, reward: Any) -> dict[str, np.ndarray]:
    """``features`` (S, D), and what the second eye reads."""
    from steer.miniature.eye import load_eye
    from steer.miniature.painter import paint
    from steer.resources import miniature_weights

    rows = [(*r, d) for r in itertools.product(*axes_of(prompt)) for d in range(DETAILS)]
    eye, features, read = load_eye(miniature_weights("judge")), [], []
    for start in range(0, len(rows), 64):
        pictures = [paint(Scene(*r[:-1], seed=int(r[-1]))) for r in rows[start : start + 64]]
        features.append(reward.encoder.images(pictures).numpy().astype(np.float32))
        read.append(eye.read(pictures))
    found = {f"eye_{k}": np.concatenate([r[k] for r in read]).astype(np.float32) for k in read[0]}
    return {"features": np.concatenate(features), **found}


class Everybody:
    """People whom the reward is taught to the degree ``known``."""

    def __init__(self, known: str, reward: Any):
        from steer.miniature.dataset import N_SEEN, N_VAL_UNSEEN
        from steer.miniature.eye import load_eye
        from steer.miniature.raters import simulated_people
        from steer.resources import miniature_weights
        from steer.users.pictures import shipped_pictures

        self.known, self.reward, self.people = known, reward, simulated_people()
        new = list(self.people)[N_SEEN + N_VAL_UNSEEN :]
        self.ids = list(self.people)[:N_SEEN:3] if known == "train" else new
        self.questions = shipped_pictures()
        images = [q.image for q in self.questions]
        self.read = load_eye(miniature_weights("eye")).read(images)
        self.kept = reward.teacher.keep(images)

    def user(self, k: int) -> str:
        """The id by which the reward knows the k-th of them."""
        from reward_models import Evidence, Seen
        from steer.miniature.profiles import self_report

        name = self.ids[k]
        if self.known == "train":
            return name
        person, user = self.people[name], f"{self.known}-{name}"
        rng = np.random.default_rng(k)
        rating = person.rate(person.satisfaction(self.read), rng)
        rows = rng.permutation(len(self.questions))[: 0 if self.known == "profile" else int(self.known)]
        seen = [Seen(self.kept[i], self.questions[i].prompt) for i in rows]
        said = self_report(person).words() if self.known == "profile" else ""
        likings = [float((rating[i] - 1) / 4) for i in rows]
        self.reward.teacher.learn(user, Evidence(seen, likings, demographics=person.demographics, profile=said))
        return user


def judged(reward: Any, user: str, prompt: str, scenes: Path) -> dict[str, np.ndarray]:
    """``mean`` (S,) that the reward says, and ``im`` (T,) that it imagines."""
    import torch

    with np.load(scenes) as saved:
        pictures = torch.from_numpy(saved["features"])
    asked = reward.texts.features([prompt]).cpu().expand(len(pictures), -1)
    imagined = reward.imagination.read(texts_of(prompt))
    return {
        f"{name_of(prompt)}/mean": liking(reward, user, pictures, asked),
        f"{name_of(prompt)}/im": liking(reward, user, imagined.pictures, imagined.texts),
    }


def liking(reward: Any, user: str, pictures: Any, texts: Any) -> np.ndarray:
    """As the reward's ``judge`` says (n,), without its uncertainty, which takes three times as long."""
    import torch

    from reward_models import Person

    index, fields = reward.ensemble.rows([Person(user)])
    n = len(pictures)
    with torch.inference_mode():
        each = [
            m(pictures, texts, m.person.weight[index].expand(n, -1), fields.expand(n, -1))
            for m in reward.ensemble.members
        ]
    found: np.ndarray = torch.stack(each).mean(0).numpy()
    return found


def main(
    out: Annotated[Path, typer.Option(help="Folder of the tables.")],
    people: int = 10,
    prompts: int = 4,
    known: Annotated[str, typer.Option(help="train, profile, or a number of ratings.")] = "15",
) -> None:
    import torch

    from steer.judging.load import load_reward

    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    reward: Any = load_reward("miniature", "cpu")
    everybody = Everybody(known, reward)
    for prompt in PROMPTS[:prompts]:
        if not (path := out / f"{name_of(prompt)}.npz").exists():
            np.savez(path, **painted(prompt, reward))
    for k in range(people):
        path = out / f"P-{known}-{k}.npz"
        table = dict(np.load(path)) if path.exists() else {}
        user = ""
        for prompt in PROMPTS[:prompts]:
            if f"{name_of(prompt)}/truth" in table:
                continue
            user = user or everybody.user(k)
            scenes = out / f"{name_of(prompt)}.npz"
            with np.load(scenes) as saved:
                read = {n.removeprefix("eye_"): saved[n] for n in saved.files if n.startswith("eye_")}
            table |= judged(reward, user, prompt, scenes)
            table[f"{name_of(prompt)}/truth"] = everybody.people[everybody.ids[k]].satisfaction(read)
        np.savez(path, **table)
        print(path.name, flush=True)


if __name__ == "__main__":
    typer.run(main)
