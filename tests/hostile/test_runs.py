"""Run and batch folders that somebody changed: nothing crosses to another person, nothing leaves the folder, and what
was lost is made again.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from steer.batch.folder import BatchFolder
from steer.batch.results import write_results
from steer.batch.rows import read_mappings, read_rows
from steer.errors import SteerError, StorageError, UsageError
from steer.store.files import append_line, write_whole
from steer.store.run_folder import RunFolder
from steer.testing import FakeRenderer
from tests.hostile.doors import steerer
from tests.steer.command import steer_here


@pytest.fixture
def run(tmp_path):
    """A finished run of u1."""
    steerer().run("a fox", "u1", budget=8, out=tmp_path / "run")
    return tmp_path / "run"


def journal(run):
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


def rewrite(run, change):
    """The journal with every line changed."""
    rows = journal(run)
    for row in rows:
        change(row)
    (run / "journal.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


# F3


def test_what_is_left_of_a_run_is_never_taken_for_another_persons(run):
    (run / "manifest.json").unlink()
    with pytest.raises(UsageError, match=r"has a 'contact_sheet.png' already, .* another --out"):
        steerer().run("a fox", "blue", budget=8, out=run)
    for name in ("result.json", "report.html", "contact_sheet.png"):
        (run / name).unlink()
    with pytest.raises(UsageError, match=r"has a 'journal.jsonl' already, which may be of another run"):
        steerer().run("a fox", "blue", budget=8, out=run)


def test_a_journal_that_lies_beside_another_manifest_is_refused(run, tmp_path):
    steerer().run("a fox", "blue", budget=8, out=tmp_path / "blue")
    before = (tmp_path / "blue" / "journal.jsonl").read_bytes()
    shutil.copy(run / "journal.jsonl", tmp_path / "blue")
    with pytest.raises(UsageError, match="line 1 is of another run than the manifest beside it"):
        steerer().resume(tmp_path / "blue")
    (tmp_path / "blue" / "journal.jsonl").write_bytes(before + (run / "journal.jsonl").read_bytes())
    with pytest.raises(UsageError, match="is of another run"):
        steerer().resume(tmp_path / "blue")
    rewrite(run, lambda row: row.pop("run"))
    with pytest.raises(UsageError, match="line 1 does not say which run it is of"):
        steerer().resume(run)


def test_every_line_of_a_journal_says_its_run(run):
    fingerprint = json.loads((run / "manifest.json").read_text())["fingerprint"]
    assert {row["run"] for row in journal(run)} == {fingerprint}


# F4, F19


@pytest.mark.parametrize(
    "name", ["../../../outside/x", "/outside", "a/b", "", ".", "x" * 65, "<script>alert(1)</script>"]
)
def test_an_id_is_checked_wherever_it_comes_from(tmp_path, name):
    list(steerer().batch([{"prompt": "a fox", "user": "u1", "budget": 2, "id": "a"}], out=tmp_path / "batch"))
    row = json.loads((tmp_path / "batch" / "rows.jsonl").read_text())
    (tmp_path / "batch" / "rows.jsonl").write_text(json.dumps({**row, "id": name}) + "\n")
    with pytest.raises(UsageError, match=r"line 1 was not written by steer \(id: the id .* must be 1 to 64 ASCII"):
        list(BatchFolder(tmp_path / "batch").rows())
    done = steer_here("resume", tmp_path / "batch")
    assert done.returncode == 2, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["batch"]


def test_a_batch_does_not_follow_a_link_out_of_its_folder(tmp_path):
    folder, rows = BatchFolder(tmp_path / "batch"), read_mappings([{"prompt": "a fox", "user": "u1", "id": "abc"}])
    folder.prepare({}, [], "fake", rows)
    (tmp_path / "outside").mkdir()
    (tmp_path / "batch" / "runs" / "ab").symlink_to(tmp_path / "outside")
    with pytest.raises(UsageError, match="leads out of its folder"):
        folder.fail(next(folder.rows()), "so")
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("picture", ["../../outside.png", "/outside.png", "pictures/0002.png", "pictures/../0000.png"])
def test_a_picture_is_only_ever_the_candidates_own(run, tmp_path, picture):
    Image.new("RGB", (32, 32)).save(tmp_path / "outside.png")
    rewrite(run, lambda row: row.update(picture=picture) if row.get("index") == 1 else None)
    (run / "result.json").unlink()
    with pytest.raises(UsageError, match=r"the picture .* is not 'pictures/0001.png'"):
        steerer().resume(run)


def test_a_result_that_names_a_picture_elsewhere_is_not_shown(run):
    told = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text(json.dumps({**told, "picture": "javascript:alert(1)"}))
    done = steer_here("show", run)
    assert done.returncode == 2
    assert "result.json' is damaged (picture: " in done.stderr


def test_words_of_others_stand_escaped_on_the_pages(tmp_path):
    prompt, reason = "a fox <script>alert(1)</script>", "<img src=x onerror=alert(1)> \x1b[31m\u202e"
    list(steerer().batch([{"prompt": prompt, "user": "u1", "budget": 2, "id": "a"}], out=tmp_path / "batch"))
    folder = BatchFolder(tmp_path / "batch")
    (folder.path / "runs" / "a" / "a" / "result.json").unlink()
    (folder.path / "runs" / "a" / "a" / "failed.json").write_text(json.dumps({"reason": reason}))
    write_results(folder)
    page, table = ((folder.path / name).read_text() for name in ("index.html", "results.csv"))
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "\\u001b[31m\\u202e" in page
    assert "\x1b" not in page + table


# F10


@pytest.mark.parametrize("harm", ["gone", "empty", "cut", "text", "all gone"])
def test_a_lost_picture_is_drawn_again_and_the_run_is_the_same(run, harm):
    before, pixels = json.loads((run / "result.json").read_text()), (run / "pictures" / "0001.png").read_bytes()
    picture = run / "pictures" / "0001.png"
    if harm == "all gone":
        shutil.rmtree(run / "pictures")
    elif harm == "gone":
        picture.unlink()
    else:
        picture.write_bytes({"empty": b"", "cut": pixels[:-40], "text": b"no picture"}[harm])
    (run / "result.json").unlink()
    renderer = FakeRenderer()
    steerer(renderer).resume(run)
    assert len(renderer.rendered) == (len(before["candidates"]) if harm == "all gone" else 1)
    after = json.loads((run / "result.json").read_text())
    assert {**after, "seconds": 0} == {**before, "seconds": 0}
    assert picture.read_bytes() == pixels


# F16, F17


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("personal", 1e30),
        ("personal", True),
        ("objective", "1"),
        ("seed", -1),
        ("state", "WON"),
        ("tier", "best"),
        ("index", 0.5),
    ],
)
def test_a_line_that_no_run_writes_is_refused(run, key, value):
    rewrite(run, lambda row: row.update({key: value}) if row["kind"] == "candidate" else None)
    (run / "result.json").unlink()
    with pytest.raises(UsageError, match=rf"was not written by steer \({key}: "):
        steerer().resume(run)


@pytest.mark.parametrize(
    ("key", "value"), [("created", {}), ("fingerprint", "a"), ("request", {"prompt": 1}), ("usage", {"a": {"b": -1}})]
)
def test_a_manifest_that_no_run_writes_is_refused(run, key, value):
    told = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**told, key: value}))
    for command in ("show", "resume"):
        done = steer_here(command, run)
        assert done.returncode == 2, done.stderr
        assert f"manifest.json, {key}" in done.stderr


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": ["a fox"]},
        {"prompt": "a fox", "user": ["u1"]},
        {"prompt": "a fox", "seed": True},
        {"prompt": "a fox", "seed": 2**31},
        {"prompt": "a fox", "budget": 10**20},
        {"prompt": "a fox", "settings": {"objective.weights.personal": float("nan")}},
        {"prompt": "a fox", "id": "../x"},
    ],
)
def test_nonsense_in_a_row_is_refused(row):
    with pytest.raises(UsageError):
        list(read_mappings([{"user": "u1", **row}]))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"prompt,prompt\na,b\n", "has two columns 'prompt'"),
        ("a.csv", b'prompt\n"' + b"x" * 200_000 + b'"\n', "field larger than field limit"),
        ("a.txt", b"x" * 1_100_000, "longer than 1,000,000 characters"),
        ("a.txt", b"\xff\xfe", "cannot be read as UTF-8"),
        ("a.jsonl", b"[" * 100_000, "nested too deeply"),
        ("a.jsonl", b'{"prompt": "a fox", "seed": NaN}', "NaN is no JSON number"),
    ],
)
def test_a_file_of_prompts_that_is_wrong_costs_one_line(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said) as error:
        list(read_rows([str(tmp_path / name)], "u1"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "a fox", "-u", "u17", "--not-user", "u17"),
        ("run", "a fox", "-u", "u17", "--out", ""),
        ("run", "a fox", "-u", "u17", "--budget", 10**20),
        ("run", "a fox", "-u", "u17", "--set", "search.target=.nan"),
        ("run", "a fox\udcff", "-u", "u17"),
        ("config", "--set", "renderer.call={a: .nan}"),
        ("config", "--set", "renderer.steps=on"),
        ("config", "--set", "search.time_limit_s=1:30"),
        ("config", "--set", "renderer.call={a: 1, a: 2}"),
        ("config", "--set", "objective.scorers={a: {c: 1}}"),
        ("config", "--set", "objective.scorers={a: {linear: [0, 0]}}"),
        ("config", "--set", ".".join("a" * 5000) + "=1"),
        ("config", "--config", "x" * 300),
        ("show", "x" * 300),
    ],
)
def test_nonsense_that_was_typed_is_one_line_and_exit_code_2(arguments, tmp_path):
    done = steer_here(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "bug" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 1000
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", ["search: {budget: true}", "objective: {weights: {personal: true}}", "renderer: {steps: yes}"]
)
def test_true_is_no_number(content, tmp_path):
    (tmp_path / "mine.yaml").write_text(content)
    done = steer_here("config", "--config", tmp_path / "mine.yaml")
    assert done.returncode == 2
    assert "number" in done.stderr


def test_presets_upon_each_other_end(tmp_path):
    for i in range(20):
        (tmp_path / f"{i}.yaml").write_text(f"base: {tmp_path / f'{i + 1}.yaml'}\n")
    (tmp_path / "self.yaml").write_text(f"base: {tmp_path}/../{tmp_path.name}/self.yaml\n")
    (tmp_path / "list.yaml").write_text("base: [a]\n")
    for name, said in (("0", "8 times over"), ("self", "based on itself"), ("list", "is not the name of a preset")):
        done = steer_here("config", "--config", tmp_path / f"{name}.yaml")
        assert done.returncode == 2
        assert said in done.stderr


# F18, F20


def test_a_pipe_is_no_journal_and_a_device_is_not_replaced(run, tmp_path):
    (run / "journal.jsonl").unlink()
    os.mkfifo(run / "journal.jsonl")
    with pytest.raises(UsageError, match=r"journal.jsonl' cannot be read: it is a pipe"):
        steerer().resume(run)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        with pytest.raises(StorageError, match="is not a file, and steer writes over nothing else"):
            write_whole(tmp_path / name, lambda f: f.write(b"x"))
    (tmp_path / "mine").write_text("mine\n")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    (tmp_path / "x.json.partial").symlink_to(tmp_path / "mine")
    with pytest.raises(StorageError, match="is a link to another file"):
        append_line(tmp_path / "link", {})
    write_whole(tmp_path / "x.json", lambda f: f.write(b"x"))
    assert (tmp_path / "mine").read_text() == "mine\n"


def test_half_a_character_is_written_and_read_again(tmp_path):
    """What a chat model writes may end in the middle of an emoji."""
    append_line(tmp_path / "a.jsonl", {"text": "a fox \ud83e"})
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"text": "a fox \ud83e"}


def test_the_root_is_no_output_folder():
    with pytest.raises(SteerError, match="is the root of the file system"):
        RunFolder.create(Path("/"), {}, {}, {})
