"""What the store knows about people, as values."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
from PIL import Image


@dataclass(frozen=True)
class User:
    """A person of the store.

    ``source``: the data set an imported person comes from, who is read-only; empty for others. ``ratings`` and
    ``choices`` are counts. ``keep_pictures``: small copies of what they rate are kept; ``thumbnails``: how many are.
    ``shares``: what of them may be part of a data set: nothing, "ratings", or "about", which is their facts too.
    """

    id: str
    demographics: dict[str, str] = field(default_factory=dict)
    profile: str = ""
    source: str = ""
    created: str = ""
    ratings: int = 0
    choices: int = 0
    keep_pictures: bool = False
    thumbnails: int = 0
    shares: str = ""


@dataclass(frozen=True)
class Rating:
    """A rating of a picture (its hash). ``score`` is from 1 to 5."""

    id: int
    picture: str
    prompt: str
    score: float
    at: str


@dataclass(frozen=True)
class Choice:
    """A choice between two pictures (their hashes): ``better`` was preferred."""

    id: int
    better: str
    worse: str
    at: str


@dataclass(frozen=True)
class Told:
    """Everything a person told: who they are, their ratings and choices, oldest first, and those pictures' prompts."""

    user: User
    ratings: list[Rating]
    choices: list[Choice]
    prompts: dict[str, str]

    @property
    def pictures(self) -> list[str]:
        """Hashes of all pictures in ratings and choices, each once."""
        chosen = (h for c in self.choices for h in (c.better, c.worse))
        return list(dict.fromkeys([*(r.picture for r in self.ratings), *chosen]))

    def digest(self) -> str:
        """A digest of ratings, choices, demographics and profile: 16 hex digits."""
        ratings = sorted((r.picture, r.prompt, r.score) for r in self.ratings)
        choices = sorted((c.better, c.worse) for c in self.choices)
        told = [ratings, choices, self.user.demographics, self.user.profile]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class KeptLesson:
    """What a reward model learned about a person. ``basis``: digest of what it learned from; ``open``: share in [0, 1]
    still unknown; ``data``: for the teacher to recall.
    """

    basis: str
    open: float
    data: bytes


def store_path(given: str | Path | None = None) -> Path:
    """The file of the store: ``given``, else $STEER_USERS, else ``users.db`` in the platform's data folder."""
    named = given or os.environ.get("STEER_USERS")
    return Path(named) if named else default_path()


def default_path() -> Path:
    """The file of the store where nothing else is said."""
    return platformdirs.user_data_path("steer") / "users.db"


def now() -> str:
    """The present time, as the store writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def picture_hash(image: Image.Image) -> str:
    """SHA-256 of size and RGB pixels: the same for the same picture in any file format."""
    rgb = image.convert("RGB")
    digest = hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode())
    digest.update(rgb.tobytes())
    return digest.hexdigest()
