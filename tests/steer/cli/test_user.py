"""steer user, as it is typed."""

from __future__ import annotations

import json

import pytest

from tests.steer.command import steer_here


@pytest.fixture
def steer(tmp_path):
    def run(*arguments, stdin=""):
        return steer_here(*arguments, cwd=tmp_path, env={"STEER_USERS": str(tmp_path / "users.db")}, stdin=stdin)

    return run


def test_from_the_first_word_to_the_last(steer, tmp_path):
    """Add by words, rate in the terminal, show, run, export, delete, import."""
    assert "added me" in steer("user", "add", "me", "--profile", "sepia, no neon").stdout
    rated = steer("user", "rate", "me", "--terminal", stdin="5\n1\n4\n2\nq\n")
    assert "4 answers" in rated.stdout, rated.stderr
    told = json.loads(steer("user", "show", "me", "--json", "--picture", "b.png").stdout)
    assert 0.1 < told["known"] < 0.5
    assert (tmp_path / "b.png").stat().st_size > 5000
    run = steer(
        "run",
        "-u",
        "me",
        "--not-user",
        "u3",
        "-p",
        "a fox",
        "-n",
        "4",
        "--set",
        "renderer=painter",
        "--out",
        "outputs/r",
    )
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "outputs" / "r" / "manifest.json").read_text())["request"]["user"] == "me,!u3"
    assert "written to me.json" in steer("user", "export", "me").stdout
    listed = json.loads(steer("user", "list", "--json").stdout)
    assert [(u["id"], u["ratings"]) for u in listed["users"]] == [("me", 4)]
    gone = steer("user", "delete", "me", "--yes").stdout
    assert "deleted me: 4 ratings" in gone
    assert "remain in the run outputs/r" in gone
    assert "imported me" in steer("user", "import", "me.json").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nobody-here"), "user 'nobody-here' not found"),
        (("add", "a/b"), "is not a valid user id"),
        (("add", "u17"), "a person of the reward's data set"),
        (("add", "x", "--about", "gender"), "has no value"),
        (("add", "x", "--about", "shoe_size=42"), "does not know 'shoe_size'"),
        (("add", "x", "--about", "gender=unheard"), "does not know the gender 'unheard'"),
        (("add", "x", "--ratings", "none.csv"), "cannot be read"),
        (("rate", "u3"), "a person of the reward's data set"),
        (("rate", "x", "--pictures", "nowhere"), "there is no folder 'nowhere'"),
        (("import", "nothing.json"), "there is no file or folder"),
        (("export", "x"), "user 'x' not found"),
        (("delete", "x", "--yes"), "user 'x' not found"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(steer, arguments, said):
    done = steer("user", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_corrupt_store_is_one_line(steer, tmp_path):
    (tmp_path / "users.db").write_bytes(b"nothing that SQLite knows" * 100)
    done = steer("user", "list")
    assert done.returncode == 1
    assert "is damaged" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
