"""``steer batch`` and ``steer resume`` of a batch, as they are typed."""

from __future__ import annotations

import csv
import importlib.util
import json

import pytest

from tests.steer.command import steer_here

COMMON = ("--user", "u3", "--budget", 4, "--set", "renderer=painter")


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """A folder with two rows that were steered, and what was printed."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "rows.txt").write_text("a fox\na cat\n")
    return folder, steer_here("batch", "rows.txt", *COMMON, cwd=folder)


def test_rows_are_steered_and_results_are_named(batch):
    folder, done = batch
    assert done.returncode == 0, done.stderr
    assert "batch outputs/batch-rows: 2 of 2 rows done, mean gain +" in done.stdout
    assert "2/2 rows 8 of 8 pictures" in done.stdout
    assert "results.csv" in done.stdout
    assert (folder / "outputs" / "batch-rows" / "index.html").exists()


def test_the_same_command_and_resume_find_nothing_left_to_do(batch):
    folder, _ = batch
    again = steer_here("batch", "rows.txt", *COMMON, "--json", cwd=folder)
    assert json.loads(again.stdout) == {"folder": "outputs/batch-rows", "done": 2, "warnings": []}
    resumed = steer_here("resume", "outputs/batch-rows", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert "2/2 rows 0 of 0 pictures" in resumed.stdout


def test_what_a_row_cannot_get_is_said_before_it_is_drawn_and_kept(tmp_path):
    (tmp_path / "rows.txt").write_text("a fox\na fox and a cat\na huge fox\n")
    mixed = "of 'fox' and 'cat' it will draw only the first, 'fox'"
    dry = steer_here("batch", "rows.txt", *COMMON, "--dry-run", cwd=tmp_path)
    assert dry.stdout.startswith("warning: a fox and a cat: The painter draws one subject per picture; of")
    assert "warning: a huge fox: The painter does not know 'huge'" in dry.stdout
    done = steer_here("batch", "rows.txt", *COMMON, cwd=tmp_path)
    flat = " ".join(done.stdout.split())
    assert mixed in flat[: flat.index("3 of 3 rows done")]
    rows = list(csv.DictReader((tmp_path / "outputs" / "batch-rows" / "results.csv").open()))
    assert [bool(r["warnings"]) for r in rows] == [False, True, True]
    told = json.loads(steer_here("batch", "rows.txt", *COMMON, "--json", cwd=tmp_path).stdout)
    assert [w["prompt"] for w in told["warnings"]] == ["a fox and a cat", "a huge fox"]
    assert mixed in told["warnings"][0]["warnings"]


def test_the_same_words_of_two_rows_are_said_once(tmp_path):
    (tmp_path / "rows.txt").write_text("a dragon\na dragon at dusk\n")
    flat = " ".join(steer_here("batch", "rows.txt", *COMMON, cwd=tmp_path).stdout.split())
    assert flat.count("'dragon' is none of the 32 subjects that the painter draws") == 1
    assert flat.count("It draws fox, lion,") == 1


def test_a_dry_run_keeps_nothing(batch, tmp_path):
    folder, _ = batch
    done = steer_here("batch", folder / "rows.txt", *COMMON, "--dry-run", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    expected = json.loads(done.stdout)
    assert (expected["rows"], expected["users"], expected["pictures"]) == (2, 1, 8)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-",), "need --out FOLDER, so that the batch can be resumed"),
        (("rows.txt", "--engine", "rya"), "'rya' is not one of 'local', 'ray'"),
        (("rows.txt",), "no user; name one in the row, or for all rows with --user"),
        (("none.txt", "--user", "u3"), "there is no file 'none.txt'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path):
    (tmp_path / "rows.txt").write_text("a fox\n")
    done = steer_here("batch", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["rows.txt"]


def test_ray_is_asked_for_before_models_are_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = steer_here("batch", "rows.txt", "--engine", "ray", cwd=tmp_path)
    assert done.returncode == 2
    assert "needs the package 'ray'; install steer with the extra: pip install 'steer-t2i[cluster]'" in done.stderr


def test_each_prompt_is_drawn_for_each_user_and_one_more_user_adds_rows_alone(tmp_path):
    (tmp_path / "rows.txt").write_text("a fox\na cat\n")
    common = ("--budget", 4, "--set", "renderer=painter", "--set", "search.screen=1")
    done = steer_here("batch", "rows.txt", "-u", "u1", "-u", "u2", *common, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "outputs/batch-rows"
    with (folder / "results.csv").open() as file:
        table = [(r["prompt"], r["user"]) for r in csv.DictReader(file)]
    assert table == [("a fox", "u1"), ("a fox", "u2"), ("a cat", "u1"), ("a cat", "u2")]
    assert "u2: 2 rows, mean gain " in done.stdout
    more = steer_here("batch", "rows.txt", "-u", "u1", "-u", "u2", "-u", "u3", *common, cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    assert "6/6 rows 8 of 8 pictures" in more.stdout  # the two new rows


def test_rows_of_nobody_are_for_the_default_user_and_it_says_so(tmp_path):
    (tmp_path / "rows.txt").write_text("a fox\na cat\n")
    common = ("--budget", 4, "--dry-run")
    done = steer_here("batch", "rows.txt", *common, cwd=tmp_path, env={"STEER_USER": "u5"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("rows that name no user are for u5 ($STEER_USER)") == 1
    assert (
        "STEER_USER"
        not in steer_here("batch", "rows.txt", *common, "--json", cwd=tmp_path, env={"STEER_USER": "u5"}).stdout
    )
