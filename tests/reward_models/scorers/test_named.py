"""Scorers as a command is told of them, and their scores on disk."""

from __future__ import annotations

import numpy as np
import pytest

from reward_models import RewardError
from reward_models.scorers.base import Scorer
from reward_models.scorers.kept import CHUNK, KeptScores
from reward_models.scorers.named import Named, named
from reward_models.testing import random_pictures


def test_a_scorer_is_a_kind_and_a_model_or_a_file_as_a_config_has_it(tmp_path):
    assert named("clip:a/b") == Named("clip:a/b", "clip", {"model": "a/b"})
    assert named("LAION=clip-mlp:C:\\models") == Named("LAION", "clip-mlp", {"model": "C:\\models"})
    (tmp_path / "laion.yaml").write_text(
        "kind: clip-mlp\nsettings: {model: clip, head: h.safetensors}\nlinear: [1, 10]\n", encoding="utf-8"
    )
    assert named(str(tmp_path / "laion.yaml")) == Named("laion", "clip-mlp", {"model": "clip", "head": "h.safetensors"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clip", "'clip' names no scorer; write KIND:MODEL .kinds: classifier, clip, clip-mlp, blip, levels, hpsv3"),
        ("=clip:x", "names no scorer"),
        ("clip:", "names no scorer"),
        ("nothing.yaml", "'nothing.yaml' does not read as YAML"),
    ],
)
def test_what_names_no_scorer_is_one_line(text, said):
    with pytest.raises(RewardError, match=said):
        named(text)


def test_files_that_hold_something_else_are_one_line(tmp_path):
    for content, said in (
        ("- clip", "must say the kind"),
        ("{kind: clip, modle: x}", "there is no modle; known: kind, settings"),
        ("{kind: clip, settings: 3}", "settings must be a mapping"),
    ):
        (tmp_path / "s.yaml").write_text(content, encoding="utf-8")
        with pytest.raises(RewardError, match=said):
            named(str(tmp_path / "s.yaml"))
    with pytest.raises(RewardError, match="Did you mean 'clip'"):
        named("clipp:x").load()


class Counted(Scorer):
    """Brightness, and the length of the prompt; how many pictures it was asked for."""

    def __init__(self):
        self.asked = 0

    def score(self, images, prompts):
        self.asked += len(images)
        return np.array([np.asarray(i).mean() + len(p) for i, p in zip(images, prompts, strict=True)])

    def fingerprint(self):
        return "counted: 1"


def test_scores_are_kept_by_picture_and_prompt_and_a_cut_line_is_computed_again(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(CHUNK + 3)]
    for path, picture in zip(paths, random_pictures(len(paths)), strict=True):
        picture.save(path)
    prompts = ["a fox"] * len(paths)
    first, steps = Counted(), []
    found = KeptScores(tmp_path / "kept", first).of(paths, prompts, lambda done, total: steps.append((done, total)))
    assert np.allclose(found, first.score(random_pictures(len(paths)), prompts))
    assert steps == [(CHUNK, CHUNK + 3), (CHUNK + 3, CHUNK + 3)]
    (file,) = (tmp_path / "kept").iterdir()
    file.write_text(file.read_text()[:-9])  # killed while it wrote
    again = Counted()
    kept = KeptScores(tmp_path / "kept", again)
    assert len(kept) == CHUNK + 2
    assert np.array_equal(kept.of(paths, prompts), found)
    assert again.asked == 1
    kept.of(paths[:2], ["a castle", "a fox"])
    assert again.asked == 2
