"""What CALM's parts are worth on the miniature: faults named on scenes that it never saw, scores behind five examples.

    python -m trainers calm
    python benchmarks/calm.py [--variants "all,thematic only,..."] [--until self-supervised] [--steps 1.0] [--scenes 60]

Each variant is trained by the same recipe with one change, from the same small Llama that has read the same words; each
is resumable, and rows already there are not made again. ``--steps`` times the steps of the recipe. ``--trained``: a
reward that is measured as it is, such as training/calm/reward. ``--reader``: a small Llama, of which only is measured
how often it picks a fault that it is told in words. ``--until``: the stage after which others are measured;
"self-supervised" has the language model frozen, as only the alignment has learnt.

*Picked*: one fault of six on a scene of a subject, place and style that never came together in training; the sentence
whose probability rises most over what it is for pictures without a fault. Chance is 1/6. *Two*: two faults at once, of
which both must be the two sentences that rise most; chance is 1/15. *Written*: what the model writes, judged by the
lists of words in reward_models/calm/prompts/sentences.yaml; "by chance" is how often the same texts name one of the
other five. Intervals are 95 % bootstraps over scenes, and differences from "all" are paired by scene.

*In context*: Spearman of unseen people's ratings with everybody's score, with scores behind five of their pictures,
behind the same with their scores shuffled, and behind somebody else's.
"""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from torch import Tensor

import reward_models
from reward_models.calm.alignment import LEVELS
from reward_models.calm.augment import GROUPS, SEEN, Augmentation, augmented, change
from reward_models.calm.course import Course
from reward_models.calm.model import CalmModel, build
from reward_models.calm.people import Shot
from reward_models.calm.reading_out import write
from reward_models.calm.reward import CalmReward
from reward_models.calm.scoring import Scoring
from reward_models.calm.sentences import load_sentences
from reward_models.calm.sequences import IGNORED
from reward_models.calm.stages import CalmSettings
from reward_models.calm.training import CycleTrainer, aligned
from reward_models.calm.turns import Turn, name_turn
from reward_models.evaluation.pages import as_interval
from reward_models.evaluation.statistics import bootstrap, spearman
from reward_models.ratings.sets import load_ratings
from steer.miniature.painter import paint, subject_box
from steer.miniature.words import caption
from steer.miniature.world import scene_at
from trainers import calm

SIX = ("noise", "blur", "dark", "bright", "dull", "cropped")
PAIRS = tuple(itertools.combinations(range(len(SIX)), 2))
APART = (("dark", "bright"),)  # undo each other
STRENGTH, WEAK = 0.5, 0.25
SEED = 4001
SSL = "self-supervised"
FAULTS = {"name", "contrast"}  # tasks of self-supervision
TRAINED = "as trained"


def variants() -> dict[str, dict[str, Any]]:
    """What each changes: `levels`, `queries`, `groups`, `singles`, `ssl`, `questions`."""
    found: dict[str, dict[str, Any]] = {
        "all": {},
        "thematic only": {"levels": ("thematic",)},
        "no self-supervision": {"ssl": False},
        "no questions": {"questions": False},
        "pairs from the start": {"singles": 0.0},
    }
    for level in ("low", "middle", "high"):
        found[f"without {level}"] = {"levels": tuple(x for x in LEVELS if x != level)}
    found |= {f"{n} queries": {"queries": n} for n in (2, 4, 16)}
    for n in (1, 2):
        found |= {" + ".join(some): {"groups": some} for some in itertools.combinations(GROUPS, n)}
    return found


