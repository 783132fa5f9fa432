"""Ours and other searches side by side, for people the reward half knows: what is the picture worth that one holds?

    python benchmarks/kept_scenes.py --out outputs/scenes --known 15
    python benchmarks/peers.py --scenes outputs/scenes --out outputs/peers [--seeds 1] [--known 15]

Each way draws 48 pictures (the painter's) for one person, prompt and seed, and is told what the miniature's reward says
of each. After k pictures one holds the best so far as that way judges it; what counts is how much the simulated person
likes it, looking through the second eye, which never steered. ``promised``: what the way says the picture is worth.

best of N          the unchanged prompt on N seeds
random phrases     each kind of phrase said or not at random, one picture a text
TPE                Optuna's tree-structured Parzen estimator over the same phrases, one picture a trial
TPE, the truth     the same, told the truth in place of the reward: what no reward can reach
naive, scripted    the ranked list of texts goes to a scripted writer, who writes six more; one picture a text
GEPA, scripted     GEPA's reflective evolution (pip install gepa) with the same writer as its reflection model
ours, no screen    the built-in search with search.screen=1
ours               the built-in search with search.screen=24
ours, ends itself  the same, which ends where more pictures are not worth it (search.worth)

The fidelity guard and the likeness of texts, which the painter does not need, are off. Intervals: 95 % bootstrap over
people, each the mean of their prompts and seeds. One file a person and prompt in --out: start again to go on.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import optuna
import typer
from kept_scenes import PROMPTS, axes_of, name_of, row_of, texts_of

from reward_models.evaluation.statistics import rounded as interval
from steer.config import ObjectiveConfig, SearchConfig, load_config
from steer.lexicon import Lexicon
from steer.proposers.chat import ChatProposer
from steer.proposers.lexical import LexicalProposer
from steer.proposers.scripted import ScriptedWriter
from steer.search.belief import Belief, Prior, counting
from steer.search.funnel import Funnel
from steer.search.guard import Guard
from steer.search.screen import Screen
from steer.search.search import Search
from steer.types import History, State, SteerRequest

try:
    import gepa
except ModuleNotFoundError:
    gepa = None

AT = (2, 4, 6, 8, 12, 16, 24, 36, 48)
MOST = max(AT)
LISTED = SearchConfig(seeds=1, original_seeds=1, confirm=0, second_looks=0, worth=0, patience=99)
Row = dict[str, Any]


@dataclass
class Case:
    """One person, prompt and seed: what is felt and said of each scene, and what is imagined of each text."""

    prompt: str
    truth: np.ndarray
    score: np.ndarray
    imagined: dict[str, float]
    seed: int
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.axes, self.lexicon = axes_of(self.prompt), Lexicon.load("miniature")
        self.groups = self.lexicon.open_groups(self.prompt)
        self.rng = random.Random(self.seed)

    def draw(self, text: str, seed: int | None = None) -> float:
        """The reward's score of one picture of a text."""
        seed = self.rng.getrandbits(31) if seed is None else seed
        self.rows.append(row_of(self.axes, text, seed))
        return float(self.score[self.rows[-1]])

    def held(self, by: np.ndarray | None = None) -> Row:
        """Of the picture of highest score (or ``by`` another table) after each number of pictures."""
        table = self.score if by is None else by
        best = [max(self.rows[:k], key=lambda row: table[row]) for k in AT]
        return {"truth": [float(self.truth[r]) for r in best], "promised": [float(table[r]) for r in best]}


def best_of_n(case: Case) -> Row:
    for _ in range(MOST):
        case.draw(case.prompt)
    return case.held()


def random_phrases(case: Case) -> Row:
    while len(case.rows) < MOST:
        if len(case.rows) < 2:
            case.draw(case.prompt)
            continue
        said = {g.name: case.rng.choice(g.phrases) for g in case.groups if case.rng.random() < 0.8}
        case.draw(case.lexicon.compose(case.prompt, said))
    return case.held()


