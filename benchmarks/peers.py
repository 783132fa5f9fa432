"""Ours and other searches side by side, for people the reward half knows: what is the picture worth that one holds?

    python benchmarks/peers.py --out outputs/peers [--people 10] [--prompts 4] [--seeds 1] [--known 15]

Each way draws 48 pictures (the painter's, see benchmarks/kept_scenes.py) for one person, prompt and seed, with the
miniature's reward. After k pictures one holds the best so far as that way judges it; what counts is how much the
simulated person likes it, looking through the second eye, which never steered. ``promised``: what the way says the
picture is worth.

best of N          the unchanged prompt on N seeds
random phrases     each kind of phrase said or not at random, one picture a text
TPE                Optuna's tree-structured Parzen estimator over the same phrases, one picture a trial
TPE, the truth     the same, told the truth in place of the reward: what no reward can reach
naive, scripted    the ranked list of texts goes to a scripted writer, who writes six more; one picture a text
GEPA, scripted     GEPA's reflective evolution (pip install gepa) with the same writer as its reflection model
ours, no screen    the built-in search with search.screen=1
ours               the built-in search as it is

--known: ``train`` (people the reward was trained on), ``profile`` (a profile and demographics alone), or how many of
the 60 shipped pictures they rated. Intervals: 95 % bootstrap over people, each the mean of their prompts and seeds. One
file a person and prompt in --out: start again to go on.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import optuna
import torch
import typer
from kept_scenes import KeptPainter, KeptReward, Scenes
from steering import PROMPTS

from reward_models import Person
from reward_models.evaluation.statistics import rounded as interval
from steer import Steerer
from steer.config import WriterConfig, load_config
from steer.judging.load import load_reward
from steer.lexicon import Lexicon
from steer.miniature.dataset import N_SEEN, N_VAL_UNSEEN
from steer.miniature.eye import load_eye
from steer.miniature.profiles import self_report
from steer.miniature.raters import simulated_people
from steer.proposers.chat import ChatProposer
from steer.proposers.scripted import ScriptedWriter
from steer.resources import miniature_weights
from steer.search.belief import Belief, counting
from steer.types import History
from steer.users.pictures import shipped_pictures
from steer.users.store import UserStore

try:
    import gepa
except ModuleNotFoundError:
    gepa = None

AT = (2, 4, 6, 8, 12, 16, 24, 36, 48)
MOST = max(AT)
OTHERS = (
    "a castle in the mountains, moonlit",
    "a cat in winter",
    "a train on a street",
    "a guitar by a window",
    "a whale in soft morning light",
    "a house on the grass",
)
ALL = (PROMPTS[0], PROMPTS[5], PROMPTS[2], PROMPTS[3], *OTHERS, PROMPTS[4], PROMPTS[1])  # the cheapest tables first
LIST_SEARCH = (
    "proposer.kind=chat",
    "proposer.template=mils",
    "proposer.memory=elitist",
    "proposer.shown=20",
    "search.seeds=1",
    "search.original_seeds=1",
    "search.confirm=0",
    "search.second_looks=0",
    "search.screen=1",
    "search.ahead=false",
    "search.min_likeness=0",
    "search.worth=0",
)
Row = dict[str, Any]


@dataclass
class Case:
    """One person, prompt and seed: what is drawn and what is felt."""

    scenes: Scenes
    reward: KeptReward
    user: str
    truth: np.ndarray
    seed: int
    rows: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.painter, self.lexicon = KeptPainter(self.scenes), Lexicon.load("miniature")
        self.groups = self.lexicon.open_groups(self.scenes.prompt)
        self.rng = random.Random(f"{self.seed}/{self.user}")

    def draw(self, text: str) -> int:
        """One picture of a text; its row."""
        (picture,) = self.painter.render([text], [self.rng.getrandbits(31)])
        reading = self.reward.read([picture])
        self.rows.append(reading.keys[0])
        self.scores.append(float(self.reward.judge(reading, Person(self.user)).personal[0]))
        return self.rows[-1]

    def held(self, by_truth: bool = False) -> Row:
        """Of the picture of highest score after each number of pictures."""
        by = self.truth[self.rows] if by_truth else np.array(self.scores)
        best = [int(np.argmax(by[:k])) for k in AT]
        return {"truth": [float(self.truth[self.rows[i]]) for i in best], "promised": [float(by[i]) for i in best]}


def best_of_n(case: Case) -> Row:
    for _ in range(MOST):
        case.draw(case.scenes.prompt)
    return case.held()


def random_phrases(case: Case) -> Row:
    while len(case.rows) < MOST:
        if len(case.rows) < 2:
            case.draw(case.scenes.prompt)
            continue
        said = {g.name: case.rng.choice(g.phrases) for g in case.groups if case.rng.random() < 0.8}
        case.draw(case.lexicon.compose(case.scenes.prompt, said))
    return case.held()


def tpe(case: Case, by_truth: bool = False) -> Row:
    choices = {g.name: optuna.distributions.CategoricalDistribution(("", *g.phrases)) for g in case.groups}
    sampler = optuna.samplers.TPESampler(seed=case.seed, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def value(text: str) -> float:
        row = case.draw(text)
        return float(case.truth[row]) if by_truth else case.scores[-1]

    for _ in range(2):
        study.add_trial(
            optuna.trial.create_trial(
                params=dict.fromkeys(choices, ""), distributions=choices, value=value(case.scenes.prompt)
            )
        )
    while len(case.rows) < MOST:
        trial = study.ask(choices)
        said = {name: phrase for name, phrase in trial.params.items() if phrase}
        study.tell(trial, value(case.lexicon.compose(case.scenes.prompt, said)))
    return case.held(by_truth)


class Reflecting:
    """GEPA's adapter: a candidate is a text, an evaluation a picture of it. It also reflects, by the scripted writer."""

    propose_new_texts = None

    def __init__(self, case: Case):
        self.case, self.writer, self.scored = case, ScriptedWriter(case.lexicon), dict[str, list[float]]()

    def evaluate(self, batch: list[Any], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        text = candidate["text"]
        for _ in batch:
            self.case.draw(text)
            self.scored.setdefault(text, []).append(self.case.scores[-1])
        scores = self.case.scores[-len(batch) :]
        return gepa.EvaluationBatch([text] * len(batch), scores, [text] * len(batch) if capture_traces else None)

    def make_reflective_dataset(self, candidate: dict[str, str], evaluated: Any, components: list[str]) -> Any:
        told = [{"Inputs": candidate["text"], "Feedback": f"liked {s:.2f}"} for s in evaluated.scores]
        return dict.fromkeys(components, told)

    def reflect(self, candidate: dict[str, str], _told: Any, components: list[str]) -> dict[str, str]:
        """GEPA says which candidate to change; the writer sees it at the top of the texts so far."""
        means = {t: float(np.mean(s)) for t, s in self.scored.items() if t != candidate["text"]}
        ranked = [candidate["text"], *sorted(means, key=lambda t: -means[t])[:4]]
        lines = "\n".join(f"0.50: {t}" for t in ranked)
        question = f"<<<\n{self.case.scenes.prompt}\n>>>\n{lines}\nWrite 1 text"
        said = self.writer.ask([[{"role": "user", "content": question}]], {}, 0.0, [self.case.rng.getrandbits(31)], 99)
        return dict.fromkeys(components, json.loads(said[0])["rewrites"][0])


class Quiet:
    def log(self, message: str) -> None:
        pass


def reflective(case: Case) -> Row:
    adapter = Reflecting(case)
    gepa.optimize(
        {"text": case.scenes.prompt},
        trainset=[0],
        valset=[0],
        adapter=adapter,
        custom_candidate_proposer=adapter.reflect,
        reflection_minibatch_size=1,
        max_metric_calls=MOST,
        skip_perfect_score=False,
        logger=Quiet(),
        seed=case.seed,
    )
    while len(case.rows) < MOST:  # what an iteration that did not fit has left
        case.draw(max(adapter.scored, key=lambda t: float(np.mean(adapter.scored[t]))))
    return case.held()


def ours(case: Case, store: UserStore, *settings: str) -> Row:
    """The built-in search; its own belief says which picture is held, and what it is worth."""
    config = load_config("miniature", ["search.patience=99", *settings])
    proposer = None
    if isinstance(config.proposer, WriterConfig):
        proposer = ChatProposer(config.proposer, ScriptedWriter(case.lexicon))
    steerer = Steerer(config, renderer=case.painter, reward=case.reward, proposer=proposer, store=store)
    search = steerer.search(case.scenes.prompt, case.user, MOST, case.seed)
    rows: dict[int, int] = {}
    deciding, rounds, ended = 0.0, 0, MOST
    while True:
        begun = time.perf_counter()
        candidates = search.ask()
        deciding, rounds = deciding + time.perf_counter() - begun, rounds + 1
        if not candidates:
            break
        images = case.painter.render([c.rewrite.text for c in candidates], [c.seed for c in candidates])
        rows |= {c.index: i.info["row"] for c, i in zip(candidates, images, strict=True)}  # type: ignore[union-attr]
        search.tell(steerer.score(candidates, images, search.request))
        if search.because and ended == MOST:
            ended = len(search.history.candidates)
    truth, promised = [], []
    for k in AT:
        so_far = counting(History(search.history.candidates[:k]))
        if LIST_SEARCH[0] in settings:
            worth = np.array([c.objective for c in so_far])
        else:
            worth = Belief(search.prior, History(search.history.candidates[:k])).pictures(so_far)
        truth.append(float(case.truth[rows[so_far[int(worth.argmax())].index]]))
        promised.append(float(worth.max()))
    return {"truth": truth, "promised": promised, "ended": ended, "ms": 1000 * deciding / rounds}


def ways(store: UserStore) -> dict[str, Callable[[Case], Row]]:
    found: dict[str, Callable[[Case], Row]] = {
        "best of N": best_of_n,
        "random phrases": random_phrases,
        "TPE": tpe,
        "TPE, the truth": lambda case: tpe(case, True),
        "naive, scripted": lambda case: ours(case, store, *LIST_SEARCH),
        "GEPA, scripted": reflective,
        "ours, no screen": lambda case: ours(case, store, "search.screen=1", "search.worth=0"),
        "ours": lambda case: ours(case, store, "search.worth=0"),
        "ours, ends itself": lambda case: ours(case, store),
    }
    if gepa is None:
        print("GEPA is left out, as it is not installed: pip install gepa")
        del found["GEPA, scripted"]
    return found


class Everybody:
    """People known to the degree ``known``, taught to the reward through a store."""

    def __init__(self, known: str, reward: Any):
        self.known, self.store = known, UserStore(Path(tempfile.mkdtemp()) / "users.db")
        self.people = simulated_people()
        new = list(self.people)[N_SEEN + N_VAL_UNSEEN :]
        self.ids = random.Random(0).sample(list(reward.teacher.trained), 40) if known == "train" else new
        self.questions = shipped_pictures()
        self.read = load_eye(miniature_weights("eye")).read([q.image for q in self.questions])

    def user(self, k: int) -> str:
        """The id by which the reward knows the k-th of them."""
        name = self.ids[k]
        if self.known == "train":
            return name
        person, user = self.people[name], f"{self.known}-{name}"
        said = self_report(person).words() if self.known == "profile" else ""
        if self.store.get(user) is None:
            self.store.add(user, person.demographics, said)
            rng = np.random.default_rng(k)
            rating = person.rate(person.satisfaction(self.read), rng)
            n = 0 if self.known == "profile" else int(self.known)
            rows = rng.permutation(len(self.questions))[:n]
            told = [(self.questions[i].hash, self.questions[i].prompt, float(rating[i])) for i in rows]
            self.store.rate_many(user, told)
        return user


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results; what is there is not done again.")],
    people: int = 10,
    prompts: int = 4,
    seeds: int = 1,
    known: Annotated[str, typer.Option(help="train, profile, or a number of ratings.")] = "15",
    way: Annotated[list[str] | None, typer.Option(help="Only these.")] = None,
    scenes: Annotated[Path | None, typer.Option(help="Where painted scenes are kept.")] = None,
) -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    out.mkdir(parents=True, exist_ok=True)
    (scenes or out).mkdir(parents=True, exist_ok=True)
    reward: Any = load_reward("miniature", "cpu")
    everybody = Everybody(known, reward)
    everything = ways(everybody.store)
    for prompt in ALL[:prompts]:
        table = Scenes(prompt, scenes or out, reward)
        kept = KeptReward(reward, table)
        for k in range(people):
            path = out / f"{known}-{k}-{prompt.replace(' ', '_')}.json"
            saved = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            user = everybody.user(k)
            Steerer("miniature", reward=kept, store=everybody.store).parts.roster.person(user)
            truth = table.truth(everybody.people[everybody.ids[k]])
            for name, run in everything.items():
                if (way and name not in way) or len(saved.get(name, [])) >= seeds:
                    continue
                saved[name] = [run(Case(table, kept, user, truth, seed)) for seed in range(seeds)]
            path.write_text(json.dumps(saved) + "\n", encoding="utf-8")
            kept.forget(user)
            print(path.name, flush=True)
    report(out, known)


