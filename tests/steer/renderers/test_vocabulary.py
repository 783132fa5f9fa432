"""Prompts that the miniature cannot draw: what is said, and that nothing is said of those it can."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steer.config import DiffusersConfig, PainterConfig, RemoteConfig
from steer.errors import RenderError, UsageError
from steer.miniature.dataset import scene_at
from steer.miniature.words import caption, vocabulary
from steer.renderers.vocabulary import FILE, folder_vocabulary, painter_vocabulary, vocabulary_of
from steer.resources import MINIATURE_WEIGHTS, data_folder

PIPELINE = MINIATURE_WEIGHTS / "pipeline"


@pytest.fixture
def miniature_words():
    return folder_vocabulary(PIPELINE)


def test_the_file_beside_the_weights_holds_the_words_of_the_captions():
    assert json.loads((PIPELINE / FILE).read_text()) == {"name": "the miniature", **vocabulary(with_extra=False)}


def test_nothing_is_said_of_what_it_was_trained_on(miniature_words):
    import random

    rng = random.Random(0)
    for i in range(300):
        text = caption(scene_at(0, i), rng)
        assert miniature_words.warnings(text) == [], text
        assert miniature_words.knows(text)
        assert painter_vocabulary().warnings(text) == [], text


def test_nothing_is_said_of_the_prompts_that_ship(miniature_words):
    for line in (data_folder("prompts") / "examples" / "holiday.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert miniature_words.warnings(line) == [], line


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a dragon eating spaghetti", "does not know 'dragon', 'eating' and 'spaghetti' and will draw whatever"),
        ("un renard dans la neige", "'un', 'renard', 'dans', 'la' and 'neige'"),
        ("portrait of my grandmother", "'portrait' and 'grandmother'"),
        ("雪の中の狐", "does not know '雪の中の狐'"),
        ("one two three four five six seven", "'two', 'three', 'four', 'five', 'six' and 1 more word "),
        ("🦊", "needs a subject to draw and will draw whatever it finds nearest"),
        ("in the snow", "needs a subject to draw"),
        ("a catsle", "Did you mean 'castle'?"),
    ],
)
def test_a_prompt_without_a_known_subject(miniature_words, prompt, said):
    (warning,) = miniature_words.warnings(prompt)
    assert said in str(warning)
    assert "It draws 32 subjects: fox, lion, " in str(warning)
    assert miniature_words.knows(prompt) == (prompt == "in the snow")
    with pytest.raises(UsageError, match=r"The painter .*It draws 32 subjects"):
        painter_vocabulary().warnings(prompt)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a huge red fox in the snow", "The miniature does not know 'huge' and 'red' and will ignore them."),
        ("two foxes at dusk", "The miniature does not know 'two' and will ignore it."),
        ("a fox and a cat", "one subject per picture; of 'fox' and 'cat' it will draw a mixture of them."),
    ],
)
def test_a_known_subject_among_other_words(miniature_words, prompt, said):
    (warning,) = miniature_words.warnings(prompt)
    assert said in str(warning)
    assert miniature_words.knows(prompt)


def test_the_painter_draws_the_first_subject_and_reads_words_that_captions_never_use(miniature_words):
    (warning,) = painter_vocabulary().warnings("a fox and a cat")
    assert "only the first, 'fox'" in str(warning)
    assert painter_vocabulary().warnings("a kitten") == []
    assert "'kitten'" in str(miniature_words.warnings("a kitten")[0])


def test_only_a_renderer_of_a_small_world_has_a_vocabulary(tmp_path):
    assert vocabulary_of(PainterConfig()) is painter_vocabulary()
    assert vocabulary_of(DiffusersConfig()) is folder_vocabulary(PIPELINE)
    for config in (DiffusersConfig(model=str(tmp_path)), DiffusersConfig(model="a/b"), RemoteConfig(model="x")):
        assert vocabulary_of(config) is None


def test_another_pipelines_folder_may_bring_its_own(tmp_path):
    own = {"name": "the zoo", "subjects": {"emu": ["emu"]}, "phrases": ["at noon"], "words": ["noon"]}
    (tmp_path / FILE).write_text(json.dumps(own))
    found = vocabulary_of(DiffusersConfig(model=str(tmp_path)))
    assert found.warnings("an emu at noon") == []
    assert "The zoo does not know 'fox'" in str(found.warnings("a fox")[0])


@pytest.mark.parametrize("text", ["{", "{}", '{"name": 1}'])
def test_a_damaged_vocabulary_is_one_line(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RenderError, match="does not read as a vocabulary") as error:
        folder_vocabulary(Path(tmp_path))
    assert "\n" not in str(error.value)
