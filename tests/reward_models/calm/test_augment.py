"""What is done to pictures, where, and in which words it is said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

from reward_models import RewardError
from reward_models.calm.augment import CENTRE, GROUPS, KINDS, OPPOSITES, Augmentation, augmented, change, draw, kinds_of
from reward_models.calm.foreground import Segmenter, SegmenterSetting, box_of
from reward_models.calm.sentences import FEWEST, SHIPPED, load_sentences

BOX = (0.25, 0.5, 0.5, 1.0)


@pytest.fixture(scope="module")
def picture():
    """A landscape of soft colours with a red subject in BOX."""
    y, x = np.mgrid[0:64, 0:96]
    pixels = np.stack([120 + x // 2, 90 + y, 160 - x // 2 + y // 4], -1).astype(np.uint8)
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).rectangle((24, 32, 47, 63), fill=(220, 40, 30))
    return image


@pytest.fixture(scope="module")
def sentences():
    return load_sentences()


def after(picture, *kinds, strength=0.5, seed=0, box=BOX):
    done = [Augmentation(kind, strength) for kind in kinds]
    return augmented(picture, done, np.random.default_rng(seed), box)


def measured(image):
    """Mean brightness, its spread, mean distance of a pixel's channels, mean and largest step."""
    pixels = np.asarray(image.convert("RGB"), dtype=float)
    grey = pixels.mean(-1)
    return {
        "brightness": grey.mean(),
        "contrast": grey.std(),
        "colour": np.ptp(pixels, axis=-1).mean(),
        "detail": np.abs(np.diff(pixels, axis=1)).mean(),
        "edge": np.abs(np.diff(pixels, axis=1)).max(),
    }


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "cropped"])
def test_a_stronger_one_changes_more_and_the_size_stays(picture, kind):
    found = [after(picture, kind, strength=s) for s in (0, 0.5, 1)]
    assert {f.size for f in found} == {picture.size}
    differences = [change(picture, f) for f in found]
    assert 0 < differences[0] < differences[2]
    assert after(picture, kind).tobytes() == found[1].tobytes()


@pytest.mark.parametrize(
    ("kind", "figure", "sign"),
    [
        ("bright", "brightness", 1),
        ("dark", "brightness", -1),
        ("vivid", "colour", 1),
        ("dull", "colour", -1),
        ("harsh", "contrast", 1),
        ("flat", "contrast", -1),
        ("noise", "detail", 1),
        ("blur", "edge", -1),
    ],
)
def test_each_does_what_it_is_called_by(picture, kind, figure, sign):
    assert sign * (measured(after(picture, kind))[figure] - measured(picture)[figure]) > 0.5


def test_a_masked_or_blurred_subject_leaves_the_rest_as_it_is(picture):
    before = np.asarray(picture)
    for kind in ("masked", "blurred subject"):
        changed = (np.asarray(after(picture, kind, strength=1)) != before).any(-1)
        assert changed[32:, 24:48].mean() > 0.1
        assert not changed[:20].any()
        assert not changed[:, 62:].any()
    patch = np.asarray(after(picture, "masked", strength=1))[34:60, 26:46]
    assert (patch == before.reshape(-1, 3).mean(0).astype(int)).all()


def test_a_crop_cuts_the_subject_on_one_side(picture):
    def red(image):
        pixels = np.asarray(image, dtype=int)
        return (pixels[..., 0] > 180) & (pixels[..., 1] < 80)

    cut = red(after(picture, "cropped", strength=1))
    assert cut[:, :2].any()  # the subject's rest stands at the left edge
    assert not red(picture)[:, :2].any()


def test_pixelation_leaves_squares_of_one_colour(picture):
    pixels = np.asarray(after(picture, "pixelation", strength=1), dtype=int)
    assert (np.abs(np.diff(pixels, axis=1)).sum(-1) == 0).mean() > 0.7


