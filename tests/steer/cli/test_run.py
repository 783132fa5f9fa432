"""The command as its user meets it: help, errors in one line, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from PIL import Image

from tests.steer.command import steer_here


def steer(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "steer", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=600
    )


def test_version_and_help_need_no_torch():
    code = "import sys; sys.argv=['steer','--version']; import steer.cli\ntry: steer.cli.main()\nexcept SystemExit: pass\nprint('torch' in sys.modules)"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[0].startswith("steer 0.")
    assert done.stdout.splitlines()[-1] == "False"


def test_help_teaches():
    done = steer("run", "--help")
    assert done.returncode == 0
    for word in ("--user", "--prompt", "--budget", "--config", "--seed", "--out", "--json", "--set"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--user", "u1", "--prompt", " "), "the prompt is empty"),
        (("run", "--user", "u1", "--prompt", "x" * 700), "more than 600"),
        (("run", "--user", "u1"), "there is no prompt"),
        (("run", "--user", "u1", "--prompt", "a fox", "--config", "minature"), "Did you mean 'miniature'"),
        (
            ("run", "--user", "u1", "--prompt", "a fox", "--set", "search.sedes=1"),
            "--set search.sedes=1: unknown setting 'search.sedes'. Did you mean 'search.seeds'",
        ),
        (("run", "--user", "u1", "--prompt", "a fox", "--budget", "many"), "budget"),
        (("run", "--usr", "u1"), "usr"),
        (("rn",), "rn"),
        (("show", "nowhere"), "no run, batch or study in 'nowhere'"),
        (("resume", "nowhere"), "no run, batch or study in 'nowhere'"),
        (("data", "check", "nowhere"), "there is no folder or file 'nowhere'"),
        (("data", "check", "."), "no data set we know"),
        (("reward", "train", "--config", "no.yaml"), "--config no.yaml: there is no such file"),
        (("reward", "train"), "--config"),
        (("reward", "train", "-c", "minature"), "training 'minature' not found (11 known). Did you mean 'miniature'?"),
        (("reward", "train", "-c", "miniature"), "with: steer data miniature training/pamela"),
        (("reward", "train", "-c", "configs/train/miniature.yaml"), "there is no folder 'training/pamela'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, tmp_path):
    done = steer_here(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """One run through the command, with the painter and the shipped reward."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    done = steer(
        "run",
        "--user",
        "u17",
        "--prompt",
        "a fox [red] in snow",
        "--budget",
        14,
        "--set",
        "renderer=painter",
        "--set",
        "search.worth=0",
        "--out",
        folder,
    )
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_run_says_what_it_uses_and_what_it_found(run_folder):
    folder, done = run_folder
    for text in ("proposer", "lexical search", "painter", "pamela", "original", "best", "stopped", str(folder)):
        assert text in done.stdout
    assert "a fox [red] in snow" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_folder_says_everything_about_itself(run_folder):
    folder, _ = run_folder
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["request"] == {"prompt": "a fox [red] in snow", "user": "u17", "budget": 14, "seed": 0}
    assert len(manifest["fingerprint"]) == 16
    result = json.loads((folder / "result.json").read_text())
    assert result["pictures"] == len(list((folder / "pictures").glob("*.png"))) == 14
    for candidate in result["candidates"]:
        with Image.open(folder / candidate["picture"]) as image:
            facts = json.loads(image.text["steer"])
            assert (facts["text"], facts["seed"], facts["user"]) == (candidate["text"], candidate["seed"], "u17")
            assert image.text["parameters"].startswith(candidate["text"] + "\n")
            assert f"Seed: {candidate['seed']}," in image.text["parameters"]
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 14
    assert 'src="http' not in page
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert min(sheet.size) > 300


def test_show_tells_it_again(run_folder):
    folder, _ = run_folder
    done = steer_here("show", folder)
    assert done.returncode == 0
    assert "original" in done.stdout
    assert "gain" in done.stdout
    assert json.loads(steer_here("show", folder, "--json").stdout)["prompt"] == "a fox [red] in snow"


def test_resume_of_a_finished_run_shows_it(run_folder):
    folder, _ = run_folder
    done = steer_here("resume", folder)
    assert done.returncode == 0
    assert "best" in done.stdout


def test_json_prints_one_object_and_nothing_else(tmp_path):
    done = steer_here(
        "run", "-u", "u3", "-p", "a cat", "-n", 5, "-s", "renderer=painter", "--json", "-o", tmp_path / "run"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["user"] == "u3"


def test_an_unknown_user_is_exit_code_2(tmp_path):
    done = steer("run", "--user", "u999", "--prompt", "a fox", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert re.search(r"user 'u999' not found \(\d+ known\)", done.stderr)  # other tests may have added users
    assert not (tmp_path / "run").exists()


def test_html_in_a_prompt_is_shown_not_run(fake_steerer, tmp_path):
    fake_steerer().run("a fox <script>alert(1)</script>", "u1", budget=5, out=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_painter_never_passes_for_a_diffusion_model(run_folder):
    folder, _ = run_folder
    with Image.open(folder / "pictures" / "0000.png") as image:
        assert "Model: painter" in image.text["parameters"]
        assert "Steps: 0, Sampler: painter, CFG scale: 0," in image.text["parameters"]
        assert json.loads(image.text["steer"])["model"] == "painter"
