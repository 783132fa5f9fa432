"""A reward of two data sets steers, and a study of it draws people of one and is judged by a reward of that one."""

from __future__ import annotations

import csv
import json
import random

import pytest
from PIL import Image

from reward_models.pamela.fit import fit_reward, load_corpus
from reward_models.pamela.settings import RewardTraining
from steer.errors import UsageError
from steer.resources import miniature_weights
from steer.study.folder import Cell, StudyFolder
from steer.study.plan import parse_study
from steer.study.report import write_study
from steer.study.running import StudyRun, draw_users
from tests.steer.command import steer_here


def write_csv(folder, name, people=8, pictures=24):
    """Ratings of plain colours by people who like them more or less."""
    rng = random.Random(name)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["picture", "score", "person", "split", "prompt", "demographics.age_binned"])
        for i in range(pictures):
            colour = tuple(rng.randrange(256) for _ in range(3))
            Image.new("RGB", (32, 32), colour).save(folder / f"{name}-{i}.png")
            for k in range(people):
                split = "train" if i < 14 else "val_seen" if i < 19 else "test_seen"
                score = 1 + 4 * colour[k % 3] / 255
                rows.writerow([f"{name}-{i}.png", f"{score:.2f}", f"p{k}", split, "a colour", ("24", "50-59")[k % 2]])


def train(folder, out, *names):
    """A reward of these csvs, as `steer reward train` makes it."""
    settings = RewardTraining.model_validate(
        {
            "data": [{"source": str(folder / f"{n}.csv")} for n in names],
            "encoder": {"name": str(miniature_weights("siglip")), "batch_size": 8},
            "model": {"width": 16, "heads": 2, "layers": 1},
            "training": {"epochs": 1, "people_per_batch": 4, "ratings_each": 4},
            "seeds": [0],
            "device": "cpu",
            "cache": str(folder / "cache"),
            "out": str(folder / out),
        }
    )
    corpus, encoder = load_corpus(settings, "cpu", lambda line: None)
    fit_reward(corpus, encoder, settings, "cpu").save(folder / out, {}, {"scales": corpus.scales})
    return folder / out


@pytest.fixture(scope="module")
def rewards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("joint")
    for name in ("pamela", "para"):
        write_csv(folder, name)
    return train(folder, "joint", "pamela", "para"), train(folder, "held-out", "pamela")


def plan(rewards, **change):
    joint, held_out = rewards
    return parse_study(
        {
            "name": "joint",
            "settings": ["renderer=painter", f"reward={joint}", "search.screen=1"],
            "users": {"count": 2},
            "prompts": ["a fox"],
            "budget": 3,
            "looks": 1,
            "conditions": {"unoptimised": {"kind": "prompt"}, "own": {}, "other": {"kind": "other"}},
            "judges": {"held-out": {"kind": "reward", "model": str(held_out)}},
            **change,
        },
        "joint",
    )


def test_a_study_of_a_joint_reward_runs_to_its_report(rewards, tmp_path):
    drawn = draw_users(plan(rewards))
    assert all(u.startswith("pamela-p") for u in drawn.everyone)
    folder = StudyFolder.begin(tmp_path / "study", drawn)
    StudyRun(folder).run()
    table = write_study(folder)
    assert table["conditions"]["own"]["held-out"]["liking"][0] > 0
    cell = next(iter(folder.cells("own")))
    assert (folder.run_of("own", cell) / "result.json").exists()
    assert cell.id == f"p00-s0-{drawn.everyone[0]}"


def test_users_are_drawn_from_the_set_that_is_asked_for(rewards):
    assert all(
        u.startswith("para-p") for u in draw_users(plan(rewards, users={"count": 2, "dataset": "para"})).everyone
    )
    with pytest.raises(UsageError, match=r"no data set 'lapis'; it was trained on pamela, para"):
        draw_users(plan(rewards, users={"count": 2, "dataset": "lapis"}))
    with pytest.raises(UsageError, match="9 are asked for, and the reward knows 8"):
        draw_users(plan(rewards, users={"count": 9}))


def test_a_judge_of_one_set_knows_its_people_alone(rewards):
    from steer.study.judges import Jury

    assert Jury(draw_users(plan(rewards))).judges["held-out"].called("pamela-p3") == "p3"
    with pytest.raises(UsageError, match="does not know 2 users, the first is 'para-p"):
        Jury(draw_users(plan(rewards, users={"count": 2, "dataset": "para"})))


def test_run_and_batch_accept_people_of_a_joint_training(rewards, tmp_path):
    chosen = ["--set", f"reward={rewards[0]}", "--set", "renderer=painter", "--set", "search.screen=1", "--json"]
    done = steer_here("run", "a fox", "--user", "pamela-p3", "--budget", "2", "--out", str(tmp_path / "run"), *chosen)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["user"] == "pamela-p3"
    unknown = steer_here("run", "a fox", "--user", "pamela-p33", "--out", str(tmp_path / "no"), *chosen)
    assert unknown.returncode == 2
    assert "Did you mean 'pamela-p3'" in unknown.stderr


def test_a_row_of_a_study_has_a_plain_name_whatever_its_user_is_called():
    """Ids of other data sets may have any characters; two of them never become one."""
    odd, other = Cell(0, 0, "lapis-a b/c:d"), Cell(0, 0, "lapis-a.b/c:d")
    assert odd.id.startswith("p00-s0-lapis-a-b-c-d-")
    assert odd.id != other.id
    assert Cell(3, 1, "u17").id == "p03-s1-u17"
