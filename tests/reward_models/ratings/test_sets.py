"""The published formats, as dirty as they are met; the files are written here as their authors write them."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from PIL import Image

from reward_models.ratings.check import check
from reward_models.ratings.sets import age_bins, load_csv, load_ratings
from reward_models.ratings.table import DataError, split_by_hash


def picture(path, colour=(10, 20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


def pamela_row(person, image, score, path=None, **changes):
    row = {
        "participant_id": person,
        "image_id": image,
        "image_path": path or f"images/{image}.png",
        "original_score": score,
        "image_metadata": {"group": "animal", "style": None, "type": "Photorealism", "prompt": "a fox"},
        "user_demographics": {"age": 31, "age_binned": "30-39", "gender": "female"},
        "another_key": [1, 2],
    }
    return row | changes


def write_pamela(root, **splits):
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        (root / "annotations" / f"pamela_{name}.json").write_text(json.dumps(rows))


def test_pamela_with_every_way_of_writing_a_path(tmp_path):
    for i in range(3):
        picture(tmp_path / "PAMELA" / "images" / f"{i}.png")
    rows = [
        pamela_row("a", 0, 1.0),
        pamela_row("a", 1, 4.25, "./images/1.png"),
        pamela_row("a", 2, "5", "PAMELA/images/2.png"),
    ]
    write_pamela(tmp_path / "PAMELA", train=rows)
    ratings = load_ratings(tmp_path)
    assert list(ratings.table["score"]) == [0.0, 0.8125, 1.0]
    assert list(ratings.table["picture"]) == ["images/0.png", "images/1.png", "images/2.png"]
    assert ratings.dropped == {}
    assert ratings.table["nationality"].isna().all()  # nobody has it here
    assert ratings.table["style"].isna().all()
    assert set(ratings.table["age_binned"]) == {"30-39"}


def test_what_cannot_be_used_is_counted_by_reason(tmp_path):
    picture(tmp_path / "images" / "0.png")
    picture(tmp_path / "images" / "1.png")
    rows = [
        pamela_row("a", 0, 2.0),
        pamela_row("a", 0, 4.0),
        pamela_row("a", 1, None),
        pamela_row("b", 1, "good"),
        pamela_row("b", 1, 7),
        pamela_row(None, 1, 3),
        pamela_row("b", 9, 3),
        pamela_row("b", 0, 3, "../../secret.png"),
        pamela_row("c", 1, float("nan")),
        pamela_row("c", 1, 3, user_demographics=None, image_metadata={}),
    ]
    write_pamela(tmp_path, train=rows, val_seen=[])
    ratings = load_ratings(tmp_path)
    assert "8 of 10 rows were left out; the reasons are above" in check(ratings).warnings
    assert ratings.dropped == {
        "score is missing or no number": 3,
        "score outside 1 ... 5": 1,
        "person or picture is missing": 2,
        "picture file is missing": 1,
        "second rating of a picture by one person (averaged)": 1,
    }
    assert ratings.table[["person", "picture", "score"]].to_numpy().tolist() == [
        ["a", "images/0.png", 0.5],
        ["c", "images/1.png", 0.5],
    ]
    assert ratings.table["prompt"].isna().tolist() == [False, True]


def test_para_joins_its_two_files(tmp_path):
    folder = tmp_path / "annotation"
    folder.mkdir()
    (folder / "PARA-Images.csv").write_text(
        "sessionId,imageName,userId,aestheticScore\n"
        + "".join(f"s1,{i}.jpg,u{k},{1 + i % 5}\n" for i in range(40) for k in range(12))
    )
    (folder / "PARA-UserInfo.csv").write_text(
        "userId,age,gender,EducationalLevel,artExperience,photographyExperience,personality-E\n"
        + "".join(f"u{k},{20 + 3 * k},male,bachelor,novice,,4\n" for k in range(11))
    )
    for i in range(40):
        picture(tmp_path / "imgs" / "s1" / f"{i}.jpg")
    ratings = load_ratings(tmp_path)
    assert ratings.name == "para"
    assert len(ratings) == 480
    table = ratings.table.set_index("person")
    assert set(table.loc["u0", "age_binned"]) == {"18-29"}
    assert set(table.loc["u10", "age_binned"]) == {"50+"}
    assert table.loc["u11", "age_binned"].isna().all()  # not in the second file
    assert table["photography_experience"].isna().all()
    assert table["prompt"].isna().all()


def test_lapis_is_on_a_scale_of_a_hundred(tmp_path):
    (tmp_path / "annotation").mkdir()
    (tmp_path / "annotation" / "LAPIS_PIAA.csv").write_text(
        "participant_id,image_id,image_filename,rating,age,nationality,demo_gender,demo_edu,demo_colorblind\n"
        "p1,1,a.jpg,25,33,German,f,msc,no\np1,2,b.jpg,,33,German,f,msc,no\np1,1,a.jpg,75,33,German,f,msc,no\n"
    )
    picture(tmp_path / "paintings" / "a.jpg")
    picture(tmp_path / "paintings" / "b.jpg")
    ratings = load_ratings(tmp_path)
    assert ratings.table[["picture", "score", "gender", "age_binned"]].to_numpy().tolist() == [
        ["paintings/a.jpg", 0.5, "f", "30-39"]
    ]
    assert ratings.dropped["score is missing or no number"] == 1


def test_ones_own_csv(tmp_path):
    picture(tmp_path / "x.png")
    (tmp_path / "mine.csv").write_text("picture, score,prompt\n./x.png,4,a fox\nmissing.png,2,\n")
    ratings = load_csv(tmp_path / "mine.csv")
    assert ratings.table[["person", "picture", "score", "prompt", "split"]].to_numpy().tolist() == [
        ["me", "x.png", 0.75, "a fox", "train"]
    ]
    assert load_csv(tmp_path / "mine.csv", scale=(0, 10)).table["score"].tolist() == [0.4]


def test_splits_by_hash_keep_people_and_pictures_apart_and_stay():
    table = pd.DataFrame([{"person": f"p{k}", "picture": f"{i}.jpg"} for k in range(80) for i in range(100)])
    table["split"] = split_by_hash(table)
    train = table[table["split"] == "train"]
    for split, rows in table.groupby("split"):
        if split != "train":
            assert split == "val_unseen" or not set(rows["picture"]) & set(train["picture"])
        if split.endswith("unseen"):
            assert not set(rows["person"]) & set(train["person"])
    assert 0.5 < len(train) / len(table) < 0.7
    assert split_by_hash(table.iloc[::-1].drop(columns="split")).sort_index().equals(table["split"])


def test_ages_become_bins():
    ages = pd.Series(["19", "29", "30", "61", "40-49", None, "x" * 3], dtype="string")
    assert age_bins(ages).fillna("").tolist() == ["18-29", "18-29", "30-39", "50+", "40-49", "", "xxx"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no data set we know"),
        ({"annotations/pamela_train.json": "[{"}, "does not read as JSON"),
        ({"annotations/pamela_train.json": '{"a": 1}'}, "not a JSON list of rows"),
        ({"annotations/pamela_train.json": '[{"participant_id": 1}]'}, "lacks the columns"),
        ({"annotations/pamela_train.json": "[]"}, "all empty"),
        ({"annotation/LAPIS_PIAA.csv": ""}, "does not read as csv"),
        (
            {"annotation/PARA-Images.csv": "sessionId,imageName,userId,aestheticScore\n"},
            "PARA-UserInfo.csv' is missing",
        ),
    ],
)
def test_a_broken_set_is_one_clear_line(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message) as error:
        load_ratings(tmp_path)
    assert "\n" not in str(error.value)


def test_the_check_sees_what_would_spoil_an_evaluation(tmp_path):
    for i in range(8):
        picture(tmp_path / "images" / f"{i}.png")
    (tmp_path / "images" / "7.png").write_bytes((tmp_path / "images" / "7.png").read_bytes()[:40])
    flat = [pamela_row("flat", i, 3) for i in range(6)]
    write_pamela(
        tmp_path,
        train=[pamela_row("a", i, 1 + i % 4) for i in range(6)] + flat,
        test_seen=[pamela_row("a", 7, 2)],
        test_unseen=[pamela_row("a", 0, 2)],
    )
    report = check(load_ratings(tmp_path))
    text = "\n".join(report.warnings)
    assert report.unreadable == ["images/7.png"]
    for expected in (
        "1 picture will be skipped",
        "1 picture of test_unseen also in train",
        "1 person of test_unseen also in train",
        "1 person with fewer than 5 ratings in test_seen",
        "1 person gave every picture the same score",
    ):
        assert expected in text
    assert "val_seen" in "\n".join(report.lines)


def test_a_csv_on_another_scale_is_refused_before_a_third_of_it_is_lost(tmp_path):
    picture(tmp_path / "a.png")
    path = tmp_path / "mine.csv"
    path.write_text("picture,score\n" + "".join(f"a.png,{s}\n" for s in (1, 2, 3, 4, 5, 6, 7)))
    with pytest.raises(DataError, match=r"2 of 7 scores in .* are outside 1 \.\.\. 5: they go from 1 to 7\."):
        load_csv(path)
    assert load_csv(path, (1, 7)).scale == (1, 7)
    path.write_text("picture,score\n" + "a.png,3\n" * 99 + "a.png,55\n")  # a slip of the finger
    assert load_csv(path).dropped["score outside 1 ... 5"] == 1


def test_a_kind_that_does_not_fit_is_one_line(tmp_path):
    (tmp_path / "mine.csv").write_text("picture,score\na.png,3\n")
    with pytest.raises(DataError, match="is a csv; a data set of the kind 'para' is a folder"):
        load_ratings(tmp_path / "mine.csv", "para")
    with pytest.raises(DataError, match="is no csv"):
        load_ratings(tmp_path, "csv")
    assert len(load_ratings(tmp_path / "mine.csv", "csv", need_pictures=False)) == 1
