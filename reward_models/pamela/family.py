"""PAMELA as a family: trained from YAML, with the paper's table as its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reward_models.base import RewardError
from reward_models.families import Family, Work
from reward_models.protocols import RewardModel

if TYPE_CHECKING:
    from reward_models.encoders.base import Encoder
    from reward_models.pamela.settings import RewardTraining
    from reward_models.pamela.training import Told
    from reward_models.ratings.corpus import Corpus
    from reward_models.scorers.base import Scorer


FIRST, EVERY = 20.0, 60.0  # seconds


def _load(
    folder: Path, device: str = "cpu", members: int | None = None, enrol: Literal["fit", "neighbours"] = "fit"
) -> RewardModel:
    from reward_models.pamela.reward import PamelaReward

    return PamelaReward.from_folder(folder, device, members, enrol=enrol)


def _train(config: Path, work: Work) -> Path:
    """Features, members of several seeds, the table, a folder to load; a killed call goes on after its last epoch."""
    from reward_models.evaluation.plots import plot_training
    from reward_models.pamela.fit import fit_reward
    from reward_models.pamela.report import as_metrics, evaluate_all
    from reward_models.pamela.settings import load_training

    settings = load_training(config)
    out = Path(settings.out)
    corpus, encoder = _corpus(settings, work)
    device = work.pick_device(settings.device)
    reward = fit_reward(corpus, encoder, settings, device, _told(work))
    plot_training(out / "curves.jsonl", out / "curves.png")
    rows = evaluate_all(corpus, reward, out)
    for row in rows:
        work.say(row.text())
    about = {
        "data": corpus.fingerprint,
        "scales": corpus.scales,
        "training": settings.model_dump(exclude={"ablations"}),
    }
    reward.save(out, as_metrics(rows), about)
    work.say(f"report: {out / 'evaluation.md'}")
    return out


def _evaluate(config: Path, model: Path | None, out: Path | None, work: Work) -> None:
    """The table of a trained reward on the data sets of a config."""
    from reward_models.pamela.report import evaluate_all
    from reward_models.pamela.reward import PamelaReward
    from reward_models.pamela.settings import load_training

    if model is None:
        raise RewardError("no reward to evaluate; name its folder: steer reward eval FOLDER --config NAME")
    settings = load_training(config)
    corpus, encoder = _corpus(settings, work)
    reward = PamelaReward.from_folder(model, encoder=encoder)
    target = out or model
    for row in evaluate_all(corpus.with_fields(reward.ensemble.config), reward, target, with_grid=True):
        work.say(row.text())
    work.say(f"report: {target / 'evaluation.md'}")


def _compare(config: Path, model: Path, out: Path | None, work: Work, scorers: Mapping[str, Scorer]) -> None:
    """The layout of the paper's Table 2, beside the report."""
    from reward_models.pamela.comparison import compare, write_table
    from reward_models.pamela.reward import PamelaReward
    from reward_models.pamela.settings import load_training

    settings = load_training(config)
    corpus, encoder = _corpus(settings, Work(work.pick_device, progress=work.progress, say=lambda _: None))
    reward = PamelaReward.from_folder(model, encoder=encoder)
    known = corpus.with_fields(reward.ensemble.config)
    lines = compare(known, reward.ensemble, scorers, Path(settings.cache), work.progress)
    work.say(write_table(lines, out or model))
    work.say(f"table: {(out or model) / 'table2.md'}")


def _ablate(config: Path, work: Work) -> None:
    """Train the model once more for each of its ``ablations`` and report what each costs."""
    from reward_models.pamela.ablation import ablate
    from reward_models.pamela.settings import load_training

    settings = load_training(config)
    if not settings.ablations:
        raise RewardError(f"'{config}' has no 'ablations'; see configs/train/miniature.yaml")
    device = work.pick_device(settings.device)
    path = ablate(settings, device, lambda each: _corpus(each, work), _told(work))
    work.say(path.read_text(encoding="utf-8"))
    work.say(f"report: {path}")


def _told(work: Work) -> Told:
    from reward_models.pamela.training import Told

    return Told(lambda row: _say_epoch(row, work), Steps(work.say))


class Steps:
    """Says how far an epoch is and how long a step takes, the first time after ``FIRST`` seconds, then every ``EVERY``:
    quick trainings are told of by their epochs alone.
    """

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic):
        self.say, self.clock = say, clock
        self.begun, self.steps, self.next = clock(), 0, FIRST

    def __call__(self, seed: int, epoch: int, step: int, steps: int) -> None:
        """After a step."""
        self.steps += 1
        past = self.clock() - self.begun
        if past >= self.next:
            self.next = past + EVERY
            self.say(f"seed {seed}, epoch {epoch}: step {step} of {steps}, {past / self.steps:.2g} s a step")


def _corpus(settings: RewardTraining, work: Work) -> tuple[Corpus, Encoder]:
    from reward_models import threads
    from reward_models.pamela.fit import load_corpus

    threads.use(settings.threads)
    if work.pick_device(settings.device) == "cpu" and (busy := threads.warning()):
        work.say(busy)
    return load_corpus(settings, work.pick_device(settings.device), work.say, work.progress)


def _say_epoch(row: dict[str, float], work: Work) -> None:
    measured = ", ".join(f"{k.replace('_', ' ')} {v:.4f}" for k, v in row.items() if k not in ("seed", "epoch"))
    work.say(f"seed {row['seed']:.0f}, epoch {row['epoch']:.0f}: {measured}")


FAMILY = Family("pamela", _load, _train, _evaluate, _ablate, _compare, options=frozenset({"members", "enrol"}))
