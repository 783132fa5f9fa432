"""A rating of a picture that a run drew."""

from __future__ import annotations

from PIL import Image

from reward_models import RewardModel
from steer.users.enrolment import keep_pictures, teacher_of
from steer.users.records import picture_hash
from steer.users.store import UserStore


def rate_candidate(
    store: UserStore, reward: RewardModel, user: str, image: Image.Image, prompt: str, score: float, origin: str
) -> int:
    """Keep a person's rating (1 to 5) of a run's picture, as one of the prompt, with what the reward needs to learn
    from it.
    """
    name = picture_hash(image)
    row = store.rate(user, name, score, prompt, origin)
    keep_pictures(store, teacher_of(reward, user), {name: image})
    return row
