"""From raw files to the table and a reward that loads, on a small set with known tastes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import reward_models
from reward_models.base import RewardError
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.families import Work, family_of
from reward_models.pamela.fit import fit_reward, load_corpus
from reward_models.pamela.report import disagreement
from reward_models.pamela.reward import PamelaReward
from reward_models.pamela.settings import RewardTraining, load_training
from reward_models.ratings.arrays import RatingTable
from reward_models.ratings.corpus import build_corpus
from reward_models.ratings.sets import load_ratings
from reward_models.ratings.table import DataError
from tests.reward_models.worlds import EACH, PEOPLE, N, save_siglip, save_vit, write_set

CONFIGS = Path(__file__).parents[3] / "configs" / "train"


def metrics_of(folder):
    return json.loads((folder / "evaluation.json").read_text())


def test_training_writes_a_reward_a_table_and_curves(trained):
    for name in (
        "config.json",
        "model.safetensors",
        "evaluation.md",
        "evaluation.json",
        "curves.png",
        "margins.png",
        "new_people.png",
    ):
        assert (trained.folder / name).stat().st_size > 0, name
    with Image.open(trained.folder / "margins.png") as plot:
        assert plot.width > 300
    saved = json.loads((trained.folder / "config.json").read_text())
    assert saved["family"] == "pamela"
    assert saved["encoder"]["kind"] == "siglip"
    assert saved["training"]["seeds"] == [0, 1]
    assert len(saved["data"]) == 16
    assert trained.said[0].startswith("pamela: ")
    assert trained.said[-1] == f"report: {trained.folder / 'evaluation.md'}"


def test_personal_beats_every_baseline_and_fifteen_ratings_teach(trained):
    table = metrics_of(trained.folder)["table"]
    personal = table["test_seen: personal"]["srocc"]
    for name, metrics in table.items():
        if name.startswith("test_seen") and "personal" not in name:
            assert personal > metrics["srocc"] + 0.2, name
    fitted, nobody = table["test_unseen: 15 ratings: fitted"], table["test_unseen: population head"]
    assert fitted["srocc"] > nobody["srocc"] + (personal - nobody["srocc"]) / 2


def test_personal_sees_why_people_disagree(trained):
    pairs = metrics_of(trained.folder)["splits"]["test_seen"]["pairs people disagree on"]
    assert pairs["personal"]["pairs"] > 50
    assert pairs["personal"]["pairwise"] > pairs["population head"]["pairwise"] + 0.15


def test_trained_again_nothing_is_computed_twice(trained):
    before = (trained.folder / "model.safetensors").read_bytes()
    lines = (trained.folder / "curves.jsonl").read_text()
    steps = []
    work = Work(say=lambda line: None, progress=lambda done, total: steps.append((done, total)))
    family_of(trained.config).train(trained.config, work)
    assert (trained.folder / "model.safetensors").read_bytes() == before
    assert (trained.folder / "curves.jsonl").read_text() == lines
    assert steps[-1] == (sum(N.values()), sum(N.values()))


def test_the_reward_loads_and_scores_and_evaluates_to_the_same_table(trained):
    model = reward_models.load(trained.folder)
    picture = Image.open(trained.root / "data" / "images" / "0.png")
    scores = model.score([picture], ["a fox"], reward_models.Person(id="p0"))
    assert 0 <= scores.personal[0] <= 1
    out = trained.root / "report"
    family_of(trained.config).evaluate(trained.config, trained.folder, out, Work(say=lambda line: None))
    first, second = metrics_of(trained.folder)["table"], metrics_of(out)["table"]
    assert first.keys() == second.keys()
    text = (out / "evaluation.md").read_text()
    assert "over 5 draws of which ratings are given" in text
    assert "| neighbours | 15 | 5 | 0.1 |" in text
    for name, metrics in first.items():  # saved in half precision
        assert second[name]["srocc"] == pytest.approx(metrics["srocc"], abs=0.03), name


def test_an_evaluation_without_a_reward_says_what_to_name(trained):
    with pytest.raises(RewardError, match="no reward to evaluate; name its folder"):
        family_of(trained.config).evaluate(trained.config, None, None, Work())


def test_another_encoder_is_refused(trained, tmp_path):
    encoder = SiglipEncoder(save_siglip(tmp_path, seed=1))
    with pytest.raises(RewardError, match=r"was made with the encoder .*make the reward again"):
        PamelaReward.from_folder(trained.folder, encoder=encoder)


def test_two_sets_are_trained_together_with_their_shares(trained):
    ratings = load_ratings(trained.root / "data")
    other = dataclasses.replace(
        ratings, name="other", table=ratings.table.drop(columns=["style"]), metadata=("group", "type")
    )
    corpus = build_corpus([(ratings, 3.0), (other, 1.0)], trained.encoder, trained.root / "cache")
    train = corpus.tables["train"]
    assert corpus.metadata == ["group", "style", "type", "dataset"]
    assert len(corpus.people) == 36
    assert corpus.people[0] == "other-p0"
    drawn = dict(zip(train.person, train.weight, strict=True))
    shares = {name: sum(w for p, w in drawn.items() if p.startswith(name)) for name in ("pamela", "other")}
    assert shares["pamela"] == pytest.approx(3 * shares["other"])
    style = len(corpus.demographics) + corpus.metadata.index("style")
    assert not train.fields[[p.startswith("other") for p in train.person], style].any()


def test_the_fields_of_a_trained_reward_are_those_of_its_training(trained):
    """A set in which a field or a value is missing is read with the trained reward's vocabularies."""
    ratings = load_ratings(trained.root / "data")
    table = ratings.table[ratings.table["style"] != "red"].drop(columns=["type"])
    less = dataclasses.replace(ratings, table=table, metadata=("group", "style"))
    config = trained.load().ensemble.config
    corpus = build_corpus([(less, 1.0)], trained.encoder, trained.root / "cache").with_fields(config)
    assert corpus.vocabularies == config.vocabularies
    assert corpus.people == config.people
    train = corpus.tables["train"]
    column = len(corpus.demographics) + corpus.metadata.index("style")
    values = [config.vocabularies["style"][v - 1] for v in np.unique(train.fields[:, column])]
    assert values == ["blue", "green", "grey"]
    assert not train.fields[:, len(corpus.demographics) + corpus.metadata.index("type")].any()


