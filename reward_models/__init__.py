"""Personal reward models: how much will ONE person like a picture.

Usable alone, without the rest of steer::

    import reward_models
    model = reward_models.load("path/to/reward")          # a folder with config.json and weights
    scores = model.score([image], ["a fox in snow"], reward_models.Person(id="u17"))
    scores.personal                                        # (1,) in [0, 1]
"""

from reward_models.base import Person, RewardError, RewardModel, Scores, UnknownPerson
from reward_models.families import load

__all__ = ["Person", "RewardError", "RewardModel", "Scores", "UnknownPerson", "load"]
