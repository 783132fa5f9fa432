"""What happens with thin, empty, constant and broken data: a clear message or a stated rule.

The data set here is a csv of many people and a table of features: no picture is on disk.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from reward_models import Person, RewardError, teach
from reward_models.evaluation.metrics import evaluate, gain, per_person
from reward_models.pamela.ablation import ablate
from reward_models.pamela.evaluation import judge
from reward_models.pamela.fit import fit_members, fit_reward, load_corpus, with_people
from reward_models.pamela.newcomers import NewPeople, with_enough
from reward_models.pamela.people import fit_people
from reward_models.pamela.report import evaluate_all
from reward_models.pamela.settings import RewardTraining
from reward_models.ratings.sets import load_csv
from reward_models.ratings.table import DataError
from reward_models.testing import RewardConformance, TeacherConformance, random_pictures
from reward_models.testing.conformance import torn_picture
from tests.reward_models import shipped

D = 12


def write_table(root, splits=("train", "val_seen", "test_seen", "val_unseen", "test_unseen")):
    """A csv of 30 people, 12 of them new, with linear tastes over random features of 150 pictures; also odd people."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(150, D))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    tastes = rng.normal(size=(30, 2)) @ rng.normal(size=(2, D)) * 1.5
    ids = [f"{i}.jpg" for i in range(150)]
    root.mkdir(parents=True, exist_ok=True)
    save_file(
        {"vectors": torch.from_numpy(features).float()}, root / "f.safetensors", metadata={"ids": json.dumps(ids)}
    )
    pools = {"train": range(80), "val": range(80, 100), "test": range(100, 150)}
    rows = []
    for k in range(30):
        for split in splits:
            if split.endswith("unseen") == (k >= 18):
                for i in pools[split.split("_")[0]]:
                    liking = 1 / (1 + np.exp(-features[i] @ tastes[k])) + 0.05 * rng.normal()
                    rows.append((f"p{k}", ids[i], 10 * np.clip(liking, 0, 1), split, "ab"[k % 2]))
    if "test_unseen" in splits:
        rows += [("once", "100.jpg", 7, "test_unseen", "a")]
        rows += [("flat", f"{i}.jpg", 5, "test_unseen", "b") for i in range(100, 150)]
    rows += [("once too", "3.jpg", 7, "train", "a")] + [("flat too", f"{i}.jpg", 5, "train", "b") for i in range(20)]
    rows += [("p0", "1.jpg", "", "train", "a"), ("p0", "2.jpg", "NaN", "train", "a"), ("p0", "4.jpg", 11, "train", "a")]
    columns = ["person", "picture", "score", "split", "demographics.gender"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "ratings.csv", index=False)


