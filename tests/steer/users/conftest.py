"""A fresh store, and a person of the miniature whose taste is known."""

from __future__ import annotations

import numpy as np
import pytest

from steer.miniature.eye import load_eye
from steer.miniature.raters import simulated_people
from steer.resources import miniature_weights
from steer.users.pictures import shipped_pictures
from steer.users.store import UserStore


@pytest.fixture
def store(tmp_path):
    return UserStore(tmp_path / "users.db")


@pytest.fixture(scope="session")
def questions():
    return shipped_pictures()


@pytest.fixture(scope="session")
def reading(questions):
    """What the eye sees in the shipped pictures."""
    return load_eye(miniature_weights("eye")).read([q.image for q in questions])


@pytest.fixture(scope="session")
def ratings_of(questions, reading):
    """Their noiseless ratings (1 to 5) of the shipped pictures, by hash, of a person nobody trained on."""

    def rate(person):
        liking = simulated_people()[person].satisfaction(reading)
        return {q.hash: float(np.clip(1 + 4 * v, 1, 5)) for q, v in zip(questions, liking, strict=True)}

    return rate
