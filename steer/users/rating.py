"""A rating of a picture that a run drew."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from steer.users.store import UserStore, picture_hash


def rate_candidate(
    store: UserStore, reward: Any, user: str, image: Image.Image, prompt: str, score: float, origin: str
) -> int:
    """Keep a person's rating (1 to 5) of a run's picture, as one of the prompt; with its features, so that it can be learnt from."""
    name = picture_hash(image)
    row = store.rate(user, name, score, prompt, origin)
    encoder = reward.picture_encoder
    store.keep_features(encoder.fingerprint(), {name: np.asarray(encoder.images([image]).float().cpu()[0])})
    return row
