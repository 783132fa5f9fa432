"""The history, asked by a real client: listed, searched, looked at, kept, rated, gone on with, exported."""

from __future__ import annotations

import io
import json
import shutil
import zipfile

import pytest
from PIL import Image

from steer.ui.favourites import favourites_of
from tests.steer.server.conftest import fake_parts
from tests.steer.server.test_queue import SlowRenderer
from tests.steer.ui.conftest import paged, run_to_its_end, wait_for


@pytest.fixture(scope="module")
def fox(painted):
    """A finished run for a user of the store."""
    visitor = painted.visit()
    if painted.service.parts.store.get("me") is None:
        painted.service.parts.store.add("me")
    name = run_to_its_end(
        visitor, prompt="a fox in the snow", user="me", budget=8, seed=3, strength="light", learn=True
    )
    return visitor, name


def test_a_run_is_stored_as_it_was_wished(painted, fox):
    visitor, name = fox
    assert name.endswith("fox-in-the-snow-me")
    told = visitor.get(f"ui/runs/{name}").json()
    assert (told["state"], told["rater"], told["live"], told["prompt"]) == ("done", "me", None, "a fox in the snow")
    assert 4 <= len(told["pictures"]) <= 8
    assert {told["best"], told["original"]} <= {p["index"] for p in told["pictures"]}
    assert told["liking"] >= told["liking_of_prompt"]
    manifest = json.loads((painted.out / name / "manifest.json").read_text())
    assert manifest["config"]["search"]["strength"] == "light"
    assert manifest["config"]["search"]["learn"] is True
    (card,) = [c for c in visitor.get("ui/runs").json()["runs"] if c["name"] == name]
    assert (card["finished"], card["best"], card["user"]) == (True, told["best"], "me")