def changed(settings: CalmSettings, name: str, until: str, out: Path) -> CalmSettings:
    """The recipe of a variant."""
    wanted, told = variants()[name], copy.deepcopy(settings.model_dump())
    levels = wanted.get("levels", LEVELS)
    told["out"] = str(out)
    told["model"]["alignment"] |= {"levels": levels, "queries": wanted.get("queries", 8)}
    told["routes"] = {g: tuple(x for x in r if x in levels) or levels for g, r in told["routes"].items()}
    stages = []
    for stage in told["stages"]:
        stage["train"] = tuple(x for x in stage["train"] if x in (*levels, "llm")) or levels
        if FAULTS & set(stage["tasks"]):
            stage |= {"groups": wanted.get("groups", GROUPS), "singles": wanted.get("singles", stage["singles"])}
            if not wanted.get("ssl", True):
                left = {task: share for task, share in stage["tasks"].items() if task not in FAULTS}
                stage |= {"tasks": left} if left else {"steps": 0}
        if not wanted.get("questions", True):
            stage["tasks"] = {task: share for task, share in stage["tasks"].items() if task != "question"}
        stages.append(stage)
        if stage["name"] == until:
            break
    return CalmSettings.model_validate(told | {"stages": stages})


class Faults:
    """Pictures of scenes, each as it is, with each of six faults, and with some pairs of them."""

    def __init__(self, model: CalmModel, n: int, strength: float):
        self.states: list[dict[tuple[int, ...], Tensor]] = []
        i = 0
        while len(self.states) < n:
            images = self._scene(i, strength)
            i += 1
            if images:
                keys = list(images)
                self.states.append(dict(zip(keys, model.picture_states([images[k] for k in keys]), strict=True)))

    def _scene(self, i: int, strength: float) -> dict[tuple[int, ...], Image.Image]:
        """Nothing for a scene that one of the faults hardly changes, as a grey one is not made paler."""
        scene = scene_at(SEED, i, unseen=True)
        image, box = paint(scene), subject_box(scene.framing, scene.position)

        def with_(*which: int) -> Image.Image:
            done = [Augmentation(SIX[k], strength) for k in which]
            return augmented(image, done, np.random.default_rng([SEED, i]), box)

        alone = {(k,): with_(k) for k in range(len(SIX))}
        if min(change(image, after) for after in alone.values()) < SEEN:
            return {}
        able = [pair for pair in PAIRS if tuple(SIX[k] for k in pair) not in (*APART, APART[0][::-1])]
        drawn = np.random.default_rng([SEED, i, 1]).permutation(len(able))[:2]
        return {(): image, **alone, **{able[k]: with_(*able[k]) for k in drawn}}


@torch.no_grad()
def log_likelihoods(model: CalmModel, states: Tensor, levels: tuple[Any, ...], answers: Sequence[str]) -> np.ndarray:
    """(answers,): summed over the tokens of each."""
    return answer_likelihoods(model, aligned(model, [name_turn(states.float(), a) for a in answers], levels))


@torch.no_grad()
def answer_likelihoods(model: CalmModel, turns: list[Turn]) -> np.ndarray:
    """(turns,): of each answer, summed over its tokens."""
    batch = model.sequence(turns)
    target = batch.labels[:, 1:]
    at = (target != IGNORED).any(0).nonzero()[:, 0]
    logs = model.logits(batch, at).float().log_softmax(-1)
    found = logs.gather(-1, target[:, at].clamp(min=0)[..., None])[..., 0]
    return (found * (target[:, at] != IGNORED)).sum(1).numpy()


