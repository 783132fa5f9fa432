"""``steer reward comments``, ``ava`` and the protocols of ``eval``: what is typed, and what is refused."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from tests.reward_models.calm.tiny import tiny_reward
from tests.steer.command import steer_here


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for k in range(2):
        Image.effect_mandelbrot((48, 48), (-2 + k, -1, 1, 1), 40).convert("RGB").save(folder / f"{k}.png")
    return folder


def test_comments_of_a_trained_model_are_judged_by_words(pictures, tmp_path):
    tiny_reward(tmp_path).save(tmp_path / "calm", {})
    done = steer_here(
        "reward", "comments", tmp_path / "calm", "--pictures", pictures, "--most", 1, "--out", tmp_path / "report"
    )
    assert done.returncode == 0, done.stderr
    assert "1 pictures, each made worse in six ways; judge: word list" in done.stdout
    told = json.loads((tmp_path / "report" / "comments.json").read_text())
    assert set(told["faults"]) >= {"noise", "cropped", "mean", "mean without cropped"}


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (["comments", "/no/model", "--pictures", "{pictures}"], "/no/model"),
        (["comments", "/no/model", "--pictures", "/no/pictures"], "there are no pictures in '/no/pictures'"),
        (["comments", "m", "--pictures", "/", "--captions", "/no/file.json"], "'/no/file.json' is missing"),
        (["ava", "miniature/held-out", "--data", "{pictures}"], "AVA.txt' is missing"),
        (["eval", "miniature", "-c", "miniature", "--beside", "miniature"], "--beside is for --protocol in-context"),
        (["eval", "-c", "miniature", "--protocol", "in-context"], "--protocol in-context"),
        (["eval", "miniature", "-c", "miniature", "--protocol", "in-context", "--beside", "miniature"], "named twice"),
    ],
)
def test_what_cannot_be_is_one_line_and_blames_what_was_typed(pictures, typed, why):
    done = steer_here("reward", *(word.format(pictures=pictures) for word in typed))
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_ava_is_scored(pictures, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "aesthetics_image_lists").mkdir()
    (tmp_path / "aesthetics_image_lists" / "generic_test.jpgl").write_text("10\n11\n")
    lines = []
    for k in range(2):
        Image.open(pictures / f"{k}.png").save(tmp_path / "images" / f"{10 + k}.jpg")
        lines.append(f"{k + 1} {10 + k} {'0 ' * k}4 {'0 ' * (9 - k)}1 2 3")
    (tmp_path / "AVA.txt").write_text("\n".join(lines))
    done = steer_here("reward", "ava", "miniature/held-out", "--data", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "AVA, 2 pictures: PLCC " in done.stdout
