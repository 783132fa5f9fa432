"""AVA, AVA-Captions and FLICKR-AES in their published formats, in files that we wrote."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from reward_models.ratings.ava import load_ava, load_ava_captions
from reward_models.ratings.sets import load_ratings
from reward_models.ratings.table import DataError


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)


@pytest.fixture
def ava(tmp_path):
    lines = [
        "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396",
        "2 953958 10 0 0 0 0 0 0 0 0 0 0 0 1",
        "3 954184 0 0 0 0 0 0 0 0 0 4 0 0 1",
    ]
    (tmp_path / "AVA.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "aesthetics_image_lists").mkdir()
    (tmp_path / "aesthetics_image_lists" / "generic_test.jpgl").write_text("953619\n954184\n77\n")
    for id_ in ("953619", "953958"):  # the third is not there
        picture(tmp_path / "images" / f"{id_}.jpg")
    return tmp_path


def test_ava_gives_mean_scores_of_the_official_test_pictures_that_are_there(ava):
    test, train, both = (load_ava(ava, split) for split in ("test", "train", "all"))
    assert test.pictures == ["images/953619.jpg"]
    counts = np.array([0, 1, 5, 17, 38, 36, 15, 6, 5, 1])
    assert test.scores.tolist() == [pytest.approx((counts * np.arange(1, 11)).sum() / counts.sum())]
    assert (train.pictures, train.scores.tolist()) == (["images/953958.jpg"], [1.0])
    assert len(both.pictures) == 2


@pytest.mark.parametrize("line", ["1 5 a 0 0 0 0 0 0 0 0 0 0 0 1", "1 5 0 0 0", "1 5 0 0 0 0 0 0 0 0 0 0 0 0 1"])
def test_a_line_of_ava_that_is_none_is_named(ava, line):
    with open(ava / "AVA.txt", "a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match="line 4"):
        load_ava(ava)


def test_captions_are_read_clean_and_by_split(tmp_path):
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        picture(tmp_path / "images" / name)
    rows = [
        {
            "filename": "1.jpg",
            "split": "test",
            "sentences": [{"raw": "Nice!!", "clean": "nice"}, {"tokens": ["so", "soft"]}],
        },
        {"filename": "2.jpg", "split": "train", "sentences": [{"raw": "great light"}]},
        {"filename": "3.jpg", "split": "test", "sentences": []},
        {"filename": "../4.jpg", "split": "test", "sentences": [{"raw": "out"}]},
        {"filename": "5.jpg", "split": "test", "sentences": [{"raw": "not there"}]},
    ]
    file = tmp_path / "captions.json"
    file.write_text(json.dumps({"dataset": "AVA", "images": rows}))
    found = load_ava_captions(file, tmp_path / "images")
    assert (found.pictures, found.references) == (["1.jpg"], [["nice", "so soft"]])
    assert load_ava_captions(file, tmp_path / "images", "train").references == [["great light"]]
    with pytest.raises(DataError, match="none of the 5 pictures"):
        load_ava_captions(file, tmp_path)
    file.write_text("[]")
    with pytest.raises(DataError, match="no list 'images'"):
        load_ava_captions(file, tmp_path)


@pytest.fixture
def flickr(tmp_path):
    rows = ["worker, imagePair, score"]
    for w in range(4):
        for p in range(6 if w < 3 else 3):
            picture(tmp_path / "40K" / f"farm{p}_b.jpg")
            rows.append(f"A{w}, farm{p}_b.jpg, {1 + (w + p) % 5}")
    rows.append("A0,gone.jpg,3")
    (tmp_path / "FLICKR-AES_image_labeled_by_each_worker.csv").write_text("\n".join(rows))
    return tmp_path


def test_flickr_aes_is_found_and_its_test_workers_are_unseen(flickr):
    found = load_ratings(flickr)
    assert (found.name, len(found), found.scale) == ("flickr-aes", 21, (1.0, 5.0))
    assert found.dropped == {"picture file is missing": 1}
    assert set(found.table["score"]) == {0, 0.25, 0.5, 0.75, 1}
    (flickr / "FLICKR-AES_test_workers.txt").write_text("A3\n")
    table = load_ratings(flickr).table
    assert set(table[table["person"] == "A3"]["split"]) == {"test_unseen"}
    train = table[table["split"] == "train"]
    assert set(train["picture"]) == {f"40K/farm{p}_b.jpg" for p in (3, 4, 5)}
    (flickr / "FLICKR-AES_test_workers.txt").write_text("A9\n")
    with pytest.raises(DataError, match="no worker 'A9'"):
        load_ratings(flickr)
