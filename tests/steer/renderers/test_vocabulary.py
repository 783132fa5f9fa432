"""Prompts that the miniature cannot draw: what is said, and that nothing is said of those it can."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from steer.config import DiffusersConfig, PainterConfig, RemoteConfig
from steer.errors import RenderError
from steer.miniature.dataset import scene_at
from steer.miniature.words import caption, vocabulary
from steer.renderers.painter import PainterRenderer
from steer.renderers.vocabulary import FILE, folder_vocabulary, painter_vocabulary, vocabulary_of
from steer.resources import MINIATURE_WEIGHTS, data_folder
from steer.study.plan import load_study

PIPELINE = MINIATURE_WEIGHTS / "pipeline"


@pytest.fixture
def miniature_words():
    return folder_vocabulary(PIPELINE)


def test_the_file_beside_the_weights_holds_the_words_of_the_captions():
    assert json.loads((PIPELINE / FILE).read_text()) == {"name": "the miniature", **vocabulary(with_extra=False)}


def test_nothing_is_said_of_what_it_was_trained_on(miniature_words):
    import random

    rng = random.Random(0)
    for i in range(3000):
        text = caption(scene_at(0, i), rng)
        assert miniature_words.warnings(text) == [], text
        assert miniature_words.knows(text)
        assert painter_vocabulary().warnings(text) == [], text


def test_nothing_is_said_of_the_prompts_of_the_docs_and_of_studies(miniature_words):
    root = Path(__file__).parents[3]
    text = "\n".join(p.read_text(encoding="utf-8") for p in (root / "README.md", *(root / "docs").glob("*.md")))
    prompts = set(re.findall(r'steer run "([^"]+)"', text)) | set(re.findall(r'\.run\("([^"]+)"', text))
    prompts |= {p for name in ("miniature", "smoke", "guards") for p in load_study(name).prompts}
    assert len(prompts) > 6
    for prompt in prompts:
        assert miniature_words.warnings(prompt) == [], prompt
        assert painter_vocabulary().warnings(prompt) == [], prompt


def test_nothing_is_said_of_the_prompts_that_ship(miniature_words):
    for line in (data_folder("prompts") / "examples" / "holiday.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert miniature_words.warnings(line) == [], line


MANY = "of the 32 subjects that"


@pytest.mark.parametrize(
    ("prompt", "said", "nearest"),
    [
        ("a dragon", f"'dragon' is none {MANY}", "train"),
        ("a dragon by the sea at night", f"'dragon' is none {MANY}", "train"),
        ("a dragon in Paris", f"'a dragon in Paris' names none {MANY}", "train"),
        ("un renard dans la neige", f"'un renard dans la neige' names none {MANY}", "tree"),
        ("雪の中の狐", f"'雪の中の狐' is none {MANY}", "fox"),
        ("🦊", f"'🦊' names none {MANY}", "fox"),
        ("in the snow", f"'in the snow' names none {MANY}", "fox"),
        ("a catsle", f"'catsle' is none {MANY}", "castle"),
    ],
)
def test_a_prompt_without_a_known_subject(miniature_words, prompt, said, nearest):
    (warning,) = miniature_words.warnings(prompt)
    assert warning.text.startswith(f"{said} the miniature draws, so it will draw what it takes for the nearest.")
    assert ("Did you mean 'castle'?" in warning.text) == (prompt == "a catsle")
    assert warning.known.startswith("It draws fox, lion, ")
    assert "\n" not in str(warning)
    assert miniature_words.knows(prompt) == any(w in prompt for w in ("snow", "night"))
    (warning,) = painter_vocabulary().warnings(prompt)
    assert warning.text == f"{said} the painter draws, so it will draw the one whose name is nearest, '{nearest}'."


def test_the_painter_draws_what_it_said():
    painted = PainterRenderer()
    for prompt, nearest in (("a catsle at night", "a castle at night"), ("雪の中の狐", "a fox")):
        one, two = painted.render([prompt, nearest], [5, 5])
        assert one.tobytes() == two.tobytes()


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
    assert "'fox' is none of the 1 subject that the zoo draws" in str(found.warnings("a fox")[0])


@pytest.mark.parametrize("text", ["{", "{}", '{"name": 1}'])
def test_a_damaged_vocabulary_is_one_line(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RenderError, match="does not read as a vocabulary") as error:
        folder_vocabulary(Path(tmp_path))
    assert "\n" not in str(error.value)
