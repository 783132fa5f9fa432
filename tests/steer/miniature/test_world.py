"""The world's words and pictures."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from steer.miniature.painter import SIZE, paint
from steer.miniature.raters import simulated_people
from steer.miniature.words import caption, read_prompt
from steer.miniature.world import ATTRIBUTES, Scene, complete_scene, held_out, random_scene, scene_at
from steer.renderers.painter import PainterRenderer
from steer.testing import RendererConformance
from trainers.data import mirror, scene_of
from trainers.generator import subject_weights
from trainers.text import noisy_caption


class TestPainterRenderer(RendererConformance):
    def make(self):
        return PainterRenderer()


def test_a_full_caption_is_read_back_exactly():
    rng = random.Random(0)
    for _ in range(1000):
        scene = random_scene(rng)
        assert read_prompt(caption(scene, rng, full=True)) == scene.attributes()


def test_a_caption_with_filler_says_nothing_wrong():
    rng = random.Random(1)
    for _ in range(1000):
        scene = random_scene(rng)
        said = read_prompt(noisy_caption(caption(scene, rng), rng))
        assert said.items() <= scene.attributes().items()
        assert "subject" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "wide shot of a fox in snow at dusk, watercolour",
            {"subject": "fox", "place": "snow", "light": "sunset", "style": "watercolour", "framing": "wide"},
        ),
        ("a glass house in a forest", {"subject": "house", "place": "forest"}),
        ("Black and White photo of A CAT!", {"subject": "cat", "style": "monochrome"}),
        ("a lighthouse by the sea", {"subject": "lighthouse", "place": "sea"}),
        ("nothing known here", {}),
    ],
)
def test_a_persons_own_words(text, expected):
    assert read_prompt(text) == expected


def test_the_same_scene_is_the_same_pixels():
    scene = random_scene(random.Random(3))
    assert paint(scene).tobytes() == paint(scene).tobytes()
    assert paint(scene).size == (SIZE, SIZE)
    assert paint(scene.with_(seed=scene.seed + 1)).tobytes() != paint(scene).tobytes()


@pytest.mark.parametrize("look", [1, 2])
def test_every_value_of_every_attribute_changes_the_picture(look):
    base = Scene("fox", "sea", "day", "photo", "medium", "centre", seed=5)
    for name, values in ATTRIBUTES.items():
        pictures = {paint(base.with_(**{name: v}), look=look).tobytes() for v in values}
        assert len(pictures) == len(values), name


def test_the_looks_differ_in_fog_sepia_and_ink_alone():
    for i in range(24):
        scene = scene_at(5, i)
        one, two = (paint(scene, look=look).tobytes() for look in (1, 2))
        if scene.style in ("sepia", "ink") or (scene.light == "fog" and scene.style != "pixel"):
            assert one != two, scene
        elif scene.light != "fog":
            assert one == two, scene
        assert paint(scene, look=2).tobytes() == two


def test_the_second_looks_fog_has_no_bands():
    """Between two rows of the sky the fog changes by a few grey levels at most, in each of the columns."""
    scene = Scene("fox", "desert", "fog", "photo", "wide", "centre", seed=5)
    steps = {}
    for look in (1, 2):
        sky = np.asarray(paint(scene, look=look).convert("L"), dtype=int)[:50]
        steps[look] = abs(np.diff(sky, axis=0)).max()
    assert steps[2] <= 3 < steps[1]


def test_the_second_looks_sepia_uses_more_tones():
    scene = Scene("fox", "desert", "fog", "sepia", "medium", "centre", seed=5)
    spread = {look: np.asarray(paint(scene, look=look).convert("L"), dtype=float).std() for look in (1, 2)}
    assert spread[2] > 1.2 * spread[1]


def test_what_is_said_is_kept_and_unsaid_is_usual():
    rng = random.Random(0)
    scenes = [complete_scene({"subject": "fox", "light": "night"}, rng) for _ in range(400)]
    assert {s.light for s in scenes} == {"night"}
    photos = sum(s.style == "photo" for s in scenes) / 400
    assert 0.35 < photos < 0.6


def test_held_out_combinations_never_appear_in_training_streams():
    assert not any(held_out(scene_at(1, i)) for i in range(500))
    assert all(held_out(scene_at(1, i, unseen=True)) for i in range(50))


def test_people_are_the_same_for_everybody_and_differ_from_each_other():
    people = simulated_people()
    assert list(people) == [f"u{i}" for i in range(1, 201)]
    rng = random.Random(0)
    scenes = [random_scene(rng) for _ in range(300)]
    read = {a: np.eye(len(v))[[v.index(getattr(s, a)) for s in scenes]] for a, v in ATTRIBUTES.items()}
    likings = np.stack([p.satisfaction(read) for p in people.values()])
    assert likings.min() >= 0
    assert likings.max() <= 1
    agreement = np.corrcoef(likings)
    mean_agreement = agreement[np.triu_indices(200, 1)].mean()
    assert 0.05 < mean_agreement < 0.6
    assert people["u17"].rate(likings[16], np.random.default_rng(0)).min() >= 1


def test_mirrored_pictures_exchange_left_and_right_only():
    scenes = [scene_at(3, i) for i in range(64)]
    labels = torch.tensor([s.indices() for s in scenes])
    pictures = torch.arange(64 * 3 * 2 * 4).float().view(64, 3, 2, 4)
    turned, changed = mirror(pictures, labels, torch.Generator().manual_seed(0))
    exchange = {"left": "right", "centre": "centre", "right": "left"}
    flipped = 0
    for i, scene in enumerate(scenes):
        if torch.equal(turned[i], pictures[i]):
            assert scene_of(changed[i]) == scene.with_(seed=0)
        else:
            flipped += 1
            assert torch.equal(turned[i], pictures[i].flip(-1))
            assert scene_of(changed[i]) == scene.with_(seed=0, position=exchange[scene.position])
    assert 20 < flipped < 44


def test_steady_subjects_stand_in_the_slot_the_loss_looks_at():
    scene = Scene("robot", "desert", "day", "photo", "close-up", "right", 5)
    robot, balloon = (np.asarray(paint(scene.with_(subject=s), steady=True), int) for s in ("robot", "balloon"))
    subject = abs(robot - balloon).sum(-1) > 30
    weights = subject_weights([scene], 8)[0].view(8, 8)
    assert float(weights.mean()) == pytest.approx(1)
    heavy = np.kron((weights > weights.min() * 1.001).numpy(), np.ones((16, 16), bool))
    assert subject.sum() > 1500
    assert heavy[subject].mean() > 0.99
    assert heavy.mean() < 0.9
