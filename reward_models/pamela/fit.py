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
from reward_models.pamela.amounts import View, fit_anchor, held_out, learn_amounts, level_of
from reward_models.pamela.ensemble import Ensemble
from reward_models.pamela.model import PamelaConfig, PamelaPredictor
from reward_models.pamela.neighbours import profiles_of
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
    held = held_out(corpus, settings.training.hold_out, len(settings.seeds))
    return with_people(corpus, encoder, fit_members(corpus, settings, accelerator, told), held)


def fit_members(
    corpus: Corpus,
    settings: RewardTraining,
    accelerator: Accelerator | None = None,
    told: Told = Told(),  # noqa: B008  (frozen)
) -> list[PamelaPredictor]:
    """A member a seed, with checkpoints and a log of the epochs (``curves.jsonl``) in ``settings.out``.

    Each member's epoch is chosen on the pictures held out of it; on val_seen where none are. Of several data sets it is
    the first one that decides.
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
    train = corpus.tables["train"]
    held = held_out(corpus, settings.training.hold_out, len(settings.seeds))

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
            train.where(~mask[train.picture]),
            seed,
            settings.training.settings(),
            chosen_on(corpus, mask),
            out / f"checkpoint-{seed}.pt",
            accelerator,
            Told(on_epoch, told.step),
            corpus.said,
        )
        for seed, mask in zip(settings.seeds, held, strict=True)
    ]
    for member in members:
        fill_unseen(member, train)
    return members


def chosen_on(corpus: Corpus, mask: np.ndarray) -> RatingTable | None:
    """The first data set's ratings on which a member's epoch is chosen: of the pictures (P,) held out of it, or else
    val_seen.
    """
    train, val = corpus.first.tables["train"], corpus.first.tables["val_seen"]
    held = train.where(mask[train.picture])
    return held if len(held) else (val if len(val) else None)


def with_people(
    corpus: Corpus, encoder: Encoder, members: list[PamelaPredictor], held: list[np.ndarray] | None = None
) -> PamelaReward:
    """The members as a reward: what everybody makes of pictures, where people's vectors lie, how surely each is known,
    and their demographics.

    ``held``: masks (P,) of the pictures that each member did not see. How far a new person may lie from everybody is
    chosen on them, by the people of val_unseen. The noise of a rating around the prediction is measured on them, or
    else on val_seen, and kept in the config.
    """
    config, train = members[0].config, corpus.tables["train"]
    found = [prior_of_unseen(p, config, train) for p in priors(members, train)]
    anchor, views = fit_anchor(corpus, members, found, held or [np.zeros(len(corpus.pictures), bool)] * len(members))
    config.noise = _noise(corpus, views)
    level = level_of(train, np.mean([v.base for v in views], axis=0)[train.picture], config.noise)
    views = [replace(v, prior=replace(v.prior, level=level)) for v in views]
    amounts, demographics = learn_amounts(corpus.first, views, config.noise)
    found = [replace(p if demographics else p.without_demographics(), level=level, amounts=amounts) for p in found]
    unknown = [torch.eye(len(p.axes)).expand(len(config.people) + 1, -1, -1) for p in found]
    ensemble = Ensemble(config, members, found, unknown, corpus.demographics_of(), anchor)
    ensemble.covariances = [
        trained_covariances(m, p, corpus.pictures, corpus.prompts, train, config.noise)
        for m, p in zip(ensemble.members, ensemble.priors, strict=True)
    ]
    profiles = profiles_of(list(ensemble.trained), corpus.pictures, train)
    return PamelaReward(ensemble, encoder, imagination_of(corpus, ensemble.members), profiles)


def _noise(corpus: Corpus, views: list[View]) -> float:
    """Standard deviation of a rating around what is expected of people in training; of pictures held out, or of
    val_seen.
    """
    residuals = []
    for view in views:
        table = chosen_on(corpus, view.held)
        if table is None:
            continue
        answers = predict([view.member], corpus.pictures, corpus.prompts, table)
        shift = view.base[table.picture] - view.head[table.picture]
        residuals.append(answers + shift - table.liking)
    return round(float(np.std(np.concatenate(residuals))), 4) if residuals else PamelaConfig.noise


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
