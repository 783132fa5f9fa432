"""What data sets know of people beside demographics goes onto cards, and not into PAMELA's tables."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from reward_models.cards import LEVELS, card
from reward_models.ratings.profiles import described_people
from reward_models.ratings.sets import load_csv, load_ratings
from reward_models.ratings.table import DataError, Profile


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


@pytest.fixture
def para(tmp_path):
    folder = tmp_path / "annotation"
    folder.mkdir()
    rows = [f"s1,{i}.jpg,u{k},{1 + i % 5}" for i in range(6) for k in range(3)]
    (folder / "PARA-Images.csv").write_text("\n".join(["sessionId,imageName,userId,aestheticScore", *rows]))
    (folder / "PARA-UserInfo.csv").write_text(
        "userId,age,gender,EducationalLevel,artExperience,photographyExperience,"
        "personality-E,personality-A,personality-N,personality-O,personality-C\n"
        "u0,25,male,bachelor,novice,expert,7,5,3,9,4\n"
        "u1,35,female,master,expert,,6,,2,8,1\n"
    )
    for i in range(6):
        picture(tmp_path / "imgs" / "s1" / f"{i}.jpg")
    return tmp_path


def test_para_keeps_big_five_on_the_card_alone(para):
    ratings = load_ratings(para)
    assert ratings.profiles["u1"].fields == {
        "extraversion": "6", "neuroticism": "2", "openness": "8", "conscientiousness": "1",
    }  # fmt: skip
    assert "u2" not in ratings.profiles
    assert not {"extraversion", "openness"} & set(ratings.table.columns)
    assert not {"extraversion", "openness"} & set(ratings.demographics)
    people = described_people(ratings)
    assert card(people["u0"].demographics, "", LEVELS["traits"]).splitlines()[-5:] == [
        "agreeableness: 5", "conscientiousness: 4", "extraversion: 7", "neuroticism: 3", "openness: 9",
    ]  # fmt: skip
    assert people["u2"].demographics == {}


def test_lapis_keeps_the_means_of_its_questionnaire(tmp_path):
    (tmp_path / "annotation").mkdir()
    items = [*(f"VAIAK{i}" for i in range(1, 8)), *(f"2VAIAK{i}" for i in range(1, 5))]
    lines = [",".join(["participant_id", "image_filename", "rating", "age", *items])]
    for i in range(5):
        lines.append(",".join(["a", f"{i}.jpg", str(20 * i), "28-38", *"1111112", *"2345"]))
        lines.append(",".join(["b", f"{i}.jpg", "50", "28-38", *[""] * 7, *"0000"]))
        picture(tmp_path / "images" / f"{i}.jpg")
    (tmp_path / "annotation" / "LAPIS_PIAA.csv").write_text("\n".join(lines))
    ratings = load_ratings(tmp_path)
    assert ratings.profiles == {
        "a": Profile({"art_interest": "1.1", "art_knowledge": "3.5"}),
        "b": Profile({"art_knowledge": "0.0"}),
    }
    told = described_people(ratings)["a"].demographics
    assert "art interest: 1.1" in card(told, "", LEVELS["traits"])
    assert "art interest" not in card(told, "", LEVELS["demographics"])


def test_a_csv_may_say_who_its_people_are(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "mine.csv").write_text(
        "picture,score,person,profile.openness,profile.words,demographics.age\n"
        'a.png,4,me,9,"warm light, no neon",31\n'
        "a.png,2,you,,,40\n"
    )
    ratings = load_csv(tmp_path / "mine.csv")
    assert ratings.profiles == {"me": Profile({"openness": "9"}, "warm light, no neon")}
    me = described_people(ratings)["me"]
    assert (me.id, me.demographics, me.profile) == (None, {"age": "31", "openness": "9"}, "warm light, no neon")
    assert ratings.demographics == ("age",)


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 3}', '{"a": {"words": 3}}', '{"a": {"words": ["x"]}}'])
def test_profiles_that_make_no_sense_are_one_line(tmp_path, text):
    (tmp_path / "annotations").mkdir()
    row = {"participant_id": "a", "image_path": "a.png", "original_score": 3}
    (tmp_path / "annotations" / "pamela_train.json").write_text(json.dumps([row]))
    picture(tmp_path / "a.png")
    assert load_ratings(tmp_path).profiles == {}
    (tmp_path / "annotations" / "profiles.json").write_text(text)
    with pytest.raises(DataError, match=r"profiles\.json") as error:
        load_ratings(tmp_path)
    assert "\n" not in str(error.value)
