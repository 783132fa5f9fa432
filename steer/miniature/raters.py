"""The simulated people, by world. Their taste is a known function, so steering can be checked against the truth.

World 1 is easily pleased: :mod:`steer.miniature.first_people`. World 2 is harder, and its good pictures must be looked
for: :mod:`steer.miniature.second_people`.
"""

from __future__ import annotations

from functools import cache

from steer.errors import UsageError
from steer.miniature.first_people import first_people
from steer.miniature.person import SimulatedPerson
from steer.miniature.second_people import second_people
from steer.miniature.world import WORLD

WORLDS = {1: first_people, 2: second_people}
N_PEOPLE = 200
SEED = 20260407


@cache
def simulated_people(n: int = N_PEOPLE, seed: int = SEED, world: int = WORLD) -> dict[str, SimulatedPerson]:
    """The people u1 ... un of a world, the same for everybody. Raises UsageError for a world that there is not."""
    if world not in WORLDS:
        raise UsageError(f"there is no world {world} of simulated people; there are {', '.join(map(str, WORLDS))}")
    return WORLDS[world](n, seed)
