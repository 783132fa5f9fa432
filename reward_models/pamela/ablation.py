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
from reward_models.pamela.newcomers import CONTEXT
from reward_models.pamela.settings import RewardTraining
from reward_models.pamela.training import Told
from reward_models.ratings.corpus import Corpus

SPLITS = ("test_seen", "test_unseen")
NEIGHBOURS = "test_unseen, neighbours"  # the paper's way of enrolling, beside ours
BY_NEIGHBOURS = f"{CONTEXT} ratings: neighbours"


def ablate(
    settings: RewardTraining,
    device: str,
    load: Callable[[RewardTraining], tuple[Corpus, Encoder]],
    told: Told = Told(),  # noqa: B008  (frozen)
) -> Path:
    """Train every ablation of ``settings`` and write ``ablations.md`` and ``.json`` beside the model; the former's
    path.

    ``load`` gives the corpus of settings; it is asked once for all that share data and encoder. Of several data sets
    the first is judged.
    """
    corpora: dict[str, tuple[Corpus, Encoder]] = {}

    def trained(each: RewardTraining) -> dict[str, Each]:
        key = each.model_dump_json(include={"data", "encoder"})
        if key not in corpora:
            corpora[key] = load(each)
        reward = fit_reward(*corpora[key], each, device, told)
        found: dict[str, Each] = {}
        for split in SPLITS:
            judged = judge(corpora[key][0].first, reward.ensemble, split)
            if judged is None:
                continue
            ways = {split: judged.best} | ({NEIGHBOURS: BY_NEIGHBOURS} if split.endswith("_unseen") else {})
            for column, model in ways.items():
                found[column] = per_person(judged.predictions[model], judged.test.liking, judged.test.person)
        return found

    whole = trained(settings)
    results = {"(nothing)": {s: summary(each) for s, each in whole.items()}}
    for name in settings.ablations:
        without = trained(settings.ablation(name))
        results[name] = {s: summary(each) | gain(each, whole[s]) for s, each in without.items()}
    gaps = {name: _gaps(found) for name, found in results.items()}
    out = Path(settings.out)
    (out / "ablations.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = render("ablations.md.j2", results=results, splits=list(whole), gaps=gaps)
    (out / "ablations.md").write_text(text, encoding="utf-8")
    return out / "ablations.md"


def _gaps(found: dict[str, dict[str, float]]) -> dict[str, float]:
    """SROCC of seen people above that of unseen ones, by how these are enrolled. They are other people, so it has no
    paired interval.
    """
    seen = found.get(SPLITS[0])
    return {} if seen is None else {s: seen["srocc"] - m["srocc"] for s, m in found.items() if s != SPLITS[0]}
