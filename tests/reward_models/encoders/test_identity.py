"""What a fingerprint sees, and what it must not see."""

from __future__ import annotations

import json
import os

import pytest
import torch
from torch import nn

from reward_models.encoders import identity
from reward_models.encoders.hidden_states import HiddenPools
from reward_models.encoders.identity import weights_hash
from reward_models.encoders.load import load_encoder
from reward_models.encoders.pixels import load_image_processor, pixel_facts
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.encoders.vlm import load_vlm
from reward_models.profile_mllm.eyes import Eyes
from reward_models.scorers.classifier import ClassifierScorer
from tests.reward_models.tiny_vlms import save_qwen
from tests.reward_models.worlds import save_siglip, save_vit


class Named(nn.Module):
    """Two layers under names of one's choice; ``tied``: the second name holds the first's weights too."""

    def __init__(self, first, second, tied=False):
        super().__init__()
        torch.manual_seed(0)
        one, two = nn.Linear(4, 6), nn.Linear(6, 4)
        self.add_module(first, one)
        self.add_module(second, two)
        if tied:
            self.add_module("head", one)


def test_weights_keep_their_hash_when_a_library_renames_reorders_or_ties_them():
    before = weights_hash(Named("encoder", "pooler"))
    assert weights_hash(Named("text_model_encoder", "a_pooler")) == before
    assert weights_hash(Named("encoder", "pooler", tied=True)) == before


def test_one_weight_that_differs_is_seen_and_so_is_a_shape():
    model, before = Named("encoder", "pooler"), weights_hash(Named("encoder", "pooler"))
    with torch.no_grad():
        model.pooler.bias[1] += 0.01
    assert weights_hash(model) != before
    flat = Named("encoder", "pooler")
    flat.encoder.weight = nn.Parameter(flat.encoder.weight.detach().reshape(-1))
    assert weights_hash(flat) != before


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "siglip": save_siglip(root / "siglip"),
        "vision": save_vit(root / "vit"),
        "pools": save_qwen(root / "pools"),
    }


def encoders(folders):
    return {
        "siglip": SiglipEncoder(folders["siglip"]),
        "vision": load_encoder(folders["vision"], "vision"),
        "pools": HiddenPools(folders["pools"], ["LT_2"], size=64),
    }


def settings_of(folder):
    """Where a folder keeps its image processor, and those settings."""
    path = next(p for p in (folder / "preprocessor_config.json", folder / "processor_config.json") if p.is_file())
    whole = json.loads(path.read_text(encoding="utf-8"))
    return path, whole, whole.get("image_processor", whole)


def test_a_fingerprint_sees_how_pixels_are_made(folders, tmp_path):
    before = {name: e.fingerprint() for name, e in encoders(folders).items()}
    for name, folder in folders.items():
        path, whole, own = settings_of(folder)
        kept = path.read_text(encoding="utf-8")
        own["image_mean"] = [0.4, 0.5, 0.5]
        path.write_text(json.dumps(whole), encoding="utf-8")
        assert encoders(folders)[name].fingerprint() != before[name], name
        path.write_text(kept, encoding="utf-8")
    assert {name: e.fingerprint() for name, e in encoders(folders).items()} == before


def test_pixels_are_made_with_pillow_where_torchvision_is_installed_too(folders, monkeypatch):
    from transformers.models.auto import image_processing_auto

    asked = []
    real = image_processing_auto._load_class_with_fallback

    def loads(mapping, backend):
        asked.append(backend)
        return real(mapping, "pil")

    monkeypatch.setattr(image_processing_auto, "_load_class_with_fallback", loads)
    monkeypatch.setattr(image_processing_auto, "is_torchvision_available", lambda: True)
    encoders(folders)
    assert set(asked) == {"pil"}
    vlm = load_vlm(folders["pools"])
    assert vlm.processor.image_processor.backend == "pil"


def test_a_processor_that_only_another_backend_has_says_so(folders):
    processor = load_image_processor(folders["siglip"])
    assert "backend" not in pixel_facts(processor)
    Other = type("Other", (type(processor),), {"backend": "torchvision"})
    processor.__class__ = Other
    assert json.loads(pixel_facts(processor))["backend"] == "torchvision"


def test_a_part_of_what_files_hold_has_a_hash_of_its_own_whichever_is_read_first(folders, tmp_path, monkeypatch):
    found = []
    for name in ("one", "other"):
        monkeypatch.setenv("REWARD_MODELS_CACHE", str(tmp_path / name))
        both = {"all": lambda: SiglipEncoder(folders["siglip"]), "part": lambda: Eyes(folders["siglip"])}
        order = list(both) if name == "one" else list(both)[::-1]
        found.append({which: both[which]().fingerprint() for which in order})
    assert found[0] == found[1]


def test_the_hash_is_taken_once_and_again_where_the_file_or_transformers_changed(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("REWARD_MODELS_CACHE", str(tmp_path))
    taken = []
    real = identity.weights_hash
    monkeypatch.setattr(identity, "weights_hash", lambda *a, **k: taken.append(1) or real(*a, **k))
    first = SiglipEncoder(folders["siglip"]).fingerprint()
    assert SiglipEncoder(folders["siglip"]).fingerprint() == first
    assert len(taken) == 1
    os.utime(folders["siglip"] / "model.safetensors", ns=(1, 1))
    assert SiglipEncoder(folders["siglip"]).fingerprint() == first
    assert len(taken) == 2
    monkeypatch.setattr(identity, "version", lambda name: "99.0")
    assert SiglipEncoder(folders["siglip"]).fingerprint() == first
    assert len(taken) == 3
    monkeypatch.setenv("REWARD_MODELS_CACHE", str(folders["siglip"] / "model.safetensors" / "no folder"))
    assert SiglipEncoder(folders["siglip"]).fingerprint() == first  # nowhere to write: taken each time
    assert len(taken) == 4


def test_a_model_of_ones_own_in_memory_is_hashed_itself(folders):
    vit = load_encoder(folders["vision"], "vision")
    vit.files = ()
    with torch.no_grad():
        next(vit.model.parameters()).add_(1)
    assert vit.fingerprint() != load_encoder(folders["vision"], "vision").fingerprint()


def test_a_classifiers_too(tmp_path):
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    config = ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32)
    config.id2label = {0: "good", 1: "bad"}
    ViTForImageClassification(config).save_pretrained(tmp_path)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    before = ClassifierScorer(str(tmp_path), "good").fingerprint()
    ViTImageProcessorPil(size={"height": 32, "width": 32}, image_std=[0.2] * 3).save_pretrained(tmp_path)
    assert ClassifierScorer(str(tmp_path), "good").fingerprint() != before
