"""Folders of liked and disliked pictures, as they lie on a disk."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from reward_models import Person
from steer import Steerer
from steer.errors import UsageError
from steer.users.liked import rate_folders, read_folders


@pytest.fixture
def folders(tmp_path, questions, ratings_of):
    """The five shipped pictures that somebody likes best and least, as jpg, png and webp."""
    order = sorted(questions, key=lambda q: ratings_of("u190")[q.hash])
    for kind, some in (("bad", order[:5]), ("good", order[-5:])):
        (tmp_path / kind / "deeper").mkdir(parents=True)
        for i, (question, ending) in enumerate(zip(some, ("png", "jpg", "webp", "JPEG", "png"), strict=True)):
            question.image.save(tmp_path / kind / ("deeper" if i == 4 else "") / f"{i}.{ending}")
    return tmp_path / "good", tmp_path / "bad"


def test_ten_pictures_teach_a_taste(miniature, store, folders):
    store.add("me")
    found = read_folders(*folders)
    assert found.said == "5 liked pictures and 5 disliked pictures"
    reward = miniature.parts.reward
    assert rate_folders(store, reward.teacher, "me", found) == 10
    assert sorted(r.score for r in store.ratings("me")) == [1.6] * 5 + [4.4] * 5
    learned = Steerer("miniature", store=store, reward=reward).parts.roster.learn("me")
    assert (learned.used, learned.lost) == (10, 0)
    shown = [q.image for q, *_ in found.pictures.values()]
    liked = np.array([score > 3 for _, score, _ in found.pictures.values()])

    def gap(person):
        scores = reward.score(shown, [""] * 10, person).personal
        return scores[liked].mean() - scores[~liked].mean()

    assert gap(Person("me")) > gap(Person()) + 0.05


def test_where_they_come_from_is_kept(store, miniature, folders):
    store.add("me")
    rate_folders(store, miniature.parts.reward.teacher, "me", read_folders(*folders))
    with store.writing() as db:
        assert {r[0] for r in db.execute("SELECT origin FROM ratings")} == {"liked: good", "disliked: bad"}


def test_a_picture_in_both_is_one_clear_line(folders):
    good, bad = folders
    with Image.open(good / "0.png") as image:
        image.save(bad / "again.bmp")
    with pytest.raises(UsageError, match=r"good/0.png' and '.*bad/again.bmp' are the same picture, liked and disliked"):
        read_folders(good, bad)


def test_copies_count_once_and_what_is_no_picture_is_left_out_and_counted(folders, caplog, monkeypatch):
    good, _ = folders
    with Image.open(good / "0.png") as image:
        image.save(good / "copy.png")
    (good / "broken.jpg").write_bytes(b"no picture")
    (good / "notes.txt").write_text("no picture either")
    monkeypatch.setattr("reward_models.pictures.MOST_PIXELS", 200 * 200)
    Image.new("RGB", (300, 200)).save(good / "huge.png")
    assert read_folders(good, None).said == "5 liked pictures"
    assert "2 pictures in" in caplog.text
    assert "could not be opened" in caplog.text


def test_a_photograph_is_seen_upright(tmp_path):
    """The camera's orientation, 6: to be turned by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a.jpg", exif=exif)
    ((question, *_),) = read_folders(tmp_path, None).pictures.values()
    assert question.image.size == (40, 60)


def test_a_more_exact_rating_stays_and_a_contrary_one_goes(store, miniature, folders):
    store.add("me")
    found = read_folders(*folders)
    agrees, differs = [h for h, (_, score, _) in found.pictures.items() if score > 3][:2]
    store.rate("me", agrees, 5)
    store.rate("me", differs, 1)
    assert rate_folders(store, miniature.parts.reward.teacher, "me", found) == 9
    scores = {r.picture: r.score for r in store.ratings("me")}
    assert (scores[agrees], scores[differs]) == (5, 4.4)
    assert rate_folders(store, miniature.parts.reward.teacher, "me", found) == 0


def test_other_people_do_not_change_by_it(store, miniature, folders):
    store.add("me")
    store.add("you")
    rate_folders(store, miniature.parts.reward.teacher, "me", read_folders(*folders))
    assert store.ratings("you") == []


def test_without_a_teacher_thumbnails_are_learned_from_later(store, miniature, folders):
    store.add("me", keep_pictures=True)
    rate_folders(store, None, "me", read_folders(*folders))
    assert len(store.kept("me")) == 10
    assert store.features(miniature.parts.reward.teacher.key, list(store.kept("me"))) == {}
    learned = Steerer("miniature", store=store, reward=miniature.parts.reward).parts.roster.learn("me")
    assert (learned.used, learned.lost) == (10, 0)