def picked(model: CalmModel, faults: Faults, levels: tuple[Any, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Whether the right one of six is picked (scenes, 6), and both of two (scenes, 2)."""
    answers = [load_sentences().plainest([kind]) for kind in SIX]
    said = [{k: log_likelihoods(model, s, levels, answers) for k, s in own.items()} for own in faults.states]
    usual = np.mean([own[()] for own in said], axis=0)
    one = [[(own[k,] - usual).argmax() == k for k in range(len(SIX))] for own in said]
    two = [[set(np.argsort(own[k] - usual)[-2:]) == set(k) for k in own if len(k) == 2] for own in said]
    return np.array(one, float), np.array(two, float)


@torch.no_grad()
def read(model: CalmModel, n: int) -> np.ndarray:
    """Whether a fault that is told in words, behind a description in the picture's place, is picked (n, 6): what the
    language model can say at best.
    """
    sentences, rng, found = load_sentences(), np.random.default_rng(3), []
    answers = [sentences.plainest([kind]) for kind in SIX]

    def said(text: str) -> np.ndarray:
        return answer_likelihoods(model, [name_turn(text, answer) for answer in answers])

    for i in range(n):
        about = caption(scene_at(SEED, i, unseen=True), random.Random(i), full=True)
        usual = said(f"{about} {sentences.label([], rng)}")
        rises = [said(f"{about} {sentences.label([kind], rng)}") - usual for kind in SIX]
        found.append([rise.argmax() == k for k, rise in enumerate(rises)])
    return np.array(found, float)


def written(model: CalmModel, faults: Faults, levels: tuple[Any, ...], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether what the model writes names the fault (n, 6), and the share of the other five that it names (n, 6)."""
    sentences, right, chance = load_sentences(), [], []
    for own in faults.states[:n]:
        with torch.no_grad():
            turns = [aligned(model, [name_turn(own[k,].float())], levels)[0] for k in range(len(SIX))]
        told = [sentences.kinds_in(write(model, turn, 40)) for turn in turns]
        right.append([kind in t for kind, t in zip(SIX, told, strict=True)])
        chance.append([np.mean([o in t for o in SIX if o != kind]) for kind, t in zip(SIX, told, strict=True)])
    return np.array(right, float), np.array(chance, float)


def in_context(model: CalmModel, dataset: Path, people: int, pictures: int) -> dict[str, np.ndarray]:
    """Spearman by person of ratings, by what the score is asked behind."""
    ratings = load_ratings(dataset)
    rows = [rows for _, rows in ratings.split("test_unseen").groupby("person", sort=True)][:people]
    scoring, found = Scoring(model), {k: [] for k in ("everybody's", "in context", "shuffled", "somebody else's")}
    shots: list[list[Shot]] = []
    later: list[tuple[list[Tensor], np.ndarray]] = []
    for own in rows:
        own = own.sample(frac=1, random_state=0)[: 5 + pictures]
        images = [Image.open(ratings.root / p).convert("RGB") for p in own["picture"]]
        tokens, likings = scoring.tokens(images), own["score"].to_numpy(float)
        shots.append([Shot(t, float(y)) for t, y in zip(tokens[:5], likings[:5], strict=True)])
        later.append((tokens[5:], likings[5:]))
        general = [each.liking for each in scoring.read(images[5:])]
        found["everybody's"].append(spearman(np.array(general), likings[5:]))
    for k, (tokens, likings) in enumerate(later):
        mixed = [Shot(s.tokens, shots[k][(i + 2) % 5].liking) for i, s in enumerate(shots[k])]
        for name, examples in (
            ("in context", shots[k]),
            ("shuffled", mixed),
            ("somebody else's", shots[(k + 1) % len(shots)]),
        ):
            found[name].append(spearman(np.array(scoring.behind(examples, tokens)), likings))
    return {name: np.array(values) for name, values in found.items()}


def table(rows: dict[str, Any]) -> str:
    """Markdown of what was measured so far."""
    heads = ("variant", "picked", "without cropped", "difference from all", "two", "written", "by chance")
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * 7]
    for name, row in rows.items():
        one = np.array(row["one"])
        cells = [name, as_interval(bootstrap(one.mean(1))), as_interval(bootstrap(one[:, :-1].mean(1)))]
        if "all" in rows and name != "all":
            cells.append(as_interval(bootstrap(one.mean(1) - np.array(rows["all"]["one"]).mean(1)), signed=True))
        else:
            cells.append("")
        cells.append(as_interval(bootstrap(np.array(row["two"]).mean(1))))
        for key in ("written", "chance"):
            cells.append(as_interval(bootstrap(np.array(row[key]).mean(1))) if row.get(key) else "")
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| variant | " + " | ".join(SIX) + " |", "|" + "---|" * 7]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{v:.2f}" for v in np.array(row["one"]).mean(0)) + " |")
    for name, row in rows.items():
        if row.get("context"):
            told = "; ".join(f"{k} {as_interval(bootstrap(np.array(v)))}" for k, v in row["context"].items())
            lines += ["", f"{name}: {told}"]
    return "\n".join(lines)


