"""How surely one picture is better than another for somebody who is half known."""

from __future__ import annotations

import math

import pytest

from steer.miniature.painter import paint
from steer.miniature.world import scene_at
from steer.report import summary
from steer.result import Outlook


@pytest.fixture(scope="module")
def pictures():
    return [paint(scene_at(3, i)) for i in range(6)]


def test_a_picture_is_as_likely_better_as_the_other_is_worse(miniature, pictures):
    judge = miniature.parts.judge(miniature.parts.roster.people("u17"))
    scores = judge.score(pictures, "a fox").personal
    best, worst = pictures[scores.argmax()], pictures[scores.argmin()]
    sure = judge.surely_better(best, [worst], "a fox")
    assert sure > 0.8
    assert sure + judge.surely_better(worst, [best], "a fox") == pytest.approx(1, abs=1e-6)
    assert judge.surely_better(best, [best], "a fox") == pytest.approx(0.5)


def test_nothing_is_said_for_several_people_and_for_nobody(miniature, pictures):
    parts = miniature.parts
    known = parts.judge(parts.roster.people("u17"))
    scores = known.score(pictures, "a fox").personal
    pair = pictures[scores.argmax()], [pictures[scores.argmin()]]
    several, nobody = (parts.judge(parts.roster.people(who)) for who in ("u17,u18", "average"))
    assert math.isnan(several.surely_better(*pair, "a fox"))
    assert math.isnan(nobody.surely_better(*pair, "a fox"))
    assert math.isnan(known.surely_better(pair[0], [], "a fox"))


def test_a_run_says_what_it_expects(fake_steerer, tmp_path):
    """The fakes give no draws of a person, so nothing is said of how sure it is; the best score is not promised."""
    result = fake_steerer().run("a fox", "u1", out=tmp_path / "run")
    assert result.outlook is not None
    assert math.isnan(result.outlook.better)
    assert 0 < result.outlook.expected < result.best.objective
    assert summary(result)["outlook"]["words"] == str(result.outlook)


def test_nobody_is_ever_quite_sure():
    assert str(Outlook(0.9, 1.0)).endswith("99 %")
    assert str(Outlook(0.9, 0.0)).endswith("1 %")
