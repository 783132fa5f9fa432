"""Small copies of rated pictures: only where they are asked for, and gone with the person."""

from __future__ import annotations

import io
import sqlite3

import numpy as np
import pytest
from PIL import Image

from steer.errors import UsageError
from steer.users import schema
from steer.users.enrolment import gather
from steer.users.exchange import export_user, import_user, write_export
from steer.users.interview import Interview
from steer.users.kept_pictures import opened, thumbnail
from steer.users.pictures import Question
from steer.users.rating import rate_candidate, take_back
from steer.users.records import picture_hash
from steer.users.store import UserStore


@pytest.fixture
def photos(tmp_path):
    """Noise that ships with nothing, by hash."""
    rng, found = np.random.default_rng(0), []
    (tmp_path / "photos").mkdir()
    for i in range(3):
        path = tmp_path / "photos" / f"{i}.png"
        Image.fromarray(rng.integers(0, 255, (300, 600, 3), np.uint8)).save(path)
        found.append(Question(path, "", "photos"))
    return found


def keep(store, user, *photos):
    for photo in photos:
        store.rate(user, photo.hash, 4)
    store.keep_small(user, {p.hash: p.image for p in photos})


def on_disk(store, pieces):
    """Those bytes that are in a file of the store."""
    written = [p.read_bytes() for p in store.path.parent.glob("users.db*")]
    return [piece for piece in pieces if any(piece in file for file in written)]


def test_off_at_first_and_small_when_on(store, photos):
    store.add("me")
    store.add("you", keep_pictures=True)
    keep(store, "me", *photos)
    keep(store, "you", *photos[:2])
    assert (store.user("me").thumbnails, store.user("you").thumbnails) == (0, 2)
    (data,) = store.thumbnails("you", [photos[0].hash]).values()
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("JPEG", (256, 128))


def test_of_nothing_that_the_person_did_not_rate(store, photos):
    store.add("me", keep_pictures=True)
    store.keep_small("me", {photos[0].hash: photos[0].image})
    assert store.kept("me") == set()


def test_deleted_with_the_person_but_not_what_another_keeps(store, photos):
    for user in ("me", "you"):
        store.add(user, keep_pictures=True)
    keep(store, "me", *photos)
    keep(store, "you", photos[0])
    data = store.thumbnails("me", [photos[1].hash])[photos[1].hash]
    pieces = [data[i : i + 64] for i in range(700, len(data) - 64, 64)]  # SQLite spreads it over pages
    assert len(on_disk(store, pieces)) > 10
    gone = store.delete("me")
    assert (gone["thumbnails"], store.kept("you")) == (3, {photos[0].hash})
    assert on_disk(store, pieces) == []


def test_reset_undo_and_no_more_keeping_delete_them(store, photos):
    store.add("me", keep_pictures=True)
    keep(store, "me", *photos)
    store.take_back("me", "rating", store.ratings("me")[0].id)
    assert store.kept("me") == {p.hash for p in photos[1:]}
    store.set_keep_pictures("me", False)
    assert (store.kept("me"), store.user("me").ratings) == (set(), 2)
    store.set_keep_pictures("me", True)
    keep(store, "me", *photos)
    assert store.reset("me")["thumbnails"] == 3


def test_they_go_along_when_a_person_is_renamed(store, photos):
    store.add("me", keep_pictures=True)
    keep(store, "me", *photos)
    assert store.rename("me", "ann").thumbnails == 3


def test_a_new_person_who_begins_with_an_interview(store, miniature, questions):
    store.begin("new", keep_pictures=True)
    interview = Interview(store, miniature.parts.reward, "new", questions[:8])
    interview.rate(interview.next(), 4)
    interview.choose(*interview.next_pair())
    assert store.user("new").thumbnails == len(set(store.told("new").pictures))
    interview.undo()
    interview.undo()
    assert store.user("new").thumbnails == 0