def main(
    chosen: Annotated[str, typer.Option("--variants", help="By name, with commas; default all; or none.")] = "",
    until: Annotated[str, typer.Option(help="The stage after which it is measured.")] = "scores",
    steps: Annotated[float, typer.Option(help="Times the steps of the recipe.")] = 1.0,
    scenes: Annotated[int, typer.Option(help="Unseen scenes.")] = 60,
    strength: Annotated[float, typer.Option(help="Of the faults, in [0, 1].")] = STRENGTH,
    texts: Annotated[int, typer.Option(help="Scenes about which it writes.")] = 20,
    people: Annotated[int, typer.Option(help="Unseen people, after the last stage.")] = 34,
    trained: Annotated[Path | None, typer.Option(help="A trained reward, measured as one more row.")] = None,
    reader: Annotated[Path | None, typer.Option(help="A small Llama, of which only reading is measured.")] = None,
    dataset: Path = Path("training/pamela"),
    work: Path = Path("training"),
    threads: int = 1,
) -> None:
    """Train and measure."""
    torch.set_num_threads(threads)
    if reader:
        setting = calm.recipe(work, dataset).model
        llm = setting.llm.model_copy(update={"name": str(reader)})
        faults_read = read(build(setting.model_copy(update={"llm": llm})), texts)
        by_kind = ", ".join(f"{kind} {share:.2f}" for kind, share in zip(SIX, faults_read.mean(0), strict=True))
        print(f"read: {as_interval(bootstrap(faults_read.mean(1)))} ({by_kind})")
        return
    names = [name.strip() for name in chosen.split(",") if name.strip()] or list(variants())
    names = [] if chosen == "none" else names
    calm.prepare(work, dataset)
    settings = calm.recipe(work, dataset, steps)
    if names:
        calm.literate(work, settings, steps, Path("trainers/weights/profile-text"))
    seen = OrderedDict[Any, Tensor]()
    folder = work / "calm" / f"variants-{until}"
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"table-{steps:g}-{strength:g}.json"
    rows: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    faults: Faults | None = None
    for name in names:
        if name in rows:
            continue
        told = changed(settings, name, until, folder / f"{steps:g}-{name.replace(' ', '-')}")
        model = build(told.model)
        CycleTrainer(model, told, Course(told, model, kept=seen), Path(told.out)).run()
        faults = faults or Faults(model, scenes, strength)
        levels = model.alignment.levels
        if until == SSL and len(levels) > 1:  # the map of all patches has not learnt yet
            levels = tuple(x for x in levels if x != "thematic")
        finished = until == settings.stages[-1].name
        rows[name] = measured(model, faults, levels, texts, dataset, people if finished else 0)
        out.write_text(json.dumps(rows), encoding="utf-8")
        print(table(rows), flush=True)
    if trained and TRAINED not in rows:
        reward = reward_models.load(trained)
        assert isinstance(reward, CalmReward)
        faults = faults or Faults(reward.model, scenes, strength)
        rows[TRAINED] = measured(reward.model, faults, reward.model.alignment.levels, texts, dataset, people)
        out.write_text(json.dumps(rows), encoding="utf-8")
    print(table(rows))


def measured(
    model: CalmModel, faults: Faults, levels: tuple[Any, ...], texts: int, dataset: Path, people: int
) -> dict[str, Any]:
    """A row of the table, JSON-ready; scores in context of so many ``people``."""
    one, two = picked(model, faults, levels)
    right, chance = written(model, faults, levels, texts)
    row: dict[str, Any] = {"one": one, "two": two, "written": right, "chance": chance}
    if people:
        row["context"] = in_context(model, dataset, people, 40)
    found: dict[str, Any] = json.loads(json.dumps(row, default=lambda a: a.tolist()))
    return found


if __name__ == "__main__":
    typer.run(main)
