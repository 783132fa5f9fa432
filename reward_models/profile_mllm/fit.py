"""Making a P-MLLM reward from data sets of ratings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reward_models.base import Person, RewardError
from reward_models.cards import LEVELS, PARTS, card
from reward_models.encoders.load import load_encoder
from reward_models.encoders.vlm import Vlm, load_vlm
from reward_models.evaluation.statistics import spearman
from reward_models.profile_mllm.calibration import Calibration
from reward_models.profile_mllm.decider import FusedDecider
from reward_models.profile_mllm.examples import Example, Examples, rated_by, read_descriptions
from reward_models.profile_mllm.eyes import Eyes
from reward_models.profile_mllm.fusion import Fusion
from reward_models.profile_mllm.reward import ProfileReward
from reward_models.profile_mllm.settings import ProfileMllmSettings
from reward_models.profile_mllm.training import FusionTrainer, OnStep, fingerprint
from reward_models.prompted.question import liking_question
from reward_models.ratings.sets import load_set
from reward_models.ratings.table import Ratings

Rated = Sequence[tuple[Path, Person, float]]


def fit_profile_mllm(
    settings: ProfileMllmSettings,
    device: str,
    say: Callable[[str], None] = print,
    on_step: OnStep | None = None,
    llm: Vlm | None = None,
) -> tuple[ProfileReward, dict[str, Any]]:
    """The reward of a config, and what it was made of. A killed call goes on where it stopped. ``llm``: the language
    model where it is loaded already.
    """
    sets = [load_set(d, say=say) for d in settings.data]
    texts = [read_descriptions(s.root / settings.descriptions) if settings.descriptions else {} for s in sets]
    decider = build(settings, device, llm)
    shares = [d.share for d in settings.data]
    examples = Examples(list(zip(sets, shares, strict=True)), texts, settings.told, settings.seed)
    data = fingerprint([s.fingerprint() for s in sets], texts)
    watched = [row for s in sets for row in rated_by(s, "val_unseen", settings.watch, settings.seed)]
    trainer = FusionTrainer(
        decider, settings, examples, data, Path(settings.out), lambda: watched_figures(decider, watched)
    )
    trainer.run(on_step)
    decider.calibration = calibrated(decider, sets, settings)
    encoder = load_encoder(settings.fidelity, device=device) if settings.fidelity else None
    about = {"data": data, "settings": settings.model_dump(), "frozen": trainer.frozen}
    return ProfileReward(decider, encoder, size=settings.size), about


def build(settings: ProfileMllmSettings, device: str, llm: Vlm | None = None) -> FusedDecider:
    """The frozen parts, and modules that add nothing yet."""
    llm = llm or load_vlm(settings.llm, settings.revision, device)
    eyes = Eyes(settings.eyes.name, settings.eyes.layer, device, settings.eyes.revision, settings.eyes.keep)
    torch.manual_seed(settings.seed)
    fusion = Fusion(llm.model, eyes.width, settings.fusion.config(eyes.patches)).to(device)
    return FusedDecider(llm, eyes, fusion, size=settings.size, batch_size=settings.batch_size)


def answered(decider: FusedDecider, rows: Rated, parts: Sequence[str] = PARTS) -> np.ndarray:
    """Likings (n,) that the model says, each for the person of the row with these parts of their card."""
    found = []
    for path, person, _ in rows:
        told = card(person.demographics, person.profile, parts)
        ((answer,),) = decider.answers([Example(path).image()], [liking_question(told)])
        if not answer.probabilities:
            raise RewardError(f"the model gives no answer about '{path}': {answer.reason}")
        found.append(answer.liking)
    return np.array(found)


def calibrated(decider: FusedDecider, sets: Sequence[Ratings], settings: ProfileMllmSettings) -> Calibration:
    """From training people's ratings of validation pictures; of training pictures where a set has no others."""
    decider.calibration = Calibration()
    rows = []
    for ratings in sets:
        most = settings.calibration // len(sets)
        rows += rated_by(ratings, "val_seen", most, settings.seed) or rated_by(ratings, "train", most, settings.seed)
    if not rows:
        return Calibration()
    return Calibration.fitted(answered(decider, rows), np.array([y for *_, y in rows]))


def watched_figures(decider: FusedDecider, rows: Rated) -> dict[str, float]:
    """Spearman over the ratings of unseen people and pictures, with all of their cards and with none."""
    if not rows:
        return {}
    rated = np.array([y for *_, y in rows])
    told = {f"srocc_{level}": spearman(answered(decider, rows, LEVELS[level]), rated) for level in ("neutral", "words")}
    return told
