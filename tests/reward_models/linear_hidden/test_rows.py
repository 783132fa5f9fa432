"""The paper's other rows, on features and ratings small enough to say what each must find."""

from __future__ import annotations

import csv
import math

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from reward_models.encoders.hidden_states import PROMPTS
from reward_models.encoders.vlm import load_vlm
from reward_models.linear_hidden.drawn import HELD_OUT, draw
from reward_models.linear_hidden.evaluation import Protocol, evaluate
from reward_models.linear_hidden.extras import (
    Elsewhere,
    Extras,
    hard_pictures,
    least_typical,
    shuffled_among_people,
)
from reward_models.linear_hidden.written import Writer
from reward_models.ratings.aadb import ATTRIBUTES, load_aadb
from reward_models.ratings.sets import load_lapis, load_ratings
from reward_models.ratings.table import DataError
from tests.reward_models.tiny_vlms import save_qwen

PICTURES, PEOPLE, WIDE = 200, 13, 6  # three people outside the evaluation: too few for the slow hierarchical


def ratings_of(seed, own=0.6, people=PEOPLE):
    """Features (P, D), a row by picture, and ratings: what all like, and as much as ``own`` of one's own."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(PICTURES, WIDE))
    rows = {f"{i}.png": i for i in range(PICTURES)}
    everybody = np.ones(WIDE) / 10
    lines = []
    for k in range(people):
        taste = everybody + own * np.random.default_rng(100 + k).normal(size=WIDE) / 10
        for i in rng.choice(PICTURES, 170, replace=False):
            lines.append((f"p{k}", f"{i}.png", float(np.clip(0.5 + features[i] @ taste, 0, 1))))
    return features, rows, pd.DataFrame(lines, columns=["person", "picture", "score"])


def mean_of(protocol, way, support=100):
    return float(np.nanmean(protocol.each(way, support)["spearman"]))


def test_exchanged_ratings_keep_what_is_everybodys_and_nothing_of_a_person():
    _, rows, table = ratings_of(0)
    exchanged = table.assign(score=shuffled_among_people(table, 42))
    before, after = (t.groupby("picture")["score"].apply(sorted) for t in (table, exchanged))
    assert before.tolist() == after.tolist()
    assert (table["score"] != exchanged["score"]).mean() > 0.8
    features, rows, table = ratings_of(0, own=2)
    protocol = Protocol(draw(table, 10), features, rows, "wide")
    assert mean_of(protocol, "direct") > 0.95
    assert mean_of(protocol, "direct, shuffled") < mean_of(protocol, "direct") - 0.2
    alike, rows, table = ratings_of(0, own=0)  # where taste is everybody's, nothing is lost
    protocol = Protocol(draw(table, 10), alike, rows, "wide")
    assert mean_of(protocol, "direct, shuffled") == pytest.approx(mean_of(protocol, "direct"), abs=0.01)


def test_the_written_score_its_bias_and_what_a_ridge_adds():
    """The model writes what all like, half a point of [0, 1] too low, and of a few pictures no number."""
    features, rows, table = ratings_of(1)
    written = features @ np.ones(WIDE) / 10
    written[::20] = np.nan
    protocol = Protocol(draw(table, 10), features, rows, "wide", extras=Extras(written))
    raw, adjusted = protocol.each("raw text", 100), protocol.each("adjust-bias", 100)
    assert raw["spearman"] == pytest.approx(adjusted["spearman"])  # it cannot change an order
    assert np.nanmean(raw["r2"]) < 0 < np.nanmean(adjusted["r2"])
    assert mean_of(protocol, "text residual") > mean_of(protocol, "raw text") + 0.05
    nothing = Protocol(draw(table, 10), features, rows, extras=Extras(np.full(PICTURES, np.nan)))
    assert mean_of(nothing, "raw text") == 0


def test_few_shot_shows_the_ten_and_is_asked_for_some_people_alone():
    features, rows, table = ratings_of(1)
    asked = []

    def few_shot(examples, pictures):
        asked.append((examples, pictures))
        return np.array([features[rows[p]].sum() for p in pictures])

    drawn = draw(table, 10)
    protocol = Protocol(drawn, features, rows, extras=Extras(few_shot=few_shot, few_shot_people=2))
    assert np.isnan(protocol.each("few-shot", 100)["spearman"]).sum() == 8
    assert mean_of(protocol, "few-shot", 10) > 0.5
    assert len(asked) == 2  # made once
    first = next(iter(drawn.people.values()))
    assert [p for p, _ in asked[0][0]] == first["picture"].iloc[:10].tolist()
    assert asked[0][1] == first["picture"].iloc[HELD_OUT].tolist()


def test_what_is_learnt_elsewhere_is_worth_as_much_as_tastes_are_alike():
    """From PARA to LAPIS: other pictures and people; the same tastes carry over, the opposite ones mislead."""
    features, rows, table = ratings_of(2)
    there, rows_there, other = ratings_of(3)

    def protocol(score):
        elsewhere = Elsewhere("para", other.assign(score=score), {"LT": there}, rows_there)
        return Protocol(draw(table, 10), features, rows, "wide", extras=Extras(elsewhere=elsewhere), pool="LT")

    alike, opposite = protocol(other["score"]), protocol(1 - other["score"])
    assert mean_of(alike, "general, elsewhere") > 0.5
    assert mean_of(opposite, "general, elsewhere") < -0.5
    assert mean_of(alike, "residual, elsewhere") > mean_of(alike, "general, elsewhere") + 0.05


def test_hard_pictures_and_untypical_people_are_those_of_most_and_least_agreement(tmp_path):
    features, rows, table = ratings_of(4)
    odd = table["picture"].isin([f"{i}.png" for i in range(10)])
    table.loc[odd, "score"] = np.where(table.loc[odd, "person"].str[1:].astype(int) % 2, 0.0, 1.0)
    hard = hard_pictures(table)
    assert len(hard) == 20
    assert {f"{i}.png" for i in range(10)} <= hard
    contrary = table["person"] == "p7"
    table.loc[contrary, "score"] = 1 - table.loc[contrary, "score"]
    assert least_typical(table, [f"p{k}" for k in range(12)], 1) == ["p7"]
    told = evaluate({"LT_1": features}, rows, table, tmp_path, 10, "wide")
    row = told["table"]["LT_1"]["giaa, all"][100]
    assert row["hard pictures"][0] < row["spearman"][0]
    assert row["least typical people"][0] < row["spearman"][0]
    assert told["table"]["LT_1"]["direct"][100]["above direct"] == (0, 0, 0)
    people = pd.read_csv(tmp_path / "linear_hidden_people.csv")
    own = people[(people["way"] == "direct") & (people["ratings"] == 100)]
    assert own["person"].nunique() == 10
    assert own["spearman"].mean() == pytest.approx(told["table"]["LT_1"]["direct"][100]["spearman"][0], abs=1e-3)
    text = (tmp_path / "linear_hidden.md").read_text()
    assert "| giaa | after the paper's: mean scores of the people who are not evaluated |" in text


def test_a_model_is_asked_once_and_answers_in_numbers(tmp_path):
    """A tiny Qwen3-VL whose head can write nothing but 4."""
    vlm = load_vlm(save_qwen(tmp_path / "vlm"))
    four = vlm.tokenizer("4", add_special_tokens=False)["input_ids"][-1]
    with torch.no_grad():
        vlm.model.lm_head.weight.zero_()
        vlm.model.lm_head.bias = torch.nn.Parameter(
            torch.nn.functional.one_hot(torch.tensor(four), vlm.model.lm_head.weight.shape[0]).float()
        )
    for name, colour in (("a.png", "red"), ("b.png", "blue")):
        Image.new("RGB", (64, 64), colour).save(tmp_path / name)
    writer = Writer(vlm, tmp_path, 64, tokens=1)
    kept = tmp_path / "written.jsonl"
    assert writer.scores(["a.png", "b.png"], kept).tolist() == [0.75, 0.75]
    with kept.open("a") as file:
        file.write('{"picture": "a.p')  # torn
    (tmp_path / "a.png").unlink()
    assert writer.scores(["a.png"], kept).tolist() == [0.75]  # not asked again
    assert writer.few_shot([("b.png", 0.5)] * 2, ["b.png"]).tolist() == [0.75]
    assert math.isnan(Writer(vlm, tmp_path, 64, tokens=3).scores(["b.png"], kept)[0])  # 444 is no score


def write_aadb(root, values):
    """``values``: by picture, of every attribute."""
    lists, pictures = root / "imgListFiles_label", root / "datasetImages"
    lists.mkdir(parents=True)
    pictures.mkdir()
    for i, name in enumerate(values):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(pictures / name)
    for a, attribute in enumerate(ATTRIBUTES):
        text = "".join(f"{name} {each[a]}\n" for name, each in values.items())
        (lists / f"imgListTrainRegression_{attribute}.txt").write_text(text)


def test_aadb_lists_are_read_whole_or_not_at_all(tmp_path):
    rng = np.random.default_rng(0)
    write_aadb(tmp_path, {f"farm_{i}.jpg": rng.uniform(-1, 1, 11).round(2) for i in range(4)})
    (tmp_path / "datasetImages" / "farm_3.jpg").unlink()
    found = load_aadb(tmp_path)
    assert found.pictures == [f"datasetImages/farm_{i}.jpg" for i in range(3)]
    assert found.values.shape == (3, 11)
    assert np.isnan(found.scores).all()
    light = tmp_path / "imgListFiles_label" / "imgListTrainRegression_Light.txt"
    light.write_text("farm_0.jpg nan\n")
    with pytest.raises(DataError, match="line 1 has no finite number"):
        load_aadb(tmp_path)
    light.unlink()
    with pytest.raises(DataError, match=r"has no imgListTrainRegression_Light\.txt"):
        load_aadb(tmp_path)


def test_reduce_reads_the_attributes_as_a_map_of_other_pictures_says():
    """Where the map from elsewhere reads what tastes are made of, reduce is as good as the features themselves."""
    features, rows, table = ratings_of(5)
    able, blind = (
        Extras(aadb={"LT": x}) for x in (2 * features + 1, np.random.default_rng(0).normal(size=(PICTURES, 3)))
    )
    one, other = (Protocol(draw(table, 10), features, rows, "wide", extras=e, pool="LT") for e in (able, blind))
    assert mean_of(one, "reduce, AADB") == pytest.approx(mean_of(one, "direct"), abs=0.01)
    assert mean_of(other, "reduce, AADB") < 0.3


def test_a_second_rating_is_averaged_or_left_out_as_told(tmp_path):
    """The authors of Linear-Hidden keep one of LAPIS's double ratings; ours is the first."""
    (tmp_path / "annotation").mkdir()
    with (tmp_path / "annotation" / "LAPIS_PIAA.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["participant_id", "image_filename", "rating"], ["p", "a.jpg", 20], ["p", "a.jpg", 80], ["p", "b.jpg", 50]]
        )
    mean, first = (load_lapis(tmp_path, False, d).table.set_index("picture")["score"] for d in ("average", "first"))
    assert mean["images/a.jpg"] == pytest.approx(0.5)
    assert first["images/a.jpg"] == pytest.approx(0.2)
    found = load_ratings(tmp_path, need_pictures=False, duplicates="first")
    assert found.dropped == {"second rating of a picture by one person (the first is taken)": 1}


def test_there_is_a_prompt_that_names_the_attributes():
    assert "depth of field" in PROMPTS["attributes"]
