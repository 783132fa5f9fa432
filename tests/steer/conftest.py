"""Fakes by default, the shipped miniature and tiny random pipelines of the real classes once per session."""

from __future__ import annotations

import numpy as np
import pytest

from steer import Steerer
from steer.config import DiffusersConfig, load_config
from steer.miniature.eye import load_eye
from steer.miniature.raters import simulated_people
from steer.resources import miniature_weights
from steer.testing import FakeProposer, FakeRenderer, FakeReward
from steer.users.pictures import shipped_pictures
from steer.users.store import UserStore
from tests.steer.tiny_pipelines import (
    save_flux,
    save_flux2,
    save_klein,
    save_qwen_image,
    save_sd3,
    save_sdxl,
    save_z_image,
)


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory):
    return save_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="session")
def flux(tmp_path_factory):
    return save_flux(tmp_path_factory.mktemp("flux"))


@pytest.fixture(scope="session")
def klein(tmp_path_factory):
    return save_klein(tmp_path_factory.mktemp("klein"))


@pytest.fixture(scope="session")
def flux2(tmp_path_factory):
    return save_flux2(tmp_path_factory.mktemp("flux2"))


@pytest.fixture(scope="session")
def sd3(tmp_path_factory):
    return save_sd3(tmp_path_factory.mktemp("sd3"))


@pytest.fixture(scope="session")
def z_image(tmp_path_factory):
    return save_z_image(tmp_path_factory.mktemp("z_image"))


@pytest.fixture(scope="session")
def qwen_image(tmp_path_factory):
    return save_qwen_image(tmp_path_factory.mktemp("qwen_image"))


CALLS = {
    "flux": {"guidance_scale": 3.5, "max_sequence_length": 32},
    "klein": {"guidance_scale": 1.0, "max_sequence_length": 64},
    "sdxl": {"guidance_scale": 5.0},
}


@pytest.fixture(params=sorted(CALLS))
def tiny(request):
    """A renderer config of each family in turn; keyword arguments change it."""

    def make(**changes):
        folder = request.getfixturevalue(request.param)
        values = {
            "model": str(folder),
            "width": 32,
            "height": 32,
            "steps": 2,
            "batch_size": 2,
            "call": CALLS[request.param],
        }
        return DiffusersConfig(**{**values, **changes})

    return make


@pytest.fixture
def fake_steerer():
    """A Steerer of fakes that spends its budget; keyword arguments replace parts, ``settings`` change the config."""

    def make(settings=(), **parts):
        defaults = {"proposer": FakeProposer(), "renderer": FakeRenderer(), "reward": FakeReward()}
        return Steerer(
            load_config("miniature", ["search.screen=1", "search.worth=0", *settings]), **{**defaults, **parts}
        )

    return make


@pytest.fixture(scope="session")
def miniature():
    """The shipped models, loaded once."""
    return Steerer("miniature")


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
