"""``steer critique``: a score, a comment and a suggestion, or one line that says why not."""

from __future__ import annotations

import json

import pytest

from steer.users.pictures import shipped_pictures
from tests.steer.command import steer_here
from tests.steer.critics.critic_server import CriticServer


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "fox.png"
    shipped_pictures()[0].image.save(path)
    return path


@pytest.fixture
def asked(picture):
    """The command with a critic behind a server."""
    server = CriticServer()

    def call(*more, turn=None):
        server.turn = turn or server.turn
        given = ("critic=vlm", "critic.backend=chat", "critic.model=m", f"critic.base_url={server.url}")
        flags = [flag for each in (*given, "critic.retries=0") for flag in ("--set", each)]
        return steer_here("critique", picture, "-u", "u17", "-p", "a fox", *flags, *more)

    yield call
    server.close()


def test_score_comment_and_suggestion(asked):
    done = asked()
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["score", "comment", "suggestion"]
    assert 0 <= float(lines[0][1]) <= 1
    assert "good: calm mood" in done.stdout
    assert "more fog, more warm evening light, less neon light" in done.stdout


def test_as_json_with_what_was_left_out(asked):
    done = asked("--json", turn=json.dumps({"more": ["fog", "noise", "a tank"]}))
    said = json.loads(done.stdout)
    assert said["suggestion"] == "more fog"
    assert said["filtered"] == {"technical": 1, "another subject": 1}
    assert 0 <= said["score"] <= 1


def test_the_rewards_own_critic(picture):
    done = steer_here("critique", picture, "-u", "u17", "--set", "reward=miniature/linear-hidden", "--json")
    assert json.loads(done.stdout)["suggestion"].startswith(("more ", "less "))


def test_faults_are_one_line(asked, picture, tmp_path):
    bad = asked(turn=(500, {}))
    assert (bad.returncode, bad.stderr.count("\n")) == (1, 1)
    assert "there is no comment: " in bad.stderr
    for arguments, why in (
        ([tmp_path / "none.png", "-u", "u17"], "there is no picture"),
        ([__file__, "-u", "u17"], "no picture that opens"),
        ([picture, "-u", "u17"], "has no critic; use --set critic=vlm"),
        ([picture, "-u", "u17", "--set", "critic=none"], "critic=none is nobody"),
        ([picture, "-u", "nobody99"], "not found"),
    ):
        done = steer_here("critique", *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert why in done.stderr
