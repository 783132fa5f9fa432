"""From a configuration to a saved reward: data, features, members of several seeds, people's prior, the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from reward_models.encoders.base import Encoder
from reward_models.encoders.cache import Progress, unreadable_line
from reward_models.encoders.imagination import TextToPicture, fit_imagination
from reward_models.encoders.load import load_encoder
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.model import PamelaConfig, PamelaPredictor
from reward_models.pamela.neighbours import profiles_of
from reward_models.pamela.newcomers import with_enough
from reward_models.pamela.people import priors, trained_covariances
from reward_models.pamela.reward import PamelaReward
from reward_models.pamela.settings import RewardTraining
from reward_models.pamela.training import Told, predict, train_member
from reward_models.pamela.unseen import fill_unseen, prior_of_unseen
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import Corpus, build_corpus
from reward_models.ratings.sets import load_set
from reward_models.ratings.table import reasons

Say = Callable[[str], None]
MIN_PAIRS = 200  # of prompt and picture, to learn what pictures of texts look like
SPREADS = (0.35, 0.5, 0.7, 1.0, 1.4)
SPREAD_COUNTS = (2, 5, 15)  # ratings for which the spread is chosen


def load_corpus(
    settings: RewardTraining, device: str, say: Say = print, progress: Progress | None = None
) -> tuple[Corpus, Encoder]:
    """Data sets and features of a configuration; what was dropped is said."""
    sets = []
    for d in settings.data:
        ratings = load_set(d, settings.encoder.kind != "table", say)
        say(f"{ratings.name}: {len(ratings)} ratings; {reasons(ratings.dropped)}")
        sets.append((ratings, d.share))
    e = settings.encoder
    encoder = load_encoder(e.name, e.kind, device, e.batch_size, e.revision)
    pictures = len({p for r, _ in sets for p in r.table["picture"].unique()})
    say(
        f"{pictures} pictures through {e.name} ({encoder.precision}, {device}) where their features are not kept yet; "
        f"then {len(settings.seeds)} members of up to {settings.training.epochs} epochs. A killed call goes on."
    )
    corpus = build_corpus(sets, encoder, Path(settings.cache), progress)
    if corpus.unreadable:
        say(unreadable_line(corpus.unreadable))
    return corpus, encoder


def fit_reward(
    corpus: Corpus,
    encoder: Encoder,
    settings: RewardTraining,
    device: str,
    told: Told = Told(),  # noqa: B008  (frozen)
) -> PamelaReward:
    """A reward trained on the corpus, ready to score and to enrol; checkpoints and ``curves.jsonl`` in
    ``settings.out``.
    """
    precision = None if settings.precision == "fp32" else settings.precision
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision=precision)
    return with_people(corpus, encoder, fit_members(corpus, settings, accelerator, told))


def fit_members(
    corpus: Corpus,
    settings: RewardTraining,
    accelerator: Accelerator | None = None,
    told: Told = Told(),  # noqa: B008  (frozen)
) -> list[PamelaPredictor]:
    """A member a seed, with checkpoints and a log of the epochs (``curves.jsonl``) in ``settings.out``.

    The noise of a rating around the prediction is measured on val_seen and kept in the config. Of several data sets it
    is the first one's val_seen, which also decides when to stop.
    """
    out = Path(settings.out)
    out.mkdir(parents=True, exist_ok=True)
    config = PamelaConfig(
        features=corpus.pictures.shape[1],
        demographics=corpus.demographics,
        metadata=corpus.metadata,
        people=list(corpus.people),
        vocabularies=corpus.vocabularies,
        datasets=corpus.datasets,
        **settings.model.model_dump(),
    )
    val = corpus.first.tables["val_seen"]

    def on_epoch(row: dict[str, float]) -> None:
        with open(out / "curves.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({k: round(v, 5) for k, v in row.items()}) + "\n")
        if told.epoch:
            told.epoch(row)

    members = [
        train_member(
            config,
            corpus.pictures,
            corpus.prompts,
            corpus.tables["train"],
            seed,
            settings.training.settings(),
            val if len(val) else None,
            out / f"checkpoint-{seed}.pt",
            accelerator,
            Told(on_epoch, told.step),
            corpus.said,
        )
        for seed in settings.seeds
    ]
    for member in members:
        fill_unseen(member, corpus.tables["train"])
    if len(val):
        residual = predict(members, corpus.pictures, corpus.prompts, val) - val.liking
        config.noise = round(float(np.std(residual)), 4)
    return members


def with_people(corpus: Corpus, encoder: Encoder, members: list[PamelaPredictor]) -> PamelaReward:
    """The members as a reward: where people's vectors lie, how surely each is known, and their demographics.

    How far a new person may lie from the others is chosen on val_unseen, where there is one.
    """
    config, train = members[0].config, corpus.tables["train"]
    found = [prior_of_unseen(p, config, train) for p in priors(members, train)]
    unknown = [torch.eye(len(p.axes)).expand(len(config.people) + 1, -1, -1) for p in found]
    ensemble = Ensemble(config, members, found, unknown, corpus.demographics_of())
    if len(corpus.first.tables["val_unseen"]):
        spread = best_spread(corpus.first, ensemble)
        ensemble.priors = [p.scaled(spread) for p in ensemble.priors]
    ensemble.covariances = [
        trained_covariances(m, p, corpus.pictures, corpus.prompts, train, config.noise)
        for m, p in zip(ensemble.members, ensemble.priors, strict=True)
    ]
    profiles = profiles_of(list(ensemble.trained), corpus.pictures, train)
    return PamelaReward(ensemble, encoder, imagination_of(corpus, ensemble.members), profiles)


def imagination_of(corpus: Corpus, members: list[PamelaPredictor]) -> TextToPicture | None:
    """From the training pairs of prompt and picture, its error measured on val_seen; None where prompts are few or
    none.
    """
    train, val = corpus.tables["train"], corpus.first.tables["val_seen"]
    pairs = np.unique(np.stack([train.prompt, train.picture], 1)[train.prompt > 0], axis=0)
    if len(pairs) < MIN_PAIRS:
        return None
    found = fit_imagination(corpus.prompts[pairs[:, 0]], corpus.pictures[pairs[:, 1]])
    val = val.where(val.prompt > 0)
    if not len(val):
        return replace(found, error=corpus_spread(train))
    imagined = found.pictures(corpus.prompts)
    as_imagined = replace(val, picture=val.prompt)
    real = predict(members, corpus.pictures, corpus.prompts, val)
    guess = predict(members, imagined, corpus.prompts, as_imagined)
    return replace(found, error=float(np.sqrt(np.mean((real - guess) ** 2))))


def corpus_spread(ratings: RatingTable) -> float:
    """Standard deviation of likings: the error of knowing nothing."""
    return float(np.std(ratings.liking))


def best_spread(corpus: Corpus, ensemble: Ensemble) -> float:
    """The factor of ``SPREADS`` on the prior's spread with which val_unseen is best known from few ratings; of equals
    the least.
    """
    found = ensemble.priors
    scores: list[float] = []
    for spread in SPREADS:
        ensemble.priors = [p.scaled(spread) for p in found]
        people = with_enough(corpus, ensemble, "val_unseen", SPREAD_COUNTS)
        curve = people.curve(SPREAD_COUNTS, ["fitted"]).get("fitted", {})
        sroccs = [srocc for each in curve.values() for srocc, _, _ in each.values()]
        scores.append(float(np.mean(sroccs)) if sroccs else 0.0)
    ensemble.priors = found
    return SPREADS[int(np.argmax(scores))] if any(scores) else 1.0
