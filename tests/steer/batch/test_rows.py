"""Rows from every kind of file, and each fault with its line."""

from __future__ import annotations

import io
import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from steer.batch.rows import Row, as_lines, from_lines, read_rows
from steer.errors import UsageError


def rows_of(tmp_path, name, content, user="u1"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows([str(path)], user))


def test_text(tmp_path):
    found = rows_of(tmp_path, "a.txt", "# mine\n\na fox\n  a castle  \n# end\n")
    assert [(r.prompt, r.user, r.seed, r.budget) for r in found] == [
        ("a fox", "u1", 0, None),
        ("a castle", "u1", 0, None),
    ]


def test_csv_with_everything(tmp_path):
    text = '\ufeffid,prompt,user,seed,budget,search.seeds\nx1,"a fox, red",u2,3,12,2\n,a cat,,,,\n'
    first, second = rows_of(tmp_path, "a.csv", text)
    assert first == Row("x1", "a fox, red", "u2", 3, 12, {"search.seeds": "2"})
    assert (second.prompt, second.user, second.settings) == ("a cat", "u1", {})


def test_jsonl_and_parquet_tell_the_same(tmp_path):
    told = [
        {"prompt": "a fox", "user": "u2", "seed": 3, "settings": {"search.seeds": 2}},
        {"prompt": "a cat", "budget": 4},
    ]
    lines = rows_of(tmp_path, "a.jsonl", "\n".join(map(json.dumps, told)))
    pq.write_table(
        pa.Table.from_pylist(
            [
                {"prompt": "a fox", "user": "u2", "seed": 3, "search.seeds": 2, "budget": None},
                {"prompt": "a cat", "user": None, "seed": None, "search.seeds": None, "budget": 4},
            ]
        ),
        tmp_path / "a.parquet",
    )
    assert lines == list(read_rows([str(tmp_path / "a.parquet")], "u1"))


def test_standard_input_and_globs(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text(f"prompt {name}")
    found = list(read_rows([str(tmp_path / "*.txt"), "-"], "u1", stdin=io.StringIO("from here\n")))
    assert [r.prompt for r in found] == ["prompt a", "prompt b", "from here"]


def test_ids_are_of_the_content_and_stay_when_rows_are_added(tmp_path):
    before = rows_of(tmp_path, "a.txt", "a fox\na castle\n")
    after = rows_of(tmp_path, "a.txt", "a new one\na fox\na castle\na fox\n")
    assert [r.id for r in after[1:3]] == [r.id for r in before]
    assert after[3].id == before[0].id + "-2"
    assert list(from_lines(as_lines(after))) == after


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "prompt,user\na fox,u1\n,u1\n", "a.csv, line 3: the prompt is empty"),
        ("a.csv", "prompt,seed\na fox,x\n", "a.csv, line 2: seed 'x' is not a whole number"),
        ("a.csv", "prompt,budget\na fox,0\n", "line 2: budget '0'"),
        ("a.csv", "text\na fox\n", "a.csv has no column 'prompt'"),
        ("a.csv", "prompt,sed\na fox,1\n", "unknown column 'sed'"),
        ("a.csv", "prompt\na fox, red\n", "line 2: more cells than columns"),
        ("a.csv", "id,prompt\nx,a fox\nx,a cat\n", "line 3: the id 'x' was used before"),
        ("a.csv", "id,prompt\n../x,a fox\n", "the id '../x' must be"),
        ("a.jsonl", '{"prompt": "a fox"}\n{"prompt"\n[1]\n', "line 2: not JSON"),
        ("a.jsonl", "[1]\n", "line 1: not a JSON object"),
        ("a.jsonl", '{"prompt": "a fox", "settings": 3}\n', "'settings' is not an object"),
        ("a.txt", "# nothing\n", "there is no prompt in"),
        ("a.txt", b"\xff\xfe\xfa", "cannot be read as UTF-8"),
        ("a.parquet", "no parquet", "is not a parquet file"),
        ("a.docx", "x", "must be a txt, csv, jsonl or parquet file"),
    ],
)
def test_faults_are_one_line_with_their_place(tmp_path, name, content, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")) as caught:
        rows_of(tmp_path, name, content)
    if "2 rows are wrong" not in str(caught.value):
        assert "\n" not in str(caught.value)


def test_all_faults_are_told_at_once_and_one_a_line(tmp_path):
    with pytest.raises(UsageError) as caught:
        rows_of(tmp_path, "a.txt", "\n".join("abcdefghijklmno"), user=None)
    first, *faults, more = str(caught.value).splitlines()
    assert first == "15 rows are wrong"
    assert [line.partition(": no user")[0] for line in faults] == [f"  a.txt, line {i}" for i in range(1, 13)]
    assert more == "  and 3 more"


@pytest.mark.parametrize("name", ["holiday", "prompts/examples/holiday.txt"])
def test_examples_that_ship_are_found_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(list(read_rows([name], "u1"))) == 5
    (tmp_path / "holiday").write_text("my own prompt\n")
    assert [r.prompt for r in read_rows(["holiday"], "u1")] == ["my own prompt"]
    with pytest.raises(UsageError, match=r"there is no file 'holidays' \(examples that ship: holiday\)"):
        list(read_rows(["holidays"], "u1"))


def test_many_rows_are_read_in_bounded_memory(tmp_path):
    path = tmp_path / "many.txt"
    path.write_text("\n".join(f"a fox number {i}" for i in range(20_000)))
    tracemalloc.start()
    assert sum(1 for _ in read_rows([str(path)], "u1")) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20  # their ids


def test_rows_for_several_users(tmp_path):
    (tmp_path / "a.csv").write_text("id,prompt,user\nx,a fox,\n,a cat,\n,a dog,u9\n")
    asked = []

    def users():
        asked.append(1)
        return ["u1", "u2", "u1,!u3", "u1"]

    found = list(read_rows([str(tmp_path / "a.csv")], users))
    assert [(r.prompt, r.user) for r in found] == [
        *(("a fox", u) for u in ("u1", "u2", "u1,!u3")),
        *(("a cat", u) for u in ("u1", "u2", "u1,!u3")),
        ("a dog", "u9"),
    ]
    assert [r.id for r in found[:3]] == ["x-u1", "x-u2", "x-u1--u3"]
    alone = {r.id for u in ("u1", "u2") for r in read_rows([str(tmp_path / "a.csv")], u) if r.prompt == "a cat"}
    assert alone == {r.id for r in found if r.prompt == "a cat"} - {found[5].id}  # a user more changes no row
    (tmp_path / "b.csv").write_text("prompt,user\na dog,u9\n")
    asked.clear()
    assert len(list(read_rows([str(tmp_path / "b.csv")], users))) == 1
    assert not asked  # nobody needs a default
    (tmp_path / "c.csv").write_text("id,prompt\nx,a fox\nx-u1,a cat\n")
    with pytest.raises(UsageError, match="no user; name one in the row"):
        list(read_rows([str(tmp_path / "c.csv")], list))
