"""Batches on the page: uploaded, watched beside a run, stopped, gone on with, taken home."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest

from tests.steer.server.conftest import fake_parts
from tests.steer.server.test_queue import SlowRenderer
from tests.steer.ui.conftest import paged, run_to_its_end, wait_for


def finished(visitor, name):
    return wait_for(lambda: None if (told := visitor.get(f"ui/batches/{name}").json())["working"] else told)


def test_a_file_of_prompts_becomes_a_table_and_pictures(painted):
    visitor = painted.visit()
    file = b"prompt,user\na cat,\na castle,u3\n"
    made = visitor.post("ui/batches", params={"file": "my prompts.csv", "user": "u17", "budget": 4}, content=file)
    assert made.status_code == 201, made.text
    name = made.json()["name"]
    assert name == "batch-my-prompts"
    told = finished(visitor, name)
    assert told["states"] == {"done": 2}
    assert [(r["prompt"], r["user"]) for r in told["rows"]] == [("a cat", "u17"), ("a castle", "u3")]
    row = told["rows"][0]
    assert row["pictures"] == 4
    assert visitor.get(f"ui/batches/{name}/rows/{row['id']}/picture").headers["content-type"] == "image/png"
    packed = zipfile.ZipFile(io.BytesIO(visitor.get(f"ui/batches/{name}/result").content))
    table = list(csv.DictReader(io.TextIOWrapper(packed.open(f"{name}/results.csv"))))
    assert [r["prompt"] for r in table] == ["a cat", "a castle"]
    assert f"{name}/{table[0]['picture']}" in packed.namelist()
    assert name in [b["name"] for b in visitor.get("ui/batches").json()["batches"]]
    assert name not in [r["name"] for r in visitor.get("ui/runs").json()["runs"]]
    assert visitor.get(f"ui/batches/{name}/rows/..%2f..%2fx/picture").status_code in (400, 404)
    assert visitor.get(f"ui/batches/{name}/rows/none/picture").status_code == 404


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("a.txt", b"", "no prompt"),
        ("a.exe", b"a fox", "no file of prompts"),
        ("a.txt", b"\xff\xfe\x00", "UTF-8"),
        ("a.csv", b"prompt,user\na fox,stranger\n", "stranger"),
        ("a.jsonl", b'{"prompt": "a fox", "proposer.kind": "chat"}\n', "may change search and objective"),
        ("../../a.csv", b"wrong\na fox\n", "a.csv has no column"),
    ],
)
def test_a_file_that_is_wrong_is_said_and_leaves_nothing(painted, file, content, said):
    visitor = painted.visit()
    before = sorted(p.name for p in painted.out.iterdir()) if painted.out.exists() else []
    answer = visitor.post("ui/batches", params={"file": file, "user": "u17"}, content=content)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert "/tmp" not in answer.json()["error"]["message"]
    assert (sorted(p.name for p in painted.out.iterdir()) if painted.out.exists() else []) == before


def test_a_run_in_a_tab_has_its_turn_beside_a_batch_and_another_tab(tmp_path):
    """Two tabs and a batch at once: none waits for all of another."""
    with paged(fake_parts(tmp_path, SlowRenderer(0.02)), tmp_path / "outputs") as server:
        one, two = server.visit(), server.visit()
        rows = "\n".join(f"a fox number {i}" for i in range(12)).encode()
        made = one.post("ui/batches", params={"file": "many.txt", "user": "u1", "budget": 4}, content=rows).json()
        wait_for(lambda: one.get(f"ui/batches/{made['name']}").json()["states"].get("done"))
        first = one.post("v1/runs", json={"prompt": "a cat", "user": "bob", "budget": 4}).json()["id"]
        second = run_to_its_end(two, prompt="a dog", user="u17", budget=4)
        one.get(f"v1/runs/{first}/events")
        told = one.get(f"ui/batches/{made['name']}").json()
        assert told["working"], "the runs waited for the whole batch"
        assert len(two.get(f"ui/runs/{second}").json()["pictures"]) == 4
        assert finished(one, made["name"])["states"] == {"done": 12}


def test_a_batch_is_stopped_and_gone_on_with(tmp_path):
    with paged(fake_parts(tmp_path, SlowRenderer(0.02)), tmp_path / "outputs") as server:
        visitor = server.visit()
        rows = "\n".join(f"a fox number {i}" for i in range(6)).encode()
        made = visitor.post("ui/batches", params={"file": "six.txt", "user": "bob", "budget": 4}, content=rows).json()
        name = made["name"]
        wait_for(lambda: visitor.get(f"ui/batches/{name}").json()["states"].get("done"))
        assert visitor.post(f"ui/batches/{name}/resume").status_code == 409
        visitor.post(f"ui/batches/{name}/stop")
        stopped = finished(visitor, name)
        assert 0 < stopped["states"]["done"] < 6
        assert visitor.post(f"ui/batches/{name}/resume").status_code == 202
        assert finished(visitor, name)["states"] == {"done": 6}
        again = visitor.post("ui/batches", params={"file": "six.txt", "user": "bob", "budget": 4}, content=rows).json()
        assert again["name"] == f"{name}-2"


def test_the_page_shows_the_questions_of_all_rows_and_takes_late_answers(tmp_path, unsure):
    with paged(fake_parts(tmp_path), tmp_path / "outputs") as server:
        visitor = server.visit()
        told = {"file": "two.txt", "user": "bob", "budget": 16, "ask": 1}
        name = visitor.post("ui/batches", params=told, content=b"a fox\na boat\n").json()["name"]
        batch = finished(visitor, name)
        assert batch["states"] == {"done": 2}
        questions = batch["questions"]
        assert len({q["row"] for q in questions}) == 2
        first = questions[0]
        picture = first["pictures"][0]["index"]
        shown = visitor.get(f"ui/batches/{name}/rows/{first['row']}/pictures/{picture}")
        assert shown.headers["content-type"] == "image/png"
        assert visitor.get(f"ui/batches/{name}/rows/{first['row']}/pictures/99").status_code == 404
        store = server.service.parts.store
        before = store.told("bob").digest()
        answer = {"row": first["row"], "question": first["number"]}
        assert visitor.post(f"ui/batches/{name}/answer", json={**answer, "value": 99}).status_code == 400
        value = picture if first["kind"] == "which" else 5
        assert visitor.post(f"ui/batches/{name}/answer", json={**answer, "value": value}).json()["value"] == value
        assert store.told("bob").digest() != before
        assert visitor.post(f"ui/batches/{name}/answer", json={**answer, "value": None}).status_code == 409
        left = visitor.get(f"ui/batches/{name}").json()["questions"]
        assert [q["row"] for q in left] == [questions[1]["row"]]
        refused = visitor.post("ui/batches", params={**told, "user": "u1"}, content=b"a fox\n")
        assert (refused.status_code, "one user of your own" in refused.text) == (400, True)
