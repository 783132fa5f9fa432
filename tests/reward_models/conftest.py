"""Nothing in these tests may reach a hub, and none of them needs steer; the small world and its reward, made once."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # several at once: threads of each would wait for the others'
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from reward_models.encoders.siglip import SiglipEncoder
from reward_models.families import Work, family_of
from reward_models.pamela.reward import PamelaReward
from tests.reward_models.worlds import save_siglip, write_set


@dataclass
class Trained:
    """``root``: data, features and the reward of the small world; ``said``: the lines that training reported."""

    root: Path
    encoder: SiglipEncoder
    said: list[str]

    @property
    def config(self) -> Path:
        return self.root / "train.yaml"

    @property
    def folder(self) -> Path:
        return self.root / "reward"

    def load(self) -> PamelaReward:
        """The reward anew, as it was trained."""
        return PamelaReward.from_folder(self.folder, encoder=self.encoder)


@pytest.fixture(scope="session")
def siglip(tmp_path_factory):
    """A tiny SigLIP; its name is its folder."""
    return SiglipEncoder(save_siglip(tmp_path_factory.mktemp("siglip")), batch_size=16)


@pytest.fixture(scope="session")
def trained(siglip, tmp_path_factory):
    """A PAMELA reward of two members, trained as the command does."""
    root = tmp_path_factory.mktemp("world")
    write_set(root / "data")
    config = {
        "data": [{"source": str(root / "data")}],
        "encoder": {"name": siglip.name},
        "model": {"width": 64},
        "training": {"epochs": 30, "people_per_batch": 6, "ratings_each": 12, "lr": 0.003},
        "seeds": [0, 1],
        "device": "cpu",
        "cache": str(root / "cache"),
        "out": str(root / "reward"),
    }
    (root / "train.yaml").write_text(yaml.safe_dump(config))
    said: list[str] = []
    found = family_of(root / "train.yaml").train(root / "train.yaml", Work(say=said.append))
    assert found == root / "reward"
    return Trained(root, siglip, said)