def report(out: Path, known: str) -> None:
    """A line a way: liking held, promised less felt; then ours against each at equal pictures."""
    files: dict[str, list[Row]] = {}
    for path in sorted(out.glob(f"{known}-*.json")):
        files.setdefault(path.stem.split("-")[1], []).append(json.loads(path.read_text(encoding="utf-8")))
    names = [n for n in next(iter(files.values()))[0] if all(n in saved for own in files.values() for saved in own)]

    def by_person(name: str, key: str) -> np.ndarray:  # (people, counts)
        return np.array([np.mean([r[key] for saved in own for r in saved[name]], axis=0) for own in files.values()])

    def line(values: np.ndarray) -> str:
        return "  ".join(
            f"{m:.3f} [{low:.3f}, {high:.3f}]" for m, low, high in (interval(values[:, i]) for i in range(len(AT)))
        )

    print(f"known: {known}; {len(files)} people, {len(next(iter(files.values())))} prompts; pictures {AT}")
    for name in names:
        print(f"{name:18s} held             {line(by_person(name, 'truth'))}")
        print(f"{'':18s} promised - felt  {line(by_person(name, 'promised') - by_person(name, 'truth'))}")
    for mine in [n for n in names if n.startswith("ours")]:
        own = by_person(mine, "truth")
        for a, b in ((1, 4), (4, 8), (1, 8)):
            print(f"{mine}: {AT[b]} less {AT[a]} pictures: {interval(own[:, b] - own[:, a])}")
        for name in names:
            if name != mine:
                print(f"{mine} - {name:18s} {line(own - by_person(name, 'truth'))}")
        for key in ("ended", "ms"):
            print(f"{mine}: {key} {np.mean([r[key] for p in files.values() for s in p for r in s[mine]]):.1f}")


if __name__ == "__main__":
    typer.run(main)