def test_a_draw_has_no_two_that_undo_each_other_and_is_seeded():
    rng = np.random.default_rng(0)
    drawn = [draw(rng, GROUPS, 4, (0.2, 0.4)) for _ in range(200)]
    assert {len(d) for d in drawn} == {1, 2, 3, 4}
    for d in drawn:
        assert not any(pair <= {each.kind for each in d} for pair in OPPOSITES)
        assert all(0.2 <= each.strength <= 0.4 for each in d)
    assert draw(np.random.default_rng(3), GROUPS, 3) == draw(np.random.default_rng(3), GROUPS, 3)
    assert {each.group for each in draw(rng, ["colour"], 3)} == {"colour"}
    assert set(kinds_of(["subject"])) == {"masked", "blurred subject", "cropped"}


def test_every_wording_is_read_back_as_its_kind_and_no_other(sentences):
    for kind, wording in sentences.kinds.items():
        assert min(len(set(wording.words)), len(set(wording.than))) >= FEWEST
        for text in sentences.all([kind]):
            assert sentences.kinds_in(text) == {kind}, text
        for words in wording.than:
            assert sentences.kinds_in(sentences.contrasts[0].format(words)) == {kind}, words
    assert not any(sentences.kinds_in(text) for text in sentences.nothing)
    assert all(len(set(t)) >= FEWEST for t in (sentences.labels, sentences.contrasts, sentences.reversed))


def test_sentences_of_several_are_spliced(sentences):
    rng = np.random.default_rng(1)
    plain = sentences.plainest(["dark", "noise", "cropped"])
    assert plain == "This picture is too dark, noisy and cropped too tightly."
    assert sentences.kinds_in(sentences.label(["dark", "cropped"], rng)) == {"dark", "cropped"}
    both = sentences.contrast(["blur", "noise", "dark"], ["dark", "dull"], rng)
    assert sentences.kinds_in(both) == {"blur", "noise", "dull"}  # both are dark
    assert both.count(".") == 2
    assert sentences.label([], rng) in sentences.nothing
    with pytest.raises(RewardError, match="no contrast"):
        sentences.contrast(["dark"], ["dark"], rng)


def test_wordings_of_ones_own_are_checked(tmp_path):
    text = SHIPPED.read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(text.replace("  blur:", "  blurr:"), encoding="utf-8")
    with pytest.raises(RewardError, match="blur"):
        load_sentences(own)
    own.write_text(text.replace("This picture is {}.", "This picture is it."), encoding="utf-8")
    with pytest.raises(RewardError, match=r"labels\.0"):
        load_sentences(own)
    with pytest.raises(RewardError, match="no file"):
        load_sentences(tmp_path / "none.yaml")


@pytest.fixture(scope="module")
def segformer(tmp_path_factory):
    """A tiny one of the real class whose answer is "wall" on dark pictures and "dog" on light ones."""
    torch.manual_seed(0)
    config = SegformerConfig(
        num_encoder_blocks=1, depths=[1], sr_ratios=[1], hidden_sizes=[8], patch_sizes=[3], strides=[2],
        num_attention_heads=[1], mlp_ratios=[1], decoder_hidden_size=8,
        id2label={0: "wall", 1: "dog"}, label2id={"wall": 0, "dog": 1},
    )  # fmt: skip
    model = SegformerForSemanticSegmentation(config)
    folder = tmp_path_factory.mktemp("segformer")
    model.save_pretrained(folder)
    SegformerImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_a_segmenter_finds_the_box_of_what_it_is_asked_for(segformer, picture):
    told = Segmenter(SegmenterSetting(name=str(segformer)))
    assert told.wanted.tolist() == [1]  # not the wall
    inputs = told.processor(images=[picture], return_tensors="pt")
    labels = told.model(pixel_values=inputs["pixel_values"]).logits[0].argmax(0).numpy()
    assert told(picture) == box_of(labels == 1)
    walls = Segmenter(SegmenterSetting(name=str(segformer), labels=("wall",)))
    assert walls(picture) == box_of(labels == 0)
    assert {told(picture), walls(picture)} != {CENTRE}
    with pytest.raises(RewardError, match="knows no 'cat'"):
        Segmenter(SegmenterSetting(name=str(segformer), labels=("cat",)))
    assert box_of(np.zeros((4, 4), bool)) == CENTRE
