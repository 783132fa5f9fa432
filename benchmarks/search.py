"""True satisfaction against pictures rendered: how many pictures does each way of searching need?

    python benchmarks/search.py --out outputs/search-painter --set renderer=painter
    python benchmarks/search.py --out outputs/search-flux --users 10 --seeds 1        # the miniature's FluxPipeline
    python benchmarks/search.py --out outputs/search-smollm --users 5 --seeds 1 --set renderer=painter --smollm
    python benchmarks/search.py --out outputs/search-2 --world 2 --set renderer=painter --set reward=FOLDER

Each run is 48 pictures for one user and one prompt. After k pictures the user holds the one of highest objective; what
counts is how much the simulated person likes that picture, looking through the second eye, which never steered.

best of N        the unchanged prompt on N seeds
TPE              Optuna's tree-structured Parzen estimator over the phrases of the lexical search, one picture a trial
TPE, the truth   the same, told the truth in place of the reward: what no reward can reach
naive, WRITER    the ranked list of texts goes to a writer, who writes six more; one picture a text (as MILS and its
like search) ours, WRITER     the same writer in our search: what rose and fell, recombination, screen, seeds for the
promising ours, lexical    the built-in search

--world: whose people; a world's people want a reward that learnt from their ratings.

WRITER is a script that sees only what a language model would see (steer/proposers/scripted.py) or, with --smollm, the
real but very small SmolLM2-135M. Intervals: 95 % bootstrap over users. One file a (way, prompt, seed) in --out: start
again to go on, or twice at once.
"""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import optuna
import typer
from steering import PROMPTS, interval

from steer import Steerer
from steer.config import WriterConfig, load_config
from steer.lexicon import Lexicon
from steer.miniature.eye import Eye, load_eye
from steer.miniature.person import SimulatedPerson
from steer.miniature.raters import simulated_people
from steer.miniature.world import WORLD
from steer.proposers.chat import ChatProposer
from steer.proposers.scripted import ScriptedWriter
from steer.resources import miniature_weights
from steer.search.search import Search
from steer.types import Candidate, RenderFailure, Rewrite, State

AT = (2, 4, 6, 8, 12, 16, 24, 36, 48)
LIST_SEARCH = (
    "proposer.template=mils",
    "proposer.memory=elitist",
    "proposer.shown=20",
    "search.seeds=1",
    "search.original_seeds=1",
    "search.confirm=0",
    "search.second_looks=0",
    "search.worth=0",
    "search.screen=1",
    "search.ahead=false",
    "search.min_likeness=0",
)
SCRIPTED, SMOLLM = "proposer.kind=chat", "proposer=smollm"  # the chat model of the first is the script
WAYS: dict[str, tuple[str, ...]] = {
    "best of N": ("search.rewrite=false",),
    "TPE": (),
    "TPE, the truth": (),
    "naive, scripted": (SCRIPTED, *LIST_SEARCH),
    "ours, scripted": (SCRIPTED,),
    "ours, lexical": (),
    "naive, SmolLM2": (SMOLLM, *LIST_SEARCH[3:]),
    "ours, SmolLM2": (SMOLLM,),
}


class Held:
    """The picture a user holds after each one that is shown: that of highest objective so far."""

    def __init__(self, steerer: Steerer, search: Search, judge: Eye, person: SimulatedPerson, by_truth: bool = False):
        self.steerer, self.search, self.judge, self.person, self.by_truth = steerer, search, judge, person, by_truth
        self.highest, self.truths = -np.inf, [float("nan")]

    def show(self, candidates: list[Candidate], first: bool = False) -> list[float]:
        """Draw and score; what each is worth, NaN where there is no picture. The first ones are the search's own."""
        texts, seeds = [c.rewrite.text for c in candidates], [c.seed for c in candidates]
        images = self.steerer.parts.renderer.render(texts, seeds)
        good = [(c, i) for c, i in zip(candidates, images, strict=True) if not isinstance(i, RenderFailure)]
        scored = self.steerer.score([c for c, _ in good], [i for _, i in good], self.search.request)
        if first:
            self.search.tell(scored)
        worth = dict.fromkeys(range(len(candidates)), float("nan"))
        for c, t in zip(scored, self.person.satisfaction(self.judge.read([i for _, i in good])), strict=True):
            c.objective = self.search.objective_of(c) if c.state is State.SCORED else float("nan")
            worth[candidates.index(c)] = value = float(t) if self.by_truth else c.objective
            if value > self.highest:
                self.highest, best = value, float(t)
            else:
                best = self.truths[-1]
            self.truths.append(best)
        return list(worth.values())

    def at(self) -> list[float]:
        """The truth of the picture held after each number of pictures in ``AT``; a search that ends early keeps it."""
        truths = self.truths[1:] + [self.truths[-1]] * max(AT)
        return [truths[k - 1] for k in AT]