def settings(root, **more):
    return RewardTraining.model_validate(
        {
            "data": [{"source": str(root / "ratings.csv"), "scale": [0, 10]}],
            "encoder": {"name": str(root / "f.safetensors"), "kind": "table"},
            "model": {"width": 32, "heads": 2},
            "training": {"epochs": 25, "people_per_batch": 6, "ratings_each": 8, "lr": 4e-3},
            "seeds": [0],
            "device": "cpu",
            "cache": str(root / "cache"),
            "out": str(root / "out"),
        }
        | more
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("rules")
    write_table(root)
    said = []
    corpus, encoder = load_corpus(settings(root), "cpu", said.append)
    return corpus, fit_reward(corpus, encoder, settings(root), "cpu"), said


def test_any_rating_table_and_any_features_train_a_reward_that_knows_people(world):
    corpus, reward, said = world
    rows = {r.model: r.metrics["srocc"] for r in judge(corpus, reward.ensemble, "test_seen").rows()}
    assert rows["personal"] > rows["population head"] + 0.3
    assert corpus.demographics == ["gender"]
    assert said[0] == "ratings: 3612 ratings; 2 x score is missing or no number; 1 x score outside 0 ... 10"
    assert re.match(r"150 pictures through .* where their features are not kept yet; then 1 members? of up to", said[1])


def test_people_of_one_rating_are_trained_on_and_enrolled_but_not_judged(world):
    corpus, reward, _ = world
    assert "once too" in reward.people()
    (row,) = [r for r in judge(corpus, reward.ensemble, "test_unseen").rows() if r.model == "15 ratings: fitted"]
    assert "once" not in row.each
    assert len(row.each) == 13
    new = NewPeople(corpus, reward.ensemble, "test_unseen")
    assert "once" in new.people
    assert all(torch.isfinite(v).all() for v in new.fitted(15))


def test_who_has_too_few_ratings_does_not_shorten_the_curve(world):
    corpus, reward, _ = world
    new = with_enough(corpus, reward.ensemble, "test_unseen")
    assert "once" not in new.people
    assert list(new.curve(names=["fitted"])["fitted"]) == [0, 1, 2, 5, 10, 15, 25, 40]


def test_constant_ratings_teach_only_a_level_and_count_as_zero(world):
    corpus, reward, _ = world
    (row,) = [r for r in judge(corpus, reward.ensemble, "test_unseen").rows() if r.model == "15 ratings: fitted"]
    assert row.each["flat"] == (0.0, 0.0, 0.5)
    x, q = corpus.pictures[:20], corpus.prompts[torch.zeros(20, dtype=int)]
    for name, level in (("high", 0.9), ("low", 0.1)):
        reward.ensemble.add_person(name, fit(reward, x, q, np.full(20, level)), {})
    likings, _ = reward.ensemble.predict(x, q, [Person("high"), Person("low")])
    assert likings[0].mean() > likings[1].mean() + 0.1


def test_with_nothing_known_a_new_person_is_the_population_and_few_ratings_are_never_worse(world):
    corpus, reward, _ = world
    curve = with_enough(corpus, reward.ensemble, "test_unseen").curve()
    population = curve["population head"]
    assert curve["fitted, no demographics"][0] == population[0]
    for n, each in curve["fitted, no demographics"].items():
        assert gain(each, population[n])["gain"] > -0.02, n
    assert gain(curve["ridge on raw features"][2], population[2])["gain"] < -0.02  # what a naive fit would do
    assert gain(curve["fitted"][40], population[40])["low"] > 0.2


def test_a_person_is_fitted_alike_alone_and_beside_others(world):
    corpus, reward, _ = world
    new = NewPeople(corpus, reward.ensemble, "test_unseen", 20)
    given, owner = new.given(15)
    x, q = corpus.pictures[given.picture], corpus.prompts[given.prompt]
    together = reward.ensemble.fit_people(x, q, given.liking, owner, new.known)[0]
    for u in (0, 5, 11):
        own = owner == u
        alone = fit(reward, x[torch.from_numpy(own)], q[torch.from_numpy(own)], given.liking[own], new.known[u])[0]
        assert torch.allclose(alone.vector, together[u].vector, atol=1e-4)
        assert torch.allclose(alone.covariance, together[u].covariance, atol=1e-4)


def test_uncertainty_falls_with_ratings_and_matches_the_error_it_speaks_of(world):
    corpus, reward, _ = world
    new = NewPeople(corpus, reward.ensemble, "test_unseen", 50)
    test, owner = new.later(30)
    spreads, errors = {}, {}
    for n in (0, 30):
        given, whose = new.given(n)
        x, q = corpus.pictures[given.picture], corpus.prompts[given.prompt]
        fitted = reward.ensemble.fit_people(x, q, given.liking, whose, new.known)
        vectors = torch.stack([f.vector for f in fitted[0]])
        errors[n] = np.sqrt(np.mean((new.predict([vectors], 30) - test.liking) ** 2))
        for u, p in enumerate(new.people):
            reward.ensemble.add_person(f"{n}/{p}", [fitted[0][u]], {})
        features = corpus.pictures[test.picture], corpus.prompts[test.prompt]
        each = [
            reward.ensemble.predict(*features, [Person(f"{n}/{p}")])[1][0][owner == u] for u, p in enumerate(new.people)
        ]
        spreads[n] = float(np.sqrt(np.mean(np.concatenate(each) ** 2)))
    assert spreads[30] < spreads[0] / 1.5
    for n in (0, 30):  # the error holds the rating's own noise besides
        assert 0.5 < np.hypot(spreads[n], reward.ensemble.config.noise) / errors[n] < 2, (n, spreads, errors)


def test_a_member_may_see_whitened_or_noisy_pictures(world, tmp_path):
    corpus, reward, _ = world
    told = settings(
        tmp_path, training={"epochs": 2, "feature_noise": 0.5}, model={"width": 32, "heads": 2, "whiten": 6}
    )
    (member,) = fit_members(corpus, told)
    seen = corpus.pictures[np.unique(corpus.tables["train"].picture)]
    white = (seen - member.centre) @ member.axes.T
    assert torch.allclose(white.std(0), torch.ones(6), atol=0.1)  # a tenth of them is held out
    made = with_people(corpus, reward.encoder, [member])
    made.save(tmp_path / "reward", {})
    again = type(made).from_folder(tmp_path / "reward", encoder=reward.encoder)
    x, q = corpus.pictures[:5], corpus.prompts[torch.zeros(5, dtype=int)]
    told, same = (r.ensemble.predict(x, q, [Person("p1")])[0] for r in (made, again))
    assert same == pytest.approx(told, abs=5e-3)


def test_a_split_without_ratings_is_left_out_and_said(tmp_path):
    write_table(tmp_path, splits=("train", "test_seen"))
    chosen = settings(tmp_path, training={"epochs": 1})
    corpus, encoder = load_corpus(chosen, "cpu", lambda line: None)
    reward = fit_reward(corpus, encoder, chosen, "cpu")
    rows = evaluate_all(corpus, reward, tmp_path / "report")
    assert {r.split for r in rows} == {"test_seen"}
    assert (
        "Left out, since nobody has 5 ratings there to be judged on: val_seen, val_unseen, test_unseen"
        in (tmp_path / "report" / "evaluation.md").read_text()
    )
    assert reward.ensemble.config.noise != 0.16  # measured on the pictures held out, without val_seen
    evaluate_all(corpus, reward, tmp_path / "nothing", splits=["val_seen"])
    assert json.loads((tmp_path / "nothing" / "evaluation.json").read_text())["table"] == {}


def test_predictions_that_are_not_numbers_are_an_error_not_a_metric():
    with pytest.raises(ValueError, match="1 of 6 predictions are not numbers"):
        per_person(np.array([1, 2, np.nan, 4, 5, 6]), np.arange(6.0), ["a"] * 6)
    nobody = evaluate(np.zeros(0), np.zeros(0), [])
    assert nobody["n_people"] == 0
    assert np.isnan(nobody["srocc"])


def test_settings_changed_in_the_middle_of_a_training_are_refused(world, tmp_path):
    write_table(tmp_path)
    chosen = settings(tmp_path, training={"epochs": 1})
    corpus, encoder = load_corpus(chosen, "cpu", lambda line: None)
    fit_reward(corpus, encoder, chosen, "cpu")
    with pytest.raises(RewardError, match=r"was begun with other lr; choose another folder"):
        fit_reward(corpus, encoder, settings(tmp_path, training={"epochs": 1, "lr": 0.1}), "cpu")
    louder = replace(corpus, pictures=corpus.pictures * 2)
    with pytest.raises(RewardError, match="was begun with other features"):
        fit_reward(louder, encoder, chosen, "cpu")


def fit(reward, pictures, prompts, liking, demographics=None):
    """What each member makes of one person's ratings."""
    owner = np.zeros(len(liking), dtype=int)
    return [each[0] for each in reward.ensemble.fit_people(pictures, prompts, liking, owner, [demographics or {}])]


@pytest.fixture(scope="module")
def miniature():
    return shipped.reward()


class TestConformance(RewardConformance, TeacherConformance):
    def make(self):
        return shipped.reward()


def test_a_picture_that_does_not_open_has_no_score_and_cannot_be_learnt_from(miniature):
    pictures = random_pictures(3)
    whole = miniature.score(pictures, ["a fox"] * 3, Person("u17"))
    broken = miniature.score([pictures[0], torn_picture(), pictures[2]], ["a fox"] * 3, Person("u17"))
    for values, expected in ((broken.personal, whole.personal), (broken.fidelity, whole.fidelity)):
        assert np.isnan(values[1])
        assert values[[0, 2]] == pytest.approx(expected[[0, 2]], abs=1e-5)
    assert np.isnan(broken.uncertainty[1])
    assert np.isnan(broken.population[1])
    with pytest.raises(RewardError, match="picture 1 does not open"):
        teach(miniature, "x", [pictures[0], torn_picture()], ["a fox"] * 2, [0.5, 0.5])


def test_a_person_is_taught_scored_and_corrected_and_nobody_else_changes():
    reward = shipped.reward()
    pictures, prompts = random_pictures(15), ["a fox"] * 15
    before = reward.score(pictures, prompts, Person("u17"))
    teach(reward, "new", pictures, prompts, np.linspace(0.5, 1, 15), demographics={"gender": "female"})
    high = reward.score(pictures, prompts, Person("new"))
    teach(reward, "new", pictures, prompts, np.linspace(0, 0.5, 15))
    low = reward.score(pictures, prompts, Person("new"))
    assert reward.people().count("new") == 1
    assert high.personal.mean() > low.personal.mean() + 0.2
    after = reward.score(pictures, prompts, Person("u17"))
    assert after.personal == pytest.approx(before.personal, abs=1e-6)
    assert after.uncertainty == pytest.approx(before.uncertainty, abs=1e-6)
    unknown = reward.score(pictures, prompts, Person())
    assert (high.uncertainty < unknown.uncertainty).all()


def test_words_of_a_profile_reach_the_reward():
    """Statements are ratings of imagined pictures."""
    reward = shipped.reward()
    teach(reward, "words", profile="I love sepia, no daylight")
    teach(reward, "silent")
    reading = reward.imagination.read(["a fox, sepia", "a fox in daylight"])
    told, untold = (reward.judge(reading, Person(p)).personal for p in ("words", "silent"))
    assert told[0] > untold[0] + 0.03
    assert told[1] < untold[1] - 0.03


@pytest.mark.parametrize(
    ("n", "ratings", "message"),
    [
        (2, [0.5, 1.5], r"1 ratings are not in \[0, 1\], the first is 1.5"),
        (1, [0.5, 0.5], "1 pictures, 1 prompts and 2 ratings do not match"),
    ],
)
def test_ratings_that_cannot_be_are_refused(miniature, n, ratings, message):
    with pytest.raises(RewardError, match=message):
        teach(miniature, "x", random_pictures(n), ["a fox"] * n, ratings)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("picture,score,split\na.png,3,training", "unknown split 'training'"),
        ("picture,score,metadata.prompt\na.png,3,x", "'prompt' is taken"),
        ("picture\na.png", "lacks the columns"),
    ],
)
def test_a_csv_that_cannot_be_understood_is_refused(tmp_path, head, message):
    (tmp_path / "r.csv").write_text(head + "\n")
    with pytest.raises(DataError, match=message):
        load_csv(tmp_path / "r.csv", need_pictures=False)


