"""People on the page: added, described, taught by pictures and ratings, looked at, deleted."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from steer.users.pictures import shipped_pictures
from tests.steer.ui.conftest import run_to_its_end


@pytest.fixture
def visitor(painted):
    return painted.visit()


def test_a_person_from_words_to_beliefs_to_nothing(painted, visitor):
    made = visitor.post("ui/people", json={"name": "words", "profile": "at night, no fog"})
    assert made.status_code == 201
    told = made.json()
    assert (told["profile"], told["ratings"], told["read_only"]) == ("at night, no fog", 0, False)
    assert 0 <= told["known"] <= 1
    assert {p["text"]: p["liked"] for p in told["phrases"]} == {"at night": True, "fog": False}
    assert "words" in [p["id"] for p in visitor.get("ui/people").json()["own"]]
    changed = visitor.post("ui/people/words/describe", json={"profile": "pastel colours"}).json()
    assert changed["profile"] == "pastel colours"
    run_to_its_end(visitor, prompt="a cat", user="words", budget=4)
    gone = visitor.delete("ui/people/words").json()
    assert gone["runs"] == 1  # its folder stays, and that is said
    assert painted.service.parts.store.get("words") is None
    assert visitor.get("ui/people/words").status_code == 404
    assert visitor.delete("ui/people/words").status_code == 404


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "not a valid user id"),
        ("<b>", "not a valid user id"),
        ("u17", "data set"),
        ("average", "nobody"),
        ("x" * 99, ""),
    ],
)
def test_names_that_cannot_be(visitor, name, said):
    answer = visitor.post("ui/people", json={"name": name})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_five_liked_pictures_are_a_start(painted, visitor):
    visitor.post("ui/people", json={"name": "liker"})
    before = visitor.get("ui/people/liker").json()["known"]
    for question in shipped_pictures()[:5]:
        content = io.BytesIO()
        question.image.save(content, "JPEG")
        answer = visitor.post("ui/people/liker/liked", content=content.getvalue())
        assert answer.json()["new"] == 1
    assert answer.json() == {"new": 1, "ratings": 5, "enough": True}
    assert visitor.post("ui/people/liker/liked", content=content.getvalue()).json()["new"] == 0
    assert visitor.get("ui/people/liker").json()["known"] > before
    assert {r.score for r in painted.service.parts.store.ratings("liker")} == {4.4}
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "PNG")
    for content in (b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"x" * 100, bomb.getvalue()):
        wrong = visitor.post("ui/people/liker/liked", content=content)
        assert wrong.status_code == 400
        assert "cannot be read as a picture" in wrong.json()["error"]["message"]
    assert visitor.post("ui/people/liker/liked", content=b"x" * (2**20 + 1)).status_code == 413
    assert visitor.post("ui/people/nobody/liked", content=b"").status_code == 400
    visitor.delete("ui/people/liker")


def test_an_interview_asks_learns_skips_and_takes_back(painted, visitor):
    store = painted.service.parts.store
    visitor.post("ui/people", json={"name": "asked"})
    first = visitor.get("ui/people/asked/question").json()
    assert first["answers"] == 0
    assert first["question"]["prompt"]
    picture = first["question"]["picture"]
    shown = visitor.get(f"ui/people/asked/pictures/{picture}")
    assert Image.open(io.BytesIO(shown.content)).size == (128, 128)
    second = visitor.post("ui/people/asked/answer", json={"picture": picture, "score": 5}).json()
    assert second["answers"] == 1
    assert second["question"]["picture"] != picture
    assert second["known"] > first["known"]
    assert [(r.picture, r.score) for r in store.ratings("asked")] == [(picture, 5)]
    third = visitor.post("ui/people/asked/answer", json={"picture": second["question"]["picture"]}).json()
    assert third["answers"] == 1
    back = visitor.post("ui/people/asked/answer", json={"undo": True}).json()
    assert back["answers"] == 0
    assert store.ratings("asked") == []
    assert visitor.post("ui/people/asked/answer", json={"picture": "0" * 64, "score": 5}).status_code == 400
    assert visitor.post("ui/people/asked/answer", json={"picture": picture, "score": 6}).status_code == 400
    assert visitor.get("ui/people/u17/question").status_code == 400
    assert visitor.get(f"ui/people/asked/pictures/{'0' * 64}").status_code == 404
    visitor.delete("ui/people/asked")
    assert visitor.get("ui/people/asked/question").status_code == 400


def test_a_person_of_the_data_set_is_only_looked_at(visitor):
    told = visitor.get("ui/people/u17").json()
    assert told["read_only"] is True
    assert told["likes"]
    assert "profile" not in told
    assert visitor.post("ui/people/u17/describe", json={"profile": "x"}).status_code == 400
