"""Ratings of pictures that a run drew."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from reward_models import RewardModel
from steer.users.enrolment import keep_pictures, teacher_of
from steer.users.records import picture_hash
from steer.users.store import UserStore


@dataclass(frozen=True)
class RatedPicture:
    """A rating that can be taken back. ``row`` is its id, ``picture`` the picture's hash, ``earlier`` the score it
    replaced, if any.
    """

    user: str
    row: int
    picture: str
    prompt: str
    origin: str
    earlier: float | None


def rate_candidate(
    store: UserStore, reward: RewardModel, user: str, image: Image.Image, prompt: str, score: float, origin: str
) -> RatedPicture:
    """Save a user's rating (1 to 5) of a picture drawn for ``prompt``, with what the reward needs to learn from it.

    ``origin``: name of the run. Raises UsageError for a reward that cannot learn new people.
    """
    teacher, name = teacher_of(reward, user), picture_hash(image)
    earlier = next((r.score for r in store.ratings(user) if r.picture == name), None)
    row = store.rate(user, name, score, prompt, origin)
    keep_pictures(store, teacher, {name: image})
    store.keep_small(user, {name: image})
    return RatedPicture(user, row, name, prompt, origin, earlier)


def take_back(store: UserStore, rated: RatedPicture) -> None:
    """Undo a rating; the one it replaced holds again."""
    store.take_back(rated.user, "rating", rated.row)
    if rated.earlier is not None:
        store.rate(rated.user, rated.picture, rated.earlier, rated.prompt, rated.origin)
