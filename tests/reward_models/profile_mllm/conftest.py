"""A tiny Llama and tiny eyes of the real classes, and a data set whose two kinds of people want the opposite."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from reward_models.encoders.vlm import load_vlm
from reward_models.profile_mllm.decider import FusedDecider
from reward_models.profile_mllm.eyes import Eyes
from reward_models.profile_mllm.fusion import Fusion, FusionConfig
from tests.reward_models.tiny_vlms import save_clip_eyes, save_llama


@pytest.fixture(scope="session")
def llama(tmp_path_factory):
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    return save_clip_eyes(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def decider(llama, clip):
    """A decider whose modules add nothing yet; the language model is left as it was."""
    made = make_decider(llama, clip)
    yield made
    made.fusion.detach()


def make_decider(llama, clip, batch_size=1, **config):
    vlm, eyes = load_vlm(llama), Eyes(clip)
    config = FusionConfig(**{"heads": 2, "patches": eyes.patches, **config})
    return FusedDecider(vlm, eyes, Fusion(vlm.model, eyes.width, config).eval(), size=64, batch_size=batch_size)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Six people who say "warm" and like red pictures, six who say "cold" and like blue ones, in PAMELA's files."""
    root = tmp_path_factory.mktemp("world")
    (root / "images").mkdir()
    (root / "annotations").mkdir()
    for i in range(24):
        shade = 90 + 6 * i
        Image.new("RGB", (64, 64), (shade, 20, 20) if i % 2 else (20, 20, shade)).save(root / "images" / f"{i}.png")
    people = {f"p{k}": "warm" if k % 2 else "cold" for k in range(12)}
    rows = {"train": [], "val_seen": [], "val_unseen": [], "test_unseen": []}
    for k, (person, kind) in enumerate(people.items()):
        for i in range(24):
            seen, old = k < 8, i < 16
            split = {(1, 1): "train", (1, 0): "val_seen", (0, 0): "test_unseen" if k < 10 else "val_unseen"}.get(
                (seen, old)
            )
            if split:
                score = 4.5 if (i % 2 == 1) == (kind == "warm") else 1.5
                about = {"age_binned": "18-29", "gender": "female", "nationality": "Greek"}
                rows[split].append(
                    {
                        "participant_id": person,
                        "image_path": f"images/{i}.png",
                        "original_score": score + 0.01 * i,
                        "image_metadata": {},
                        "user_demographics": about,
                    }
                )
    for split, own in rows.items():
        (root / "annotations" / f"pamela_{split}.json").write_text(json.dumps(own))
    profiles = {p: {"trait_a": "9" if kind == "warm" else "2", "words": kind} for p, kind in people.items()}
    (root / "annotations" / "profiles.json").write_text(json.dumps(profiles))
    texts = [{"picture": f"images/{i}.png", "text": "red" if i % 2 else "blue"} for i in range(16)]
    (root / "descriptions.jsonl").write_text("\n".join(map(json.dumps, texts)))
    return root
