"""What the store keeps of people, as values."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
from PIL import Image


@dataclass(frozen=True)
class User:
    """``source`` names the data set of imported people, who are read-only; ``ratings`` and ``choices`` are counts."""

    id: str
    demographics: dict[str, str] = field(default_factory=dict)
    profile: str = ""
    source: str = ""
    created: str = ""
    ratings: int = 0
    choices: int = 0


@dataclass(frozen=True)
class Rating:
    """``score`` on the slider from 1 to 5."""

    id: int
    picture: str
    prompt: str
    score: float
    at: str


@dataclass(frozen=True)
class Choice:
    """Of two pictures the one that was liked better."""

    id: int
    better: str
    worse: str
    at: str


@dataclass(frozen=True)
class Told:
    """All that a person told: who they are, their ratings and choices in order, and the prompts of those pictures."""

    user: User
    ratings: list[Rating]
    choices: list[Choice]
    prompts: dict[str, str]

    @property
    def pictures(self) -> list[str]:
        """Hashes of what was rated or chosen between, each once."""
        chosen = (h for c in self.choices for h in (c.better, c.worse))
        return list(dict.fromkeys([*(r.picture for r in self.ratings), *chosen]))

    def digest(self) -> str:
        """Changes with every answer, and with what the person says of themselves."""
        ratings = sorted((r.picture, r.prompt, r.score) for r in self.ratings)
        choices = sorted((c.better, c.worse) for c in self.choices)
        told = [ratings, choices, self.user.demographics, self.user.profile]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class KeptLesson:
    """What a reward learned of a person: ``basis`` is the digest it was learned from, ``open`` what is still
    unknown.
    """

    basis: str
    open: float
    data: bytes


def store_path(given: str | Path | None = None) -> Path:
    """The store's file: as given, or by STEER_USERS, or in the platform's folder for a program's data."""
    named = given or os.environ.get("STEER_USERS")
    return Path(named) if named else platformdirs.user_data_path("steer") / "users.db"


def picture_hash(image: Image.Image) -> str:
    """SHA-256 of size and RGB pixels: the same picture in any file."""
    rgb = image.convert("RGB")
    return hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode() + rgb.tobytes()).hexdigest()
