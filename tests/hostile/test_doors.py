"""Whatever stands in a flag, a setting or a file: one line and an exit code, and nothing else happens.

The quick part makes the same few hundred cases each time. ``pytest -m slow tests/hostile`` makes new ones, more than
2,000, and prints what they came to.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.hostile.doors import DOORS
from tests.hostile.house import House

QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def go_through(door, house, **told):
    """So many cases of a door, or the smallest that fails."""

    @settings(**told, **QUIET)
    @given(door.made)
    def holds(case):
        door.check(house, case)

    holds()


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_door(door, tmp_path):
    go_through(door, House(tmp_path / "house"), max_examples=door.quick, derandomize=True)


@pytest.mark.slow
def test_many_more(tmp_path, capsys):
    cases, lines = 0, []
    for number, door in enumerate(DOORS):
        house = House(tmp_path / str(number))
        go_through(door, house, max_examples=door.long)
        count = house.count
        cases += count.cases
        lines.append(
            f"{door.name:14s} {count.cases:5d} cases, {count.refused:5d} refused, slowest {count.slowest:5.1f} s, "
            f"at most {count.largest / 2**20:4.0f} MB more"
        )
    with capsys.disabled():
        print("", *lines, f"{cases} cases: 0 bugs, 0 hangs, 0 floods, 0 raw escapes, 0 files outside", sep="\n")
    assert cases >= 2000
