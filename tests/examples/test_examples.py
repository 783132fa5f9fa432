"""The scripts and the notebook of examples/ do what they say, on the miniature with few pictures."""

from __future__ import annotations

import ast
import csv
import inspect
import json
import runpy
from pathlib import Path

import pytest
from PIL import Image

from steer.config import load_config
from steer.steerer import Steerer

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def parts():
    """The miniature's models, loaded once."""
    steerer = Steerer(load_config("miniature", ["renderer.steps=1"])).parts
    return {"renderer": steerer.renderer, "reward": steerer.reward}


@pytest.fixture
def quick(parts, monkeypatch, tmp_path):
    """Pictures of one step, by models that are loaded already; in a folder of its own."""
    built = Steerer.__init__

    def init(self, config=None, **given):
        settings = load_config("miniature", ["renderer.steps=1"])
        built(self, settings, **({**parts, **given} if "pipeline" not in given else given))

    monkeypatch.setattr(Steerer, "__init__", init)
    monkeypatch.chdir(tmp_path)


def main_of(name):
    return runpy.run_path(str(EXAMPLES / name))["main"]


def test_every_file_of_the_folder_is_tested():
    assert {p.name for p in EXAMPLES.iterdir() if p.name != "__pycache__"} == {
        "own_pipeline.py",
        "own_proposer.py",
        "prompt_file.py",
        "one_prompt.ipynb",
    }


@pytest.mark.parametrize("name", ["own_pipeline.py", "own_proposer.py", "prompt_file.py"])
def test_a_script_needs_no_argument(name):
    """A newcomer starts it as it is."""
    parameters = inspect.signature(main_of(name)).parameters.values()
    assert not [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]


@pytest.mark.usefixtures("quick")
def test_a_pipeline_of_ones_own(tmp_path, capsys):
    main_of("own_pipeline.py")("a fox", "u17", "3")
    assert Image.open("best.png").size == (128, 128)
    assert capsys.readouterr().out == "best.png: 128 x 128 pixels for u17\n"
    [run] = (tmp_path / "outputs").iterdir()
    assert len(list((run / "pictures").iterdir())) == 3


@pytest.mark.usefixtures("quick")
def test_a_file_of_prompts_for_several_users(tmp_path, capsys):
    (tmp_path / "two.txt").write_text("# two prompts\na fox\na castle\n")
    main_of("prompt_file.py")("two.txt", "u17", "u3", budget=2)
    rows = list(csv.DictReader((tmp_path / "gains.csv").open()))
    assert {(r["user"], r["prompt"]) for r in rows} == {(u, p) for u in ("u17", "u3") for p in ("a fox", "a castle")}
    assert all(Path(r["folder"], "report.html").exists() for r in rows)
    main_of("prompt_file.py")("two.txt", "u17", "u3", budget=2)  # all done
    assert list(csv.DictReader((tmp_path / "gains.csv").open())) == rows


@pytest.mark.usefixtures("quick")
def test_a_proposer_of_ones_own(capsys):
    main_of("own_proposer.py")("a castle", "u17", "5")
    *pictures, last = capsys.readouterr().out.splitlines()
    assert 3 <= len(pictures) <= 5
    assert pictures[0].endswith("  a castle")
    assert all("  a castle in " in line for line in pictures[1:])
    assert "for u17, in outputs" in last


@pytest.mark.usefixtures("quick")
def test_the_notebook_runs_and_its_last_lines_show_something():
    notebook = json.loads((EXAMPLES / "one_prompt.ipynb").read_text())
    assert all(cell.get("outputs", []) == [] for cell in notebook["cells"])  # committed without results
    names, shown = {}, []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            shown.append(run_cell("".join(cell["source"]), names))
    result, likings, by_text, image, nothing = shown
    assert "data:image/png" in result._repr_html_()
    assert list(likings.columns) == ["text", "seed", "liking", "fidelity"]
    assert by_text["count"].sum() == 6
    assert image.size == (128, 128)
    assert nothing is None


def run_cell(source, names):
    """The value of a cell's last line, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
