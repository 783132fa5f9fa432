"""Pictures that a person liked and disliked most, of those of which a small copy is kept."""

from __future__ import annotations

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
    pictures = store.thumbnails(user, [r.picture for r in (*liked, *disliked)])
    return tuple(Rated(opened(pictures[r.picture]), r.score) for r in (*liked, *disliked) if r.picture in pictures)
