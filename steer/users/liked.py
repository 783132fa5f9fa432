"""Folders of pictures that a person likes or dislikes, as ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reward_models.profile import SAID_DISLIKED, SAID_LIKED
from reward_models.protocols import Teacher
from steer.errors import UsageError
from steer.users.kept_pictures import thumbnail
from steer.users.pictures import AT_ONCE, Question, pictures_in
from steer.users.store import UserStore

ENOUGH_LIKED = 5  # pictures with which a run may begin


@dataclass(frozen=True)
class Folders:
    """Pictures by hash, with their rating from 1 to 5 and where they come from."""

    pictures: Mapping[str, tuple[Question, float, str]]

    @property
    def said(self) -> str:
        """How many are liked and disliked, in words."""
        liked = sum(score > 3 for _, score, _ in self.pictures.values())
        parts = [(liked, "liked"), (len(self.pictures) - liked, "disliked")]
        return " and ".join(f"{n} {kind} {'picture' if n == 1 else 'pictures'}" for n, kind in parts if n)


def read_folders(liked: Path | None, disliked: Path | None) -> Folders:
    """The pictures of a folder of liked and a folder of disliked ones; a folder's copies of a picture count once.

    A liked picture is a rating of 4.4 and a disliked one of 1.6: a folder says less than a rating of 5 or 1. Raises
    UsageError for a folder without pictures, and for a picture that is in both.
    """
    found: dict[str, tuple[Question, float, str]] = {}
    for kind, folder, liking in (("liked", liked, SAID_LIKED), ("disliked", disliked, SAID_DISLIKED)):
        score = round(1 + 4 * liking, 2)
        for question in pictures_in(folder) if folder else ():
            name = question.hash
            other = found.setdefault(name, (question, score, f"{kind}: {question.origin}"))
            if other[1] != score:
                raise UsageError(f"'{other[0].path}' and '{question.path}' are the same picture, liked and disliked")
    return Folders(found)


def rate_folders(store: UserStore, teacher: Teacher | None, user: str, folders: Folders) -> int:
    """Store the pictures of folders as ratings of a person, all or none; returns how many are new.

    ``teacher``: keeps what it needs of each picture; None for a person who keeps thumbnails, which any teacher can
    read later. A rating that the person gave, and that agrees, is more exact and stays.
    """
    before = {r.picture: r.score for r in store.ratings(user)}
    new = {
        name: told
        for name, told in folders.pictures.items()
        if name not in before or (before[name] > 3) != (told[1] > 3)
    }
    features: dict[str, bytes] = {}
    small: dict[str, bytes] = {}
    keeps, names = store.user(user).keep_pictures, list(folders.pictures)
    for start in range(0, len(names), AT_ONCE):
        some = {name: folders.pictures[name][0].image for name in names[start : start + AT_ONCE]}
        if teacher is not None:
            features |= dict(zip(some, teacher.keep(list(some.values())), strict=True))
        if keeps:
            small |= {name: thumbnail(image) for name, image in some.items()}
    with store.together():
        for origin in dict.fromkeys(told[2] for told in new.values()):
            rows = [(name, told[0].prompt, told[1]) for name, told in new.items() if told[2] == origin]
            store.rate_many(user, rows, origin)
        if teacher is not None:
            store.keep_features(teacher.key, features)
        store.keep_thumbnails(user, small)
    return len(new)