def test_a_rating_during_a_run(store, miniature, photos):
    store.add("me", keep_pictures=True)
    rated = rate_candidate(store, miniature.parts.reward, "me", photos[0].image, "a fox", 4, "run")
    assert store.kept("me") == {photos[0].hash}
    take_back(store, rated)
    assert store.kept("me") == set()


def test_a_teacher_looks_at_them(store, miniature, photos, questions):
    store.add("me", keep_pictures=True)
    keep(store, "me", *photos)
    store.rate("me", questions[0].hash, 2)
    teacher = miniature.parts.reward.teacher
    evidence, used = gather(store, teacher, store.told("me"))
    assert used == 4
    sizes = {row: image.size for row, image in evidence.thumbnails.items()}
    assert sizes == {0: (256, 128), 1: (256, 128), 2: (256, 128), 3: questions[0].image.size}
    hashes = [p.hash for p in photos]
    assert set(store.own_features("me", teacher.key, hashes)) == set(hashes)
    assert store.features(teacher.key, hashes) == {}  # a small copy tells nothing about the picture itself


def test_another_persons_pictures_are_not_looked_at(store, miniature, photos):
    store.add("me")
    store.add("you", keep_pictures=True)
    keep(store, "you", *photos)
    keep(store, "me", *photos)
    evidence, used = gather(store, miniature.parts.reward.teacher, store.told("me"))
    assert (used, len(evidence.thumbnails)) == (0, 0)


def test_exports_hold_them_only_where_they_are_asked_for(store, photos, tmp_path):
    store.add("me", keep_pictures=True)
    keep(store, "me", *photos)
    assert "thumbnails" not in export_user(store, "me", [])
    write_export(export_user(store, "me", [], with_pictures=True), tmp_path / "me.json")
    other = UserStore(tmp_path / "other.db")
    assert import_user(other, tmp_path / "me.json").thumbnails == 0
    again = import_user(other, tmp_path / "me.json", "again", with_pictures=True)
    assert (again.thumbnails, again.keep_pictures) == (3, True)
    assert other.thumbnails("again", [photos[0].hash]) == store.thumbnails("me", [photos[0].hash])


@pytest.mark.parametrize("content", ["bm8gcGljdHVyZQ==", "!", None])
def test_an_export_with_something_else_in_place_of_a_picture(store, photos, tmp_path, content):
    store.add("me", keep_pictures=True)
    keep(store, "me", photos[0])
    told = export_user(store, "me", [], with_pictures=True)
    told["thumbnails"][photos[0].hash] = content
    write_export(told, tmp_path / "me.json")
    with pytest.raises(UsageError, match="is not a user exported by steer"):
        import_user(store, tmp_path / "me.json", "again", with_pictures=True)
    assert store.ids() == ["me"]


def test_only_small_jpegs_are_opened():
    big = io.BytesIO()
    Image.new("RGB", (300, 300)).save(big, "JPEG")
    with pytest.raises(ValueError, match="300 x 300"):
        opened(big.getvalue())
    assert opened(thumbnail(Image.new("RGBA", (20, 10)))).size == (20, 10)


def test_a_store_of_the_version_before(tmp_path):
    """As it was written: people and their ratings stay, nobody keeps pictures."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as db:
        for statement in ";".join(schema.MIGRATIONS[:2]).split(";"):
            db.execute(statement)
        db.execute("INSERT INTO users VALUES ('me', '{}', 'warm light', '', 'then')")
        db.execute("INSERT INTO pictures VALUES ('h', 'a fox', 'run')")
        db.execute("INSERT INTO ratings VALUES (1, 'me', 'h', 4, 'then')")
        db.execute("PRAGMA user_version = 2")
    db.close()
    store = UserStore(path)
    found = store.user("me")
    assert (found.profile, found.ratings, found.keep_pictures, found.thumbnails) == ("warm light", 1, False, 0)
    store.set_keep_pictures("me", True)
    image = Image.new("RGB", (8, 8))
    store.rate("me", picture_hash(image), 3)
    store.keep_small("me", {picture_hash(image): image})
    assert store.user("me").thumbnails == 1