def test_unreadable_pictures_leave_and_nothing_left_is_an_error(siglip, tmp_path):
    write_set(tmp_path)
    for path in (tmp_path / "images").glob("*.png"):
        if int(path.stem) % 2:
            path.write_bytes(b"broken")
    corpus = build_corpus([(load_ratings(tmp_path), 1.0)], siglip, tmp_path / "cache")
    assert len(corpus.unreadable) == sum(N.values()) // 2
    assert len(corpus.tables["train"]) == PEOPLE * EACH // 2
    for path in (tmp_path / "images").glob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(
        DataError, match=r"no training rating is left; 270 pictures are left out, such as .* it is not a picture"
    ):
        build_corpus([(load_ratings(tmp_path), 1.0)], siglip, tmp_path / "cache2")


def test_disagreement_counts_only_pairs_that_people_order_differently():
    table = RatingTable(
        np.array([0, 1, 2] * 2),
        np.zeros(6, int),
        np.array(["a"] * 3 + ["b"] * 3),
        np.array([0.1, 0.5, 0.9, 0.5, 0.1, 0.9]),
        np.zeros((6, 0), int),
    )
    assert disagreement(table.liking, table) == {"pairs": 1, "pairwise": 1.0}
    assert disagreement(np.array([0.1, 0.5, 0.9] * 2), table) == {"pairs": 1, "pairwise": 0.5}


def test_what_is_rated_alike_is_no_disagreement():
    """a orders 0 and 1 by .1, b the other way round by .4: a near-tie of a's, and no disagreement above it."""
    table = RatingTable(
        np.array([0, 1, 0, 1]),
        np.zeros(4, int),
        np.array(["a", "a", "b", "b"]),
        np.array([0.5, 0.4, 0.2, 0.6]),
        np.zeros((4, 0), int),
    )
    assert disagreement(table.liking, table)["pairs"] == 1
    assert disagreement(table.liking, table, 0.125)["pairs"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [{source: x}]\nout: y\nencodr: {}", "encodr: Extra inputs"),
        ("data: []\nout: y", "data: List should have at least 1"),
        ("data: [{source: x, share: 0}]\nout: y", "data.0.share"),
        ("{", "does not read as YAML"),
        ("", "the file"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(RewardError, match=message) as error:
        load_training(tmp_path / "c.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not CONFIGS.is_dir(), reason="the configurations are not beside the tests")
def test_the_shipped_training_settings_are_valid():
    for name in ("pamela", "miniature"):
        assert load_training(CONFIGS / f"{name}.yaml").data


def test_a_reward_on_pictures_alone_has_no_fidelity_and_reads_no_texts(trained, tmp_path):
    settings = RewardTraining.model_validate(
        {
            "data": [{"source": str(trained.root / "data")}],
            "encoder": {"name": str(save_vit(tmp_path / "vit")), "kind": "vision"},
            "model": {"width": 32},
            "training": {"epochs": 1},
            "seeds": [0],
            "device": "cpu",
            "cache": str(tmp_path / "cache"),
            "out": str(tmp_path / "reward"),
        }
    )
    reward = fit_reward(*load_corpus(settings, "cpu", lambda line: None), settings, "cpu")
    assert reward.text_features(["a fox"]) is None
    assert reward.imagination is None
    reward.save(tmp_path / "reward", {})
    again = reward_models.load(tmp_path / "reward")
    picture = Image.open(trained.root / "data" / "images" / "0.png")
    for person in ("p0", None):
        ours, theirs = (r.score([picture], ["a fox"], reward_models.Person(person)) for r in (reward, again))
        assert np.isnan(theirs.fidelity).all()
        assert theirs.personal == pytest.approx(ours.personal, abs=2e-3)
    lesson = reward_models.teach(again, "new", [picture], ["a fox"], [0.9], profile="I love warm light")
    assert 0 <= lesson.open <= 1


def test_ablations_of_a_file_are_run_or_missed(trained, tmp_path):
    config = yaml.safe_load(trained.config.read_text())
    (tmp_path / "none.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(RewardError, match="has no 'ablations'"):
        family_of(tmp_path / "none.yaml").ablate(tmp_path / "none.yaml", Work())
    config |= {"ablations": {"no person": {"model": {"inputs": ["picture"]}}}, "out": str(tmp_path / "out")}
    config |= {"training": {"epochs": 1}, "seeds": [0]}
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(config))
    said = []
    family_of(tmp_path / "one.yaml").ablate(tmp_path / "one.yaml", Work(say=said.append))
    assert said[-1] == f"report: {tmp_path / 'out' / 'ablations.md'}"
    assert any("| no person |" in line for line in said)