def one_run(steerer: Steerer, judge: Eye, prompt: str, person: SimulatedPerson, seed: int) -> list[float]:
    """The truth of the picture held after each number of pictures in ``AT``."""
    search = steerer.search(prompt, person.id, max(AT), seed)
    held = Held(steerer, search, judge, person)
    while candidates := search.ask():
        held.show(candidates, first=True)
    return held.at()


def tpe_run(
    steerer: Steerer, judge: Eye, prompt: str, person: SimulatedPerson, seed: int, by_truth: bool
) -> list[float]:
    """The same for Optuna's TPE, which begins with the pictures of the prompt that our search begins with."""
    search = steerer.search(prompt, person.id, max(AT), seed)
    held, lexicon = Held(steerer, search, judge, person, by_truth), Lexicon.load("miniature")
    choices = {
        g.name: optuna.distributions.CategoricalDistribution(("", *g.phrases)) for g in lexicon.open_groups(prompt)
    }
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True))
    for value in held.show(search.ask(), first=True):
        study.add_trial(
            optuna.trial.create_trial(params=dict.fromkeys(choices, ""), distributions=choices, value=value)
        )
    rng = random.Random(seed)
    while len(held.truths) <= max(AT):
        trial = study.ask(choices)
        changes = {name: phrase for name, phrase in trial.params.items() if phrase}
        rewrite = Rewrite(lexicon.compose(prompt, changes), changes)
        (value,) = held.show([Candidate(len(held.truths), 1, rewrite, rng.getrandbits(31))])
        study.tell(trial, value if np.isfinite(value) else 0.0)
    return held.at()


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results; what is there is not done again.")],
    settings: Annotated[list[str] | None, typer.Option("--set", "-s")] = None,
    users: int = 30,
    seeds: int = 3,
    smollm: Annotated[bool, typer.Option(help="The real small model.")] = False,
    world: Annotated[int, typer.Option(help="Whose people.")] = WORLD,
    prompts: Annotated[int, typer.Option(help="The first so many.")] = len(PROMPTS),
    way: Annotated[list[str] | None, typer.Option(help="Only these.")] = None,
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    people = simulated_people(world=world)
    judge = load_eye(miniature_weights("judge"))
    chosen = random.Random(0).sample([f"u{i}" for i in range(1, 157)], users)
    out.mkdir(parents=True, exist_ok=True)
    base = Steerer(load_config("miniature", settings or ()))
    for name, more in WAYS.items():
        if way and name not in way:
            continue
        if ("SmolLM2" in name and not smollm) or ("scripted" in name and smollm):
            continue
        config = load_config("miniature", ["search.patience=99", "search.worth=0", *(settings or ()), *more])
        writer = ScriptedWriter(Lexicon.load("miniature"))
        proposer = None
        if "scripted" in name:
            assert isinstance(config.proposer, WriterConfig)
            proposer = ChatProposer(config.proposer, writer)
        steerer = Steerer(config, proposer=proposer, renderer=base.parts.renderer, reward=base.parts.reward)
        run = partial(tpe_run, by_truth="truth" in name) if "TPE" in name else one_run
        for p, prompt in enumerate(PROMPTS[:prompts]):
            for seed in range(seeds):
                path = out / f"{_slug(name)}-{p}-{seed}"
                try:
                    path.with_suffix(".taken").touch(exist_ok=False)
                except FileExistsError:
                    continue
                try:
                    rows = {u: run(steerer, judge, prompt, people[u], seed) for u in chosen}
                except BaseException:
                    path.with_suffix(".taken").unlink()
                    raise
                path.with_suffix(".json").write_text(json.dumps(rows) + "\n", encoding="utf-8")
                print(path.name, np.mean(list(rows.values()), axis=0).round(3).tolist(), flush=True)
    report(out, chosen)


def _slug(way: str) -> str:
    return way.replace(",", "").replace(" ", "-")


def report(out: Path, users: list[str]) -> None:
    """A line a way, and how many pictures ours needs for the last value of the same writer's naive search."""
    means = {}
    print(f"{'':16s}" + "".join(f"{k:>22d}" for k in AT))
    for way in WAYS:
        files = sorted(out.glob(f"{_slug(way)}-[0-9]*-[0-9]*.json"))
        if not files:
            continue
        saved = [json.loads(f.read_text(encoding="utf-8")) for f in files]
        by_user = np.array([np.mean([s[u] for s in saved], axis=0) for u in users])  # (users, counts)
        means[way] = by_user.mean(0)
        cells = [interval(by_user[:, k]) for k in range(len(AT))]
        print(f"{way:16s}" + "".join(f"   {m:.3f} [{low:.3f}, {high:.3f}]" for m, low, high in cells))
    for naive in [w for w in means if w.startswith("naive")]:
        goal = means[naive][-1]
        for way in [w for w in means if w.startswith("ours")]:
            needed = next((k for k, m in zip(AT, means[way], strict=True) if m >= goal), None)
            print(
                f"{naive} ends at {goal:.3f} with {AT[-1]} pictures; {way} is there with {needed or 'more than that'}"
            )


if __name__ == "__main__":
    typer.run(main)
