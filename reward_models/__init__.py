"""Personal reward models: how much will ONE person like a picture.

Usable alone, without the rest of steer::

    import reward_models
    from PIL import Image

    model = reward_models.load("miniature")              # ships with steer; or a folder, or a hub's owner/name
    image = Image.open("fox.png")
    scores = model.score([image], ["a fox in the snow"], "u17")
    scores.personal                                      # (1,), how much u17 likes it, in [0, 1]

    reading = model.read([image], ["a fox in the snow"])   # the expensive half, once per picture
    for person in model.people():                          # the cheap half, once per person
        print(person, model.judge(reading, person).personal)
"""

from reward_models.base import Person, RewardError, Scores, UnknownPerson, as_person
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
    "as_person",
    "load",
    "teach",
]