def test_pictures_are_as_large_as_they_are_shown(painted, fox):
    visitor = fox[0]
    name = "20200101-000000-copy"
    shutil.copytree(painted.out / fox[1], painted.out / name)
    whole = visitor.get(f"ui/runs/{name}/pictures/0")
    small = visitor.get(f"ui/runs/{name}/pictures/0?side=256")
    assert Image.open(io.BytesIO(whole.content)).format == "PNG"
    assert small.content == whole.content  # it is small already
    Image.effect_noise((900, 450), 60).convert("RGB").save(painted.out / name / "pictures/0001.png")
    for side in (256, 768):
        made = Image.open(io.BytesIO(visitor.get(f"ui/runs/{name}/pictures/1?side={side}").content))
        assert (made.format, made.size) == ("WEBP", (side, side // 2))
    assert small.headers["cache-control"].startswith("private")
    assert visitor.get(f"ui/runs/{name}/pictures/0?side=100").status_code == 400
    for missing in (f"ui/runs/{name}/pictures/99", "ui/runs/nothing/pictures/0", "ui/runs/..%2f..%2fetc/pictures/0"):
        assert visitor.get(missing).status_code == 404
    shutil.rmtree(painted.out / name)


def test_search_finds_all_words_in_any_case(painted, fox):
    visitor, name = fox
    other = run_to_its_end(visitor, prompt="a castle", user="u3", budget=4)
    found = lambda query: [r["name"] for r in visitor.get("ui/runs", params={"query": query}).json()["runs"]]  # noqa: E731
    assert found("SNOW fox") == [name]
    assert found("castle u3") == [other]
    assert found("nothing-like-it") == []
    newest = visitor.get("ui/runs", params={"most": 1}).json()
    assert newest["more"] is True
    after = visitor.get("ui/runs", params={"after": newest["runs"][0]["name"]}).json()["runs"]
    assert newest["runs"][0]["name"] not in {r["name"] for r in after}


def test_favourites_are_plain_data_in_the_folder_of_their_run(painted, fox):
    visitor, name = fox
    keep = lambda index, on: visitor.post(  # noqa: E731
        f"ui/runs/{name}/favourite", json={"picture": index, "favourite": on}
    )
    keep(5, True)
    assert keep(2, True).json() == {"favourites": [2, 5]}
    assert json.loads((painted.out / name / "favourites.json").read_text()) == {"pictures": [2, 5]}
    assert [r["name"] for r in visitor.get("ui/runs?favourites=true").json()["runs"]] == [name]
    packed = zipfile.ZipFile(io.BytesIO(visitor.get("ui/export?favourites=true").content))
    assert sum(f.endswith(".png") for f in packed.namelist()) == 2
    assert json.loads(packed.read(f"{name}/favourites.json")) == {"pictures": [2, 5]}
    assert keep(99, True).status_code == 404
    keep(2, False)
    assert keep(5, False).json() == {"favourites": []}
    assert not (painted.out / name / "favourites.json").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"pictures": "all"}', '{"pictures": [-1, "x", null, true, 3.5]}', "\0"])
def test_favourites_that_somebody_wrote_wrongly_are_none(tmp_path, content):
    (tmp_path / "favourites.json").write_text(content)
    assert favourites_of(tmp_path) == []


def test_a_rating_is_stored_and_learnt(painted, fox):
    visitor, name = fox
    store = painted.service.parts.store
    before = store.told("me").digest()
    rated = visitor.post(f"ui/runs/{name}/rate", json={"picture": 1, "score": 5}).json()
    assert rated == {"user": "me", "picture": 1, "score": 5.0}
    (rating,) = [r for r in store.ratings("me") if r.score == 5 and r.prompt == "a fox in the snow"]
    assert rating
    assert store.told("me").digest() != before
    for wrong in ({"picture": 99, "score": 3}, {"picture": 0, "score": 9}, {"picture": 0}):
        assert visitor.post(f"ui/runs/{name}/rate", json=wrong).status_code in (400, 404)
    assert visitor.post(f"ui/runs/{name}/rate", json={"picture": 0, "score": 3, "user": "u3"}).status_code == 403


def test_export_has_the_pictures_named_by_their_texts(painted, fox):
    visitor, name = fox
    answer = visitor.get("ui/export", params={"run": name})
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.zip"'
    packed = zipfile.ZipFile(io.BytesIO(answer.content))
    pictures = [f for f in packed.namelist() if f.endswith(".png")]
    assert len(pictures) == len(visitor.get(f"ui/runs/{name}").json()["pictures"])
    assert all(f.startswith(f"{name}/") and "fox" in f for f in pictures)
    about = json.loads(packed.read(f"{name}/about.json"))
    assert {p["file"] for p in about["pictures"]} == {f.partition("/")[2] for f in pictures}
    assert packed.read(pictures[0]) == (painted.out / name / "pictures/0000.png").read_bytes()
    two = visitor.get("ui/export", params={"picture": [f"{name}/0", f"{name}/3"]})
    assert sum(f.endswith(".png") for f in zipfile.ZipFile(io.BytesIO(two.content)).namelist()) == 2
    for wrong, status in (
        ({"picture": "fox"}, 400),
        ({"run": "none"}, 404),
        ({"picture": f"{name}/99"}, 400),
        ({}, 400),
    ):
        assert visitor.get("ui/export", params=wrong).status_code == status, wrong


def test_a_stopped_run_goes_on_from_the_page(tmp_path):
    with paged(fake_parts(tmp_path, SlowRenderer()), tmp_path / "outputs") as server:
        visitor = server.visit()
        id_ = visitor.post("v1/runs", json={"prompt": "a fox", "user": "bob", "budget": 12, "learn": True}).json()["id"]
        name = wait_for(lambda: visitor.get(f"v1/runs/{id_}").json()["name"])
        wait_for(lambda: visitor.get(f"ui/runs/{name}").json()["pictures"])
        assert visitor.get(f"ui/runs/{name}").json()["live"] == id_
        assert visitor.post(f"ui/runs/{name}/resume").status_code == 409
        visitor.post(f"v1/runs/{id_}/stop")
        visitor.get(f"v1/runs/{id_}/events")
        stopped = visitor.get(f"ui/runs/{name}").json()
        assert stopped["state"] == "stopped"
        assert 0 < len(stopped["pictures"]) < 12
        again = visitor.post(f"ui/runs/{name}/resume")
        assert again.status_code == 202
        assert again.json()["name"] == name
        visitor.get(f"v1/runs/{again.json()['id']}/events")
        whole = visitor.get(f"ui/runs/{name}").json()
        assert whole["state"] == "done"
        assert len(whole["pictures"]) == 12
        assert whole["pictures"][0] == stopped["pictures"][0]


def test_a_run_of_other_models_says_how_to_go_on(faked, fox, painted):
    _, name = fox
    shutil.copytree(painted.out / name, faked.out / name)
    (faked.out / name / "result.json").unlink()
    visitor = faked.visit()
    assert visitor.get(f"ui/runs/{name}").json()["state"] == "unfinished"
    answer = visitor.post(f"ui/runs/{name}/resume")
    assert answer.status_code == 400
    assert "another renderer" in answer.json()["error"]["message"]


def test_damaged_and_foreign_folders_disturb_nobody(faked):
    visitor = faked.visit()
    name = run_to_its_end(visitor, prompt="a fox", user="bob", budget=4)
    for i, manifest in enumerate(("", "[]", "{}", '{"request": 3}', '{"request": {"prompt": 3, "user": "!"}}')):
        (faked.out / f"odd-{i}").mkdir()
        (faked.out / f"odd-{i}" / "manifest.json").write_text(manifest)
    (faked.out / "elsewhere").symlink_to(faked.out / name)
    (faked.out / name / "result.json").write_text('{"gain": "much", "best": 3, "picture": "../../x.png"}')
    page = visitor.get("ui/runs").json()["runs"]
    assert [r["name"] for r in page] == [name]
    assert (page[0]["best"], page[0]["gain"]) == (None, None)
    answer = visitor.get(f"ui/runs/{name}")
    assert answer.status_code == 400
    assert "\n" not in answer.json()["error"]["message"]
    assert visitor.get("ui/runs/elsewhere").status_code in (400, 404)