def test_no_ratings_at_all_is_the_prior():
    ensemble = shipped.reward().ensemble
    nothing = torch.zeros(0, 192)
    member, prior = ensemble.members[0], ensemble.priors[0]
    (fitted,) = fit_people(member, prior, nothing, nothing, torch.zeros(0), torch.zeros(0, dtype=int), [[0, 0, 0]])
    assert torch.equal(fitted.vector, prior.mean)
    assert torch.allclose(fitted.covariance, torch.eye(len(prior.axes)))


@pytest.mark.slow
def test_ablations_are_compared_person_by_person(tmp_path):
    write_table(tmp_path)
    chosen = settings(
        tmp_path,
        training={"epochs": 12, "people_per_batch": 6, "ratings_each": 8, "lr": 4e-3},
        ablations={"no person": {"model": {"inputs": ["picture"]}}, "other seed": {"seeds": [5]}},
    )
    asked = []

    def load(each):
        asked.append(each.out)
        return load_corpus(each, "cpu", lambda line: None)

    path = ablate(chosen, "cpu", load)
    results = json.loads(path.with_suffix(".json").read_text())
    assert len(asked) == 1  # one corpus serves all
    assert results["no person"]["test_seen"]["high"] < -0.2
    assert abs(results["other seed"]["test_seen"]["gain"]) < 0.15
    assert results["(nothing)"]["test_seen"]["n_people"] == 18
    assert "| no person |" in path.read_text()
    with pytest.raises(ValueError, match=r"ablation 'x': model\.inputs\.0"):
        settings(tmp_path, ablations={"x": {"model": {"inputs": ["pictur"]}}})


def test_an_answer_is_the_same_to_the_last_bit_whatever_is_asked_beside_it(miniature):
    """What a resumed run and a batch rest on: 9e-8 were seen to flip a sixth decimal."""
    images, prompts = shipped.pictures(24)
    people = [Person(("u17", "u42", None)[i % 3]) for i in range(24)]
    together = miniature.read(images, prompts)
    everybody = miniature.judge_many(together, people)
    for start, size in ((0, 1), (1, 3), (4, 4), (8, 16)):
        group = miniature.read(images[start : start + size], prompts[start : start + size])
        for i in range(start, start + size):
            alone = miniature.score(images[i : i + 1], prompts[i : i + 1], people[i])
            row = miniature.judge(together.rows([i]), people[i])
            grouped = miniature.judge(group, people[i])
            for name in ("personal", "population", "fidelity", "uncertainty"):
                found = getattr(alone, name)[0]
                assert found == getattr(row, name)[0] == getattr(grouped, name)[i - start]
                assert found == getattr(everybody[i], name)[i]
