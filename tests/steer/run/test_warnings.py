"""A prompt outside the renderer's world: said before the first picture, kept with the run, and steered all the same."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reward_models import Scores
from steer import Steerer
from steer.config import load_config
from steer.events import CandidateDone, PromptDoubted
from tests.steer.command import steer_here

DRAGON = "a dragon eating spaghetti"


@pytest.fixture
def painting(miniature):
    """The miniature's reward with the painter, which is instant."""
    return Steerer(load_config("miniature", ["renderer=painter"]), reward=miniature.parts.reward)


def test_it_is_said_before_drawing_kept_and_said_again_at_a_resume(painting, tmp_path):
    seen = []
    painting.listeners.append(seen.append)
    result = painting.run("a huge fox", "u17", budget=2, out=tmp_path / "run")
    assert result.warnings == ["The painter does not know 'huge' and will ignore it."]
    kinds = [type(event) for event in seen]
    assert kinds.index(PromptDoubted) < kinds.index(CandidateDone)
    for name in ("manifest.json", "result.json"):
        assert json.loads((tmp_path / "run" / name).read_text())["warnings"] == result.warnings
    seen.clear()
    assert painting.resume(tmp_path / "run").warnings == result.warnings
    assert PromptDoubted in map(type, seen)


def test_nothing_is_said_or_kept_of_a_prompt_that_can_be_drawn(painting, tmp_path):
    seen = []
    painting.listeners.append(seen.append)
    assert painting.run("a fox in the snow", "u17", budget=2, out=tmp_path / "run").warnings == []
    assert PromptDoubted not in map(type, seen)
    assert "warnings" not in json.loads((tmp_path / "run" / "manifest.json").read_text())


def test_a_script_without_listeners_reads_it_in_the_log(painting, tmp_path, caplog):
    painting.run("a huge fox", "u17", budget=1, out=tmp_path / "run")
    painting.search("a tiny huge fox", "u17", budget=1)
    assert [r.message for r in caplog.records] == [
        "The painter does not know 'huge' and will ignore it.",
        "The painter does not know 'huge' and will ignore it.",
    ]


def test_where_no_word_is_known_texts_are_not_compared_and_that_is_said(miniature):
    """The reward's encoder reads every unknown word alike: each rewrite was "0.00 like the prompt"."""
    miniature.parts.renderer  # noqa: B018  loaded, as in a run
    told = [str(w) for w in miniature.parts.warnings(DRAGON)]
    assert told[0].startswith(f"'{DRAGON}' names none of the 32 subjects that the miniature draws, so")
    assert told[1].startswith("As no word of the prompt is known, rewrites are not checked for their meaning")
    search = miniature.search(DRAGON, "u17", budget=24)
    first = search.ask()
    flat = np.full(len(first), 0.5)
    for i, candidate in enumerate(first):
        candidate.take(Scores(flat, flat, flat, flat), i)
    search.tell(first)
    texts = {c.rewrite.text for c in search.ask()} - {DRAGON}
    assert texts
    assert all(DRAGON in text for text in texts)


def test_the_command_says_it_on_the_terminal_or_in_its_json(tmp_path):
    command = ["run", "-u", "u17", "-p", "a huge fox", "-n", 1, "--set", "renderer=painter"]
    shown = steer_here(*command, "--out", tmp_path / "1")
    flat = " ".join(shown.stdout.split())
    assert "warning The painter does not know 'huge' and will ignore it." in flat[: flat.index("original 0.")]
    told = steer_here(*command, "--json", "--out", tmp_path / "2")
    assert json.loads(told.stdout)["warnings"] == ["The painter does not know 'huge' and will ignore it."]
    assert "warning" in steer_here("show", tmp_path / "1").stdout


def test_the_painter_says_what_it_draws_instead(tmp_path):
    done = steer_here(
        "run", "-u", "u17", "-p", "a dragon", "-n", 1, "--set", "renderer=painter", "--out", tmp_path / "1"
    )
    assert done.returncode == 0, done.stderr
    flat = " ".join(done.stdout.split())
    said = "'dragon' is none of the 32 subjects that the painter draws, so it will draw the one whose name is nearest"
    assert said in flat[: flat.index("original 0.")]
    assert flat.count("It draws fox, lion,") == 1


def test_a_batch_without_listeners_logs_the_same_words_once(painting, tmp_path, caplog):
    rows = [{"prompt": p, "user": "u1", "budget": 1} for p in ("a huge fox", "a huge cat", "a dragon")]
    results = list(painting.batch(rows, tmp_path / "batch"))
    assert [bool(r.warnings) for r in results] == [True] * 3
    said = [r.message for r in caplog.records if r.name == "steer.steerer"]
    assert sum("'huge'" in text for text in said) == 1
    assert sum("'dragon'" in text for text in said) == 1
