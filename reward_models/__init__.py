"""Personal reward models: how much will ONE person like a picture.

Usable alone, without the rest of steer::

    import reward_models
    model = reward_models.load("path/to/reward")          # a folder with config.json and weights
    reading = model.read([image], ["a fox in snow"])       # the expensive half, once per picture
    scores = model.judge(reading, reward_models.Person(id="u17"))
    scores.personal                                        # (1,) in [0, 1]
"""

from reward_models.base import Person, RewardError, Scores, UnknownPerson
from reward_models.families import Family, load
from reward_models.protocols import Evidence, Lesson, Reading, RewardModel, Seen
from reward_models.teaching import teach

__all__ = [
    "Evidence",
    "Family",
    "Lesson",
    "Person",
    "Reading",
    "RewardError",
    "RewardModel",
    "Scores",
    "Seen",
    "UnknownPerson",
    "load",
    "teach",
]
