"""Pictures that a person liked and disliked most, of those of which a small copy is kept."""

from __future__ import annotations

from PIL import Image

from steer.critics.base import Rated
from steer.users.kept_pictures import opened
from steer.users.store import UserStore

MIDDLE = 3.0  # of ratings from 1 to 5


def rated_examples(store: UserStore, user: str, most: int) -> tuple[Rated, ...]:
    """Up to ``most`` pictures rated above the middle of the scale, the most liked first, and as many below it, the most
    disliked first; of equals the later rating. Empty for a person who keeps no pictures.
    """
    if not most or store.get(user) is None:
        return ()
    kept = store.kept(user)
    ratings = [r for r in store.ratings(user) if r.picture in kept]
    liked = sorted((r for r in ratings if r.score > MIDDLE), key=lambda r: (-r.score, -r.id))[:most]
    disliked = sorted((r for r in ratings if r.score < MIDDLE), key=lambda r: (r.score, -r.id))[:most]
    data = store.thumbnails(user, [r.picture for r in (*liked, *disliked)])
    found = [(_opened(data.get(r.picture, b"")), r.score) for r in (*liked, *disliked)]
    return tuple(Rated(image, score) for image, score in found if image is not None)


def _opened(data: bytes) -> Image.Image | None:
    """The picture of a thumbnail; None for a damaged one."""
    try:
        return opened(data)
    except ValueError:
        return None
