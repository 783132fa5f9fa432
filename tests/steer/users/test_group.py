"""Steering for nobody in particular of a group (Fig. 7), and with another seed for the texts alone (Fig. 9)."""

from __future__ import annotations

import json

import pytest
import yaml

from steer import Steerer
from steer.config import load_config
from steer.errors import UsageError
from steer.study.folder import Cell, StudyFolder
from steer.study.plan import parse_study
from steer.study.running import StudyRun, draw_users
from steer.users.group import facts_of, group_name
from tests.steer.command import steer_here

QUICK = ("--set", "renderer=painter", "--set", "search.screen=2", "--json")


def test_run_as_a_group_scores_by_its_demographics_without_an_id(tmp_path):
    done = steer_here("run", "a fox", "--as", "age_binned=40-49", "-n", "6", "--out", tmp_path / "run", *QUICK)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert json.loads(done.stdout)["user"] == result["user"] == "age_binned=40-49"
    differ = [abs(c["personal"] - c["population"]) for c in result["candidates"]]
    assert max(differ) > 1e-4  # the group is not everybody
    again = steer_here("resume", tmp_path / "run", "--json")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (["--as", "age=44"], "knows no field 'age' of people; it knows age_binned, gender, nationality"),
        (["--as", "age_binned=44"], "knows no age_binned '44'; it knows 18-29, 30-39, 40-49, 50+"),
        (["--as", "age_binned"], "--as 'age_binned' has no value; write it like age_binned=40-49"),
        (["--as", "gender=male", "--as", "gender=female"], "--as says 'gender' twice"),
        (["--as", "gender=male", "--user", "u3"], "--user names a person and --as a group; give one of them"),
    ],
)
def test_what_a_group_cannot_be_is_one_line(tmp_path, told, said):
    done = steer_here("run", "a fox", *told, "-n", "2", "--out", tmp_path / "run", *QUICK)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_a_value_with_any_characters_is_written_as_one_name():
    name = group_name(facts_of(["nationality=South African", "education=school, 12+ years"]))
    assert name == "nationality=South%20African+education=school%2C%2012%2B%20years"
    steerer = Steerer(load_config("miniature", ["renderer=painter"]))
    person = steerer.parts.roster.person("nationality=South%20African+gender=female")
    assert person.id is None
    assert person.demographics == {"nationality": "South African", "gender": "female"}


def test_a_condition_of_a_study_steers_as_a_group(tmp_path):
    plan = {
        "name": "groups",
        "settings": ["renderer=painter", "search.screen=1"],
        "users": ["u3", "u5"],
        "prompts": ["a fox"],
        "budget": 3,
        "looks": 1,
        "conditions": {"unoptimised": {"kind": "prompt"}, "forties": {"as": {"age_binned": "40-49"}}},
        "judges": {"the person": {"kind": "simulated"}},
    }
    study = StudyFolder.begin(tmp_path / "s", draw_users(parse_study(yaml.safe_load(yaml.safe_dump(plan)), "groups")))
    StudyRun(study).run()
    (cell,) = study.cells("forties")
    assert cell.user == "age_binned=40-49"
    judged = json.loads((study.run_of("forties", Cell(0, 0, "u5")) / "judged.json").read_text())
    assert set(judged["the person"]["best"]) == {"u3", "u5"}
    assert StudyFolder.open(tmp_path / "s").config == study.config
    both = {**plan["conditions"], "forties": {"as": {"age_binned": "40-49"}, "user": "u3"}}
    with pytest.raises(UsageError, match="for a user or as a group, not both"):
        parse_study({**plan, "conditions": both}, "groups")


def test_the_seed_of_texts_is_apart_from_the_pictures(tmp_path):
    """Fig. 9: the pictures' seeds stay, the writer's draw is another; by default it is the run's."""

    def drawn(*settings):
        chosen = ["renderer=painter", "proposer.kind=scripted", "search.screen=1", *settings]
        search = Steerer(load_config("miniature", chosen)).search("a fox", "u17", budget=9, seed=4)
        first = search.ask()
        for c in first:
            c.personal = c.population = c.fidelity = 0.5
            c.state = c.state.SCORED
        search.tell(first)
        return search.seeds, [c.rewrite.text for c in search.ask()]

    seeds, texts = drawn()
    assert drawn("proposer.seed=4") == (seeds, texts)
    other_seeds, other_texts = drawn("proposer.seed=5")
    assert other_seeds == seeds
    assert other_texts != texts