def tpe(case: Case, by_truth: bool = False) -> Row:
    choices = {g.name: optuna.distributions.CategoricalDistribution(("", *g.phrases)) for g in case.groups}
    sampler = optuna.samplers.TPESampler(seed=case.seed, multivariate=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def value(text: str) -> float:
        said = case.draw(text)
        return float(case.truth[case.rows[-1]]) if by_truth else said

    for _ in range(2):
        study.add_trial(
            optuna.trial.create_trial(
                params=dict.fromkeys(choices, ""), distributions=choices, value=value(case.prompt)
            )
        )
    while len(case.rows) < MOST:
        trial = study.ask(choices)
        said = {name: phrase for name, phrase in trial.params.items() if phrase}
        study.tell(trial, value(case.lexicon.compose(case.prompt, said)))
    return case.held(case.truth if by_truth else None)


class Reflecting:
    """GEPA's adapter: a candidate is a text, an evaluation a picture of it; the scripted writer reflects."""

    propose_new_texts = None

    def __init__(self, case: Case):
        self.case, self.writer, self.scored = case, ScriptedWriter(case.lexicon), dict[str, list[float]]()

    def evaluate(self, batch: list[Any], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        text = candidate["text"]
        scores = [self.case.draw(text) for _ in batch]
        self.scored.setdefault(text, []).extend(scores)
        return gepa.EvaluationBatch([text] * len(batch), scores, [text] * len(batch) if capture_traces else None)

    def make_reflective_dataset(self, candidate: dict[str, str], evaluated: Any, components: list[str]) -> Any:
        told = [{"Inputs": candidate["text"], "Feedback": f"liked {s:.2f}"} for s in evaluated.scores]
        return dict.fromkeys(components, told)

    def reflect(self, candidate: dict[str, str], _told: Any, components: list[str]) -> dict[str, str]:
        """GEPA says which candidate to change; the writer sees it at the top of the texts so far."""
        means = {t: float(np.mean(s)) for t, s in self.scored.items() if t != candidate["text"]}
        ranked = [candidate["text"], *sorted(means, key=lambda t: -means[t])[:4]]
        lines = "\n".join(f"0.50: {t}" for t in ranked)
        question = f"<<<\n{self.case.prompt}\n>>>\n{lines}\nWrite 1 text"
        said = self.writer.ask([[{"role": "user", "content": question}]], {}, 0.0, [self.case.rng.getrandbits(31)], 99)
        return dict.fromkeys(components, json.loads(said[0])["rewrites"][0])


class Quiet:
    def log(self, message: str) -> None:
        pass


def reflective(case: Case) -> Row:
    adapter = Reflecting(case)
    gepa.optimize(
        {"text": case.prompt},
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


def ours(case: Case, config: SearchConfig, written: bool = False) -> Row:
    """The built-in search; its own belief says which picture is held, and what it is worth. ``written``: by a chat
    model that is shown the ranked list, as a naive search does, and the picture of highest score is held.
    """
    request = SteerRequest(case.prompt, "somebody", MOST, case.seed)
    screened = config.screen > 1
    prior = Prior(
        case.prompt, imagine=lambda texts: (np.array([case.imagined[t] for t in texts]), np.zeros(len(texts)))
    )
    prior = prior if screened else Prior(case.prompt)
    proposer: Any = LexicalProposer(case.lexicon)
    if written:
        model = load_config("miniature", ["proposer.kind=chat", "proposer.template=mils", "proposer.shown=20"]).proposer
        proposer = ChatProposer(model, ScriptedWriter(case.lexicon))  # type: ignore[arg-type]
    funnel = Funnel(
        request, proposer, Guard(case.prompt), Screen(prior) if screened else None, config.screen, prior=prior
    )
    search = Search(request, funnel, config, ObjectiveConfig(fidelity_weight=0))
    deciding: list[float] = []
    ended = MOST
    while True:
        begun = time.process_time()
        candidates = search.ask()
        deciding.append(1000 * (time.process_time() - begun))
        if not candidates:
            break
        for c in candidates:
            c.state, c.personal, c.fidelity = State.SCORED, case.draw(c.rewrite.text, c.seed), 1.0
        search.tell(candidates)
        if search.because and ended == MOST:
            ended = len(search.history.candidates)
    if written:
        return case.held()
    row: Row = {
        "truth": [],
        "promised": [],
        "ended": ended,
        "ms": float(np.mean(deciding[1:-1])),
        "last ms": deciding[-2],
    }
    for k in AT:
        history = History(search.history.candidates[:k])
        worth = Belief(search.prior, history).pictures(counting(history))
        row["truth"].append(float(case.truth[case.rows[int(worth.argmax())]]))
        row["promised"].append(float(worth.max()))
    return row


def ways() -> dict[str, Callable[[Case], Row]]:
    ourselves = SearchConfig(screen=24, worth=0, patience=99)
    found: dict[str, Callable[[Case], Row]] = {
        "best of N": best_of_n,
        "random phrases": random_phrases,
        "TPE": tpe,
        "TPE, the truth": lambda case: tpe(case, True),
        "naive, scripted": lambda case: ours(case, LISTED, written=True),
        "GEPA, scripted": reflective,
        "ours, no screen": lambda case: ours(case, ourselves.model_copy(update={"screen": 1})),
        "ours": lambda case: ours(case, ourselves),
        "ours, ends itself": lambda case: ours(case, SearchConfig(screen=24, patience=99)),
    }
    if gepa is None:
        print("GEPA is left out, as it is not installed: pip install gepa")
        del found["GEPA, scripted"]
    return found


def main(
    scenes: Annotated[Path, typer.Option(help="What benchmarks/kept_scenes.py made.")],
    out: Annotated[Path, typer.Option(help="Folder of the results; what is there is not done again.")],
    seeds: int = 1,
    known: Annotated[str, typer.Option(help="train, profile, or a number of ratings.")] = "15",
    way: Annotated[list[str] | None, typer.Option(help="Only these.")] = None,
) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    out.mkdir(parents=True, exist_ok=True)
    everything = ways()
    for path in sorted(scenes.glob(f"P-{known}-*.npz")):
        with np.load(path) as saved:
            table = dict(saved)
        for prompt in [p for p in PROMPTS if f"{name_of(p)}/truth" in table]:
            truth, score, imagined = (table[f"{name_of(prompt)}/{n}"] for n in ("truth", "mean", "im"))
            texts = dict(zip(texts_of(prompt), map(float, imagined), strict=True))
            kept = out / f"{path.stem}-{name_of(prompt)}.json"
            rows = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
            for name, run in everything.items():
                if (way and name not in way) or len(rows.get(name, [])) >= seeds:
                    continue
                rows[name] = [run(Case(prompt, truth, score, texts, seed)) for seed in range(seeds)]
            kept.write_text(json.dumps(rows) + "\n", encoding="utf-8")
        print(path.name, flush=True)
    report(out, known)


def report(out: Path, known: str) -> None:
    """A line a way: liking held, promised less felt; then ours against each at equal pictures."""
    files: dict[str, list[Row]] = {}
    for path in sorted(out.glob(f"P-{known}-*.json")):
        files.setdefault(path.stem.split("-")[2], []).append(json.loads(path.read_text(encoding="utf-8")))
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
        for key in ("ended", "ms", "last ms"):
            print(f"{mine}: {key} {np.mean([r[key] for p in files.values() for s in p for r in s[mine]]):.1f}")


if __name__ == "__main__":
    typer.run(main)
