"""True satisfaction against pictures rendered: how many pictures does each way of searching need?

    python benchmarks/search.py --out outputs/search-painter --set renderer=painter
    python benchmarks/search.py --out outputs/search-flux --users 10 --seeds 1        # the miniature's FluxPipeline

Each run is 48 pictures for one user and one prompt. After k pictures the user holds the one of highest objective; what counts
is how much the simulated person likes that picture, looking through the second eye, which never steered.

best of N    the unchanged prompt on N seeds
naive        a scripted writer that sees only what an LLM would see, the ranked list of texts, and changes one or two phrases of a
             good one; one picture a text (as MILS and its like search)
lexical      our search without a screen
ours         the same with the screen: most texts are ranked by what the reward imagines, and never rendered

Intervals: 95 % bootstrap over users. One file a (way, prompt, seed) in --out: start again to go on, or twice at once.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from steering import PROMPTS, interval

from steer import Steerer
from steer.config import load_config
from steer.miniature.eye import Eye, load_eye
from steer.miniature.raters import simulated_people
from steer.proposers.lexicon import Lexicon
from steer.resources import miniature_weights
from steer.types import Candidate, History, RenderFailure, Rewrite, SteerRequest

AT = (4, 6, 8, 12, 16, 24, 36, 48)
ONE_SEED = ("search.seeds=1", "search.draft_seeds=1", "search.confirm=0", "search.patience=99")
WAYS: dict[str, tuple[str, ...]] = {
    "best of N": ("search.seeds=48",),
    "naive": (*ONE_SEED, "search.screen=1"),
    "lexical": ("search.patience=99", "search.screen=1"),
    "ours": ("search.patience=99", "search.screen=24"),
}


class ScriptedWriter:
    """Writes as a list-reading LLM might: takes one of the five best texts and changes one or two of its phrases.

    It knows the words of the lexicon, but no model of what each is worth beyond the ranking of whole texts.
    """

    name = "scripted writer"

    def __init__(self, lexicon: Lexicon):
        self.lexicon = lexicon

    def fingerprint(self) -> str:
        return "scripted"

    def propose(self, request: SteerRequest, history: History, n: int) -> list[Rewrite]:
        rng = random.Random(f"{request.seed}/{request.prompt}/{request.user}/{len(history.candidates)}")
        groups = self.lexicon.open_groups(request.prompt)
        tried, written = history.texts(), []
        for _ in range(50 * n):
            if len(written) == n:
                break
            changes = dict(rng.choice(history.ranked()[:5]).rewrite.changes)
            for group in rng.sample(groups, min(rng.choice((1, 2)), len(groups))):
                changes[group.name] = rng.choice(group.phrases)
            text = self.lexicon.compose(request.prompt, changes)
            if text not in tried:
                tried.add(text)
                written.append(Rewrite(text, changes))
        return written


def one_run(steerer: Steerer, judge: Eye, prompt: str, user: str, seed: int) -> list[float]:
    """The truth of the picture held after each number of pictures in ``AT``."""
    person = simulated_people()[user]
    search = steerer.search(prompt, user, max(AT), seed)
    held, best, truths = -np.inf, float("nan"), []
    while candidates := search.ask():
        images = steerer.renderer.render([c.rewrite.text for c in candidates], [c.seed for c in candidates])
        good = [(c, i) for c, i in zip(candidates, images, strict=True) if not isinstance(i, RenderFailure)]
        scored: list[Candidate] = steerer.score([c for c, _ in good], [i for _, i in good], search.request)
        search.tell(scored)
        truth = person.satisfaction(judge.read([i for _, i in good]))
        for c, t in zip(scored, truth, strict=True):
            if c.objective > held:
                held, best = c.objective, float(t)
            truths.append(best)
    truths += [best] * (max(AT) - len(truths))  # a search that ends early keeps what it has
    return [truths[k - 1] for k in AT]


def main(
    out: Annotated[Path, typer.Option(help="Folder of the results; what is there is not done again.")],
    settings: Annotated[list[str] | None, typer.Option("--set", "-s")] = None,
    users: int = 30, seeds: int = 3,
) -> None:  # fmt: skip
    judge = load_eye(miniature_weights("judge"))
    chosen = random.Random(0).sample([f"u{i}" for i in range(1, 157)], users)
    out.mkdir(parents=True, exist_ok=True)
    base = Steerer(load_config("miniature", settings or ()))
    for way, more in WAYS.items():
        config = load_config("miniature", [*(settings or ()), *more])
        writer = ScriptedWriter(Lexicon.load("miniature")) if way == "naive" else None
        steerer = Steerer(config, proposer=writer, renderer=base.renderer, reward=base.reward)
        for p, prompt in enumerate(PROMPTS):
            for seed in range(seeds):
                path = out / f"{way.replace(' ', '-')}-{p}-{seed}"
                try:
                    path.with_suffix(".taken").touch(exist_ok=False)
                except FileExistsError:
                    continue
                try:
                    rows = {u: one_run(steerer, judge, prompt, u, seed) for u in chosen}
                except BaseException:
                    path.with_suffix(".taken").unlink()
                    raise
                path.with_suffix(".json").write_text(json.dumps(rows) + "\n")
                print(path.name, np.mean(list(rows.values()), axis=0).round(3).tolist(), flush=True)
    report(out, chosen)


def report(out: Path, users: list[str]) -> None:
    """A line a way, and how many pictures ours needs for naive's last value."""
    means = {}
    print(f"{'':10s}" + "".join(f"{k:>22d}" for k in AT))
    for way in WAYS:
        files = sorted(out.glob(f"{way.replace(' ', '-')}-*.json"))
        if not files:
            continue
        saved = [json.loads(f.read_text()) for f in files]
        by_user = np.array([np.mean([s[u] for s in saved], axis=0) for u in users])  # (users, counts)
        means[way] = by_user.mean(0)
        cells = [interval(by_user[:, k]) for k in range(len(AT))]
        print(f"{way:10s}" + "".join(f"   {m:.3f} [{low:.3f}, {high:.3f}]" for m, low, high in cells))
    if {"naive", "ours"} <= set(means):
        goal = means["naive"][-1]
        needed = next((k for k, m in zip(AT, means["ours"], strict=True) if m >= goal), None)
        print(
            f"naive ends at {goal:.3f} with {AT[-1]} pictures; ours is there with {needed or 'none of these numbers of'} pictures"
        )


if __name__ == "__main__":
    typer.run(main)
