"""A study that steers by Linear-Hidden and by PAMELA, each the other's held-out judge."""

from __future__ import annotations

from steer.study.folder import StudyFolder
from steer.study.plan import load_study, parse_study
from steer.study.report import write_study
from steer.study.running import StudyRun, draw_users

SMALL = {
    "name": "small",
    "config": "miniature",
    "settings": ["renderer=painter", "search.patience=99", "search.worth=0", "reward=miniature/linear-hidden"],
    "users": {"count": 2, "of": 20},
    "prompts": ["a fox"],
    "budget": 6,
    "looks": 1,
    "conditions": {
        "unoptimised": {"kind": "prompt"},
        "other": {"kind": "other"},
        "own": {},
        "own by PAMELA": {"settings": ["reward=miniature"]},
    },
    "judges": {
        "the person": {"kind": "simulated"},
        "PAMELA": {"kind": "reward", "model": "miniature"},
        "Linear-Hidden": {"kind": "reward", "model": "miniature/linear-hidden"},
    },
}


def test_each_reward_steers_and_judges_the_other(tmp_path):
    folder = StudyFolder.begin(tmp_path / "small", draw_users(parse_study(SMALL, "small")))
    StudyRun(folder).run()
    table = write_study(folder)
    rewards = {
        name: {folder.result(name, c)["folder"] for c in folder.cells(name)} for name in ("own", "own by PAMELA")
    }
    assert len(rewards["own"]) == len(rewards["own by PAMELA"]) == 2
    # what a reward steered towards it finds better than the plain prompt
    for judge, name in (("Linear-Hidden", "own"), ("PAMELA", "own by PAMELA")):
        assert table["conditions"][name][judge]["above unoptimised"][0] > 0
    said = (folder.path / "report.md").read_text()
    assert "PAMELA steered own by PAMELA; Linear-Hidden steered own. The other judges" in said
    found = {n: table["conditions"][n]["Linear-Hidden"]["liking"][0] for n in ("own", "own by PAMELA", "unoptimised")}
    assert all(0 <= v <= 1 for v in found.values())


def test_the_shipped_study_is_whole():
    study = load_study("linear-hidden")
    assert study.conditions["own by PAMELA"].settings == ["reward=miniature"]
    assert len(study.judges) == 4
