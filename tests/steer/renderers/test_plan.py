"""What fits onto which card, by sizes alone."""

from __future__ import annotations

import pytest

from steer.config import find_config, load_config, read_values
from steer.models import _parts, _work
from steer.renderers.plan import Allowed, Part, Precision, Work, choose

FREE = {8: 7.4, 12: 11.4, 16: 15.2, 24: 23.0, 80: 78.0}  # GiB that cards of such a size have free


def planned(preset, gb, **allowed):
    card, renderer = read_values(find_config(preset))["card"], load_config(preset).renderer
    return choose(_parts(card, renderer), FREE[gb], _work(card, renderer), Allowed(**allowed))


@pytest.mark.parametrize(
    ("preset", "gb", "placement", "precision"),
    [
        ("flux2-klein", 8, "encoders", Precision("int8", "int8")),
        ("flux2-klein", 12, "encoders", Precision()),
        ("flux2-klein", 24, "none", Precision()),
        ("flux1-dev", 16, "encoders", Precision("int8")),
        ("flux1-dev", 24, "encoders", Precision("int8")),
        ("flux1-dev", 80, "none", Precision()),
        ("sdxl", 8, "encoders", Precision(tiles=True)),
        ("sdxl", 12, "none", Precision()),
        ("flux2-dev", 24, "group", Precision("int8", "int8")),
        ("flux2-dev", 80, "encoders", Precision()),
    ],
)
def test_the_presets_on_the_cards_that_people_have(preset, gb, placement, precision):
    found = planned(preset, gb)
    assert (found.placement, found.precision) == (placement, precision)


def test_without_eight_bits_more_goes_layer_by_layer():
    whole = {"denoiser": ("none",), "text": ("none",)}
    assert planned("flux1-dev", 24, **whole).placement == "group"
    assert planned("flux2-klein", 8, **whole).placement == "group"
    assert planned("flux2-klein", 8, **whole).layers  # its text encoder does not fit either
    assert planned("flux2-klein", 12, **whole).placement == "encoders"


def test_precision_follows_from_the_card_and_place_from_what_is_free():
    """Else a resumed run would draw other pictures because another program was open."""
    parts = {"text_encoder": Part(8.0, 4.2), "transformer": Part(8.0, 4.2), "vae": Part(0.2, 0.2)}
    for free, placement in ((23.0, "none"), (12.0, "encoders"), (5.0, "group")):
        found = choose(parts, free, Work(1.0), total=24.0)
        assert (found.placement, found.precision) == (placement, Precision())


def test_pipelines_whose_texts_cannot_be_read_apart_move_part_by_part():
    parts = {"text_encoder": Part(8.0, 8.0), "transformer": Part(8.0, 8.0)}
    assert choose(parts, 12.0, Work(1.0), Allowed(apart=False)).placement == "model"
    assert choose(parts, 9.0, Work(1.0), Allowed(apart=False)).placement == "group"


def test_large_batches_and_wide_denoisers_need_room_too():
    parts = {"text_encoder": Part(8.0, 8.0), "transformer": Part(8.0, 8.0)}
    only = Allowed(denoiser=("none",), text=("none",), tiles=(False,))
    assert choose(parts, 24.0, Work(1.0, batch=4), only).placement == "none"
    assert choose(parts, 24.0, Work(1.0, batch=32), only).placement == "group"
    assert choose(parts, 19.0, Work(1.0, 1, 3072), only).placement == "none"
    assert choose(parts, 19.0, Work(1.0, 4, 6144), only).placement == "encoders"
