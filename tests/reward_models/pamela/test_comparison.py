"""Scorers beside a trained reward, in the layout of the paper's Table 2."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from reward_models.evaluation.metrics import person_metrics
from reward_models.families import Work, family_of
from reward_models.scorers.base import Scorer, load_scorer
from tests.reward_models.tiny_scorers import MAKERS
from tests.reward_models.worlds import PEOPLE, N, draw


class Blue(Scorer):
    """How blue a picture is: half of the small world likes that."""

    def score(self, images, prompts):
        pixels = [np.asarray(image, dtype=float) for image in images]
        return np.array([p[..., 2].mean() - p[..., 0].mean() for p in pixels])

    def fingerprint(self):
        return "blue"


@pytest.fixture(scope="module")
def table(trained, tmp_path_factory):
    out, said = tmp_path_factory.mktemp("compared"), []
    scorers = {"blue": Blue()}
    for kind, make in MAKERS.items():
        small = {"hpsv3": {"pixels": 64 * 64}, "levels": {"size": 64}}.get(kind, {})
        scorers[kind] = load_scorer(kind, model=str(make(tmp_path_factory.mktemp(kind))), batch_size=8, **small)
    family, work = family_of(trained.config), Work(say=said.append)
    for name in ("evaluation.md", "evaluation.json"):  # as training left them
        shutil.copy(trained.folder / name, out)
    family.compare(trained.config, trained.folder, out, work, scorers)
    return out, {(r["split"], r["model"]): r for r in json.loads((out / "table2.json").read_text())}, said


def test_every_scorer_has_a_row_at_both_levels_on_the_ratings_of_our_models(table):
    out, rows, said = table
    for split in ("test_seen", "test_unseen"):
        ours = next(r for (s, _), r in rows.items() if s == split and not r["scorer"])
        for name in ("blue", *MAKERS):
            row = rows[split, name]
            assert row["scorer"]
            assert row["person"]["n_people"] == ours["person"]["n_people"] > 5
            assert row["population"]["n_pictures"] == ours["population"]["n_pictures"]
            assert all(np.isfinite([*row["person"].values(), *row["population"].values()]))
    for text in ((out / "table2.md").read_text(), (out / "evaluation.md").read_text(), "\n".join(said)):
        assert (
            "| model | SROCC, person | PLCC, person | pairwise, person | PLCC, population | pairwise, population |"
            in text
        )
        assert "| hpsv3 |" in text


def test_our_rows_are_those_of_the_report(table):
    out, rows, _ = table
    report = json.loads((out / "evaluation.json").read_text())["table"]
    for (split, model), row in rows.items():
        if not row["scorer"]:
            assert row["person"]["srocc"] == pytest.approx(report[f"{split}: {model}"]["srocc"], abs=1e-4)


def test_a_scorers_row_is_what_its_scores_are_worth_by_hand(table, trained):
    _, rows, _ = table
    ratings = json.loads((trained.root / "data" / "annotations" / "pamela_test_seen.json").read_text())
    blue = {i: Blue().score([draw(i)], [""])[0] for i in range(sum(N.values()))}
    each = []
    for k in range(PEOPLE):
        own = [r for r in ratings if r["participant_id"] == f"p{k}"]
        each.append(
            person_metrics(np.array([blue[r["image_id"]] for r in own]), np.array([r["original_score"] for r in own]))
        )
    row = rows["test_seen", "blue"]
    assert [row["person"][k] for k in ("srocc", "plcc", "pairwise")] == pytest.approx(np.mean(each, 0), abs=1e-4)
    pictures = sorted({r["image_id"] for r in ratings})
    means = [np.mean([r["original_score"] for r in ratings if r["image_id"] == i]) for i in pictures]
    _, plcc, pairwise = person_metrics(np.array([blue[i] for i in pictures]), np.array(means))
    assert (row["population"]["plcc"], row["population"]["pairwise"]) == pytest.approx((plcc, pairwise), abs=1e-4)


def test_a_picture_that_gets_no_score_is_one_line(trained, tmp_path):
    from reward_models import RewardError

    class Silent(Blue):
        def score(self, images, prompts):
            return np.full(len(images), np.nan)

        def fingerprint(self):
            return "silent"

    with pytest.raises(RewardError, match=r"the scorer 'silent' gives no score to '.*\.png'"):
        family_of(trained.config).compare(
            trained.config, trained.folder, tmp_path, Work(say=lambda _: None), {"silent": Silent()}
        )
