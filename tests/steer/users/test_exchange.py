"""A person as a file, and data sets of people."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from PIL import Image

from steer import Steerer
from steer.errors import UsageError
from steer.users.exchange import export_user, import_people, import_user, rate_from_csv, write_export
from steer.users.interview import Interview
from steer.users.schema import RENAMED_ENCODERS
from steer.users.store import UserStore


@pytest.fixture
def rated(miniature, store, questions):
    store.add("me", {"gender": "female"}, "no neon")
    interview = Interview(store, miniature.parts.reward, "me", questions)
    for score in (1, 5, 3.5, 2):
        interview.rate(interview.next(), score)
    interview.choose(*interview.next_pair())
    return store


def test_a_person_moves_to_another_machine_without_the_pictures(rated, miniature, tmp_path):
    encoder = miniature.parts.reward.encoder.fingerprint()
    write_export(export_user(rated, "me", [encoder]), tmp_path / "me.json")
    other = UserStore(tmp_path / "other.db")
    import_user(other, tmp_path / "me.json")
    import_user(other, tmp_path / "me.json", "me-too")
    reward, vectors = miniature.parts.reward, []
    for store in (rated, other):
        found = Steerer("miniature", store=store, reward=reward).parts.roster.learn("me")
        assert (found.used, found.lost) == (5, 0)
        vectors.append([p.vector.clone() for p in reward.ensemble.person("me")])
    for a, b in zip(*vectors, strict=True):
        assert np.allclose(a, b, atol=1e-5)
    assert other.user("me-too").demographics == {"gender": "female"}
    told = json.loads((tmp_path / "me.json").read_text())
    assert (told["profile"], len(told["ratings"]), told["ratings"][1]["score"]) == ("no neon", 4, 5)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"steer_user": 99}',
        '{"steer_user": 1, "id": "x"}',
        "\x00\x01",
        '{"steer_user": 1, "id": "x", "demographics": {}, "profile": "", "ratings": [{"picture": "h", "score": 9, "at": ""}], "choices": []}',  # noqa: E501
        '{"steer_user": 1, "id": "a/b", "demographics": {}, "profile": "", "ratings": [], "choices": []}',
    ],
)
def test_files_that_are_no_export(store, tmp_path, content):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        import_user(store, path)
    assert "\n" not in str(caught.value)
    assert store.users() == []


def test_an_import_over_somebody_is_refused(rated, miniature, tmp_path):
    write_export(export_user(rated, "me", []), tmp_path / "me.json")
    with pytest.raises(UsageError, match="there is already a user 'me'; import the file under another id: --as NAME"):
        import_user(rated, tmp_path / "me.json")
    assert rated.user("me").ratings == 4
    with pytest.raises(UsageError, match="a person of the reward 'u17'; import the file under another id: --as NAME"):
        import_user(rated, tmp_path / "me.json", "u17", miniature.parts.reward.teacher.trained)


def csv_of(tmp_path, *lines):
    for i in range(3):
        Image.new("RGB", (64, 64), (80 * i, 0, 0)).save(tmp_path / f"{i}.png")
    path = tmp_path / "r.csv"
    path.write_text("\n".join(("picture,score,prompt", *lines)))
    return path


def test_ratings_from_a_csv(store, miniature, tmp_path):
    store.add("me")
    path = csv_of(tmp_path, "0.png,4.5,a fox", "1.png,1,", f"{tmp_path}/2.png,3,a cat")
    assert rate_from_csv(store, miniature.parts.reward.teacher, "me", path) == 3
    assert [(r.score, r.prompt) for r in store.ratings("me")] == [(4.5, "a fox"), (1, ""), (3, "a cat")]
    assert Steerer("miniature", store=store, reward=miniature.parts.reward).parts.roster.learn("me").lost == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("9.png,3,", "line 3: '9.png' cannot be opened as a picture"),
        ("1.png,6,", "line 3: the score '6' is not a number from 1 to 5"),
        ("1.png,good,", "line 3: the score 'good'"),
        ("1.png,,", "line 3: the score ''"),
        ("r.csv,3,", "line 3: 'r.csv' cannot be opened as a picture"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_kept(store, miniature, tmp_path, line, said):
    store.add("me")
    with pytest.raises(UsageError, match=said):
        rate_from_csv(store, miniature.parts.reward.teacher, "me", csv_of(tmp_path, "0.png,4.5,a fox", line))
    assert store.ratings("me") == []


def test_a_csv_with_a_column_twice_and_one_that_is_no_file(store, miniature, tmp_path):
    store.add("me")
    (twice := tmp_path / "twice.csv").write_text("picture,score,score\na.png,4,1\n")
    os.mkfifo(pipe := tmp_path / "pipe.csv")
    for path, said in ((twice, "has two columns 'score'"), (pipe, "cannot be read")):
        with pytest.raises(UsageError, match=said):
            rate_from_csv(store, miniature.parts.reward.teacher, "me", path)
    assert store.user("me").ratings == 0


def test_a_csv_without_its_columns(store, miniature, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("file,stars\na,1\n")
    with pytest.raises(UsageError, match="has no column 'picture'"):
        rate_from_csv(store, miniature.parts.reward.teacher, "me", path)


def data_set(folder, *people):
    """A csv of these people and four pictures."""
    for i in range(4):
        Image.new("RGB", (64, 64), (60 * i, 9, 9)).save(folder / f"{i}.png")
    rows = [f"{p},{i}.png,{1 + (i + k) % 5},a fox" for k, p in enumerate(people) for i in range(4)]
    (folder / "all.csv").write_text("\n".join(("person,picture,score,prompt", *rows)))
    return str(folder / "all.csv")


def test_people_of_a_data_set_are_imported_read_only(store, miniature, tmp_path):
    source, teacher = data_set(tmp_path, "ann", "bob", "cid"), miniature.parts.reward.teacher
    found = import_people(store, source, None, teacher)
    assert (found.name, sorted(found.ids)) == ("all", ["ann", "bob", "cid"])
    assert [(u.id, u.ratings, bool(u.source)) for u in store.users()] == [
        ("ann", 4, True),
        ("bob", 4, True),
        ("cid", 4, True),
    ]
    with pytest.raises(UsageError, match="read-only"):
        store.rate("ann", "h", 3)
    assert Steerer("miniature", store=store, reward=miniature.parts.reward).parts.roster.learn("bob").used == 4
    with pytest.raises(UsageError, match=r"3 of the 3 people in .* have ids that are in use, such as 'ann'"):
        import_people(store, source, None, teacher)
    assert sorted(import_people(store, source, None, teacher, "all-").ids) == ["all-ann", "all-bob", "all-cid"]


def test_a_data_set_with_ids_of_the_reward_is_refused_or_named_apart(store, miniature, tmp_path, questions):
    """u17 of the reward stays what it was, to the last bit."""
    source, reward = data_set(tmp_path, "ann", "U17"), miniature.parts.reward

    def u17():
        vectors = [p.vector.numpy().tobytes() + p.covariance.numpy().tobytes() for p in reward.ensemble.person("u17")]
        roster = Steerer("miniature", store=store, reward=reward).parts.roster
        scores = reward.score([q.image for q in questions[:3]], [q.prompt for q in questions[:3]], roster.person("u17"))
        return vectors, scores.personal.tobytes(), scores.uncertainty.tobytes()

    before = u17()
    with pytest.raises(UsageError, match=r"1 of the 2 people in .* such as 'U17'; give them other ids: --prefix all-"):
        import_people(store, source, None, reward.teacher)
    assert store.users() == []
    import_people(store, source, None, reward.teacher, "all-")
    roster = Steerer("miniature", store=store, reward=reward).parts.roster
    assert roster.learn("all-U17").used == 4
    assert u17() == before
    store.delete_import("all")
    assert u17() == before


def test_an_export_from_before_fingerprints_changed_still_teaches(rated, miniature, tmp_path):
    encoder = miniature.parts.reward.encoder.fingerprint()
    told = export_user(rated, "me", [encoder])
    before = next(old for old, new in RENAMED_ENCODERS.items() if new == encoder)
    told["features"] = {before: told["features"].pop(encoder)}
    write_export(told, tmp_path / "me.json")
    other = UserStore(tmp_path / "other.db")
    import_user(other, tmp_path / "me.json")
    pictures = other.told("me").pictures
    assert set(other.own_features("me", encoder, pictures)) == set(pictures) != set()
