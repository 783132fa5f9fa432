"""The study of what a critic is worth: one writer, equal pictures, whose critic speaks is all that differs."""

from __future__ import annotations

import json

import pytest

from steer.errors import UsageError
from steer.study.folder import Cell, StudyFolder
from steer.study.plan import load_study, parse_study
from steer.study.report import write_study
from steer.study.running import StudyRun
from steer.study.votes import study_key
from tests.steer.study.test_study import PLAN


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    shipped = load_study("critic")
    kept = ("unoptimised", "own", "general critic", "someone else's critic", "random true words")
    small = shipped.model_copy(
        update={
            "users": ["u3", "u5"],
            "prompts": ["a fox"],
            "budget": 5,
            "looks": 1,
            "conditions": {name: shipped.conditions[name] for name in kept},
            "compare": [pair for pair in shipped.compare if set(pair) <= set(kept)],
        }
    )
    folder = StudyFolder.begin(tmp_path_factory.mktemp("critic") / "small", small)
    StudyRun(folder).run()
    return folder, write_study(folder)


def said(folder, condition, user):
    """Text and subject of the comments of a run."""
    result = folder.result(condition, Cell(0, 0, user))
    assert result["pictures"] == 5
    return [(c["text"], c["about"]) for c in result["critic"]]


def test_each_condition_has_the_critic_that_it_names(done):
    folder, _ = done
    for user, other in (("u3", "u5"), ("u5", "u3")):
        own, general = (said(folder, name, user)[0] for name in ("own", "general critic"))
        assert own[1] == general[1] == ""
        assert said(folder, "someone else's critic", user)[0] == (said(folder, "own", other)[0][0], other)
        assert own[0] != general[0]
    assert said(folder, "general critic", "u3")[0] == said(folder, "general critic", "u5")[0]
    manifest = json.loads((folder.run_of("own", Cell(0, 0, "u3")) / "manifest.json").read_text())
    assert manifest["config"]["reward"]["model"] == "miniature"  # the same reward steers them all


def test_the_report_says_what_the_critic_is_worth_and_costs(done):
    folder, table = done
    text = (folder.path / "report.md").read_text()
    for other in ("general critic", "someone else's critic", "random true words"):
        assert f"| own > {other} | the person |" in text
        assert any("'own'" in line and f"'{other}'" in line for line in table["verdict"])
    assert "with a critic that is told about another person" in text
    row = table["conditions"]["own"]
    assert row["price"]["critic_calls_a_round"] > 0
    assert row["price"]["critic_seconds_a_round"] <= row["price"]["critic_seconds"]
    assert 0 < row["by others"][0] < 1
    judged = folder.run_of("own", Cell(0, 0, "u3")) / "judged.json"
    liked = json.loads(judged.read_text())["the person"]["best"]
    other = json.loads((folder.run_of("own", Cell(0, 0, "u5")) / "judged.json").read_text())["the person"]["best"]
    assert row["by others"][0] == pytest.approx((liked["u5"] + other["u3"]) / 2)


def test_what_makes_no_sense_is_refused():
    def parse(**conditions):
        return parse_study({**PLAN, "conditions": {**PLAN["conditions"], **conditions}}, "plan")

    with pytest.raises(UsageError, match="critic_of: only a condition that steers for each user"):
        parse(bad={"user": "average", "critic_of": "other"})
    with pytest.raises(UsageError, match="compare: there is no condition 'nothing'"):
        parse_study({**PLAN, "compare": [["own", "nothing"]]}, "plan")
    one = parse(alone={"critic_of": "other"}).model_copy(update={"users": ["u3"]})
    with pytest.raises(UsageError, match="'alone' needs two users"):
        one.critic_about("alone", "u3")


def test_a_study_without_critics_keeps_the_key_of_its_votes(tmp_path):
    plan = parse_study({**PLAN, "users": ["u3", "u5"]}, "plan")
    told = json.loads(plan.model_dump_json())
    assert {"critic_of", "compare"} <= {*told, *told["conditions"]["own"]}
    assert study_key(StudyFolder.begin(tmp_path / "a", plan)) == KEY
    asks = plan.model_copy(update={"compare": [("own", "other")]})
    assert study_key(StudyFolder.begin(tmp_path / "b", asks)) != KEY


KEY = "small@787d69de227b"  # of this plan before there was anything about critics in it
