"""What each part of the model is worth: the same training with one thing changed, compared person by person."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from reward_models.encoders.base import Encoder
from reward_models.evaluation.metrics import Each, gain, per_person, summary
from reward_models.evaluation.pages import render
from reward_models.pamela.evaluation import judge
from reward_models.pamela.fit import fit_reward
from reward_models.pamela.settings import RewardTraining
from reward_models.pamela.training import Told
from reward_models.ratings.corpus import Corpus

SPLITS = ("test_seen", "test_unseen")


def ablate(
    settings: RewardTraining,
    device: str,
    load: Callable[[RewardTraining], tuple[Corpus, Encoder]],
    told: Told = Told(),  # noqa: B008  (frozen)
) -> Path:
    """Train every ablation of ``settings`` and write ``ablations.md`` and ``.json`` beside the model; the former's
    path.

    ``load`` gives the corpus of settings; it is asked once for all that share data and encoder.
    """
    corpora: dict[str, tuple[Corpus, Encoder]] = {}

    def trained(each: RewardTraining) -> dict[str, Each]:
        key = each.model_dump_json(include={"data", "encoder"})
        if key not in corpora:
            corpora[key] = load(each)
        reward = fit_reward(*corpora[key], each, device, told)
        found = {s: judge(corpora[key][0], reward.ensemble, s) for s in SPLITS}
        return {
            s: per_person(j.predictions[j.best], j.test.liking, j.test.person)
            for s, j in found.items()
            if j is not None
        }

    whole = trained(settings)
    results = {"(nothing)": {s: summary(each) for s, each in whole.items()}}
    for name in settings.ablations:
        without = trained(settings.ablation(name))
        results[name] = {s: summary(each) | gain(each, whole[s]) for s, each in without.items()}
    out = Path(settings.out)
    (out / "ablations.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (out / "ablations.md").write_text(render("ablations.md.j2", results=results, splits=list(whole)), encoding="utf-8")
    return out / "ablations.md"
