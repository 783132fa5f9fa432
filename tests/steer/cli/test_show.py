"""``steer list``, ``show`` and ``resume``: every folder that steer writes is shown as what it is."""

from __future__ import annotations

import json

import pytest

from steer.cli.progress import Progress
from steer.events import PhaseBegan, RunStarted
from steer.store.files import lock
from steer.study.folder import StudyFolder
from steer.study.plan import load_study, parse_study
from steer.types import SteerRequest
from tests.net.facts import STUDY
from tests.steer.command import steer_here


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """A run that ended early, a batch and a study that did not begin, in this order."""
    folder = tmp_path_factory.mktemp("outputs")
    early = ("-n", 60, "-s", "renderer=painter", "-s", "search.patience=1", "-s", "search.target=0")
    done = steer_here("run", "a fox in the snow", "-u", "u17", *early, cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "rows.csv").write_text("prompt,user,budget\na fox,u1,3\na cat,u2,3\n")
    batch = steer_here("batch", "rows.csv", "-s", "renderer=painter", "-s", "search.screen=1", cwd=folder)
    assert batch.returncode == 0, batch.stderr
    StudyFolder.begin(folder / "outputs" / "study-smoke", load_study("smoke"))
    return folder, done


def run_of(folder):
    (path,) = (folder / "outputs").glob("*-fox-in-the-snow-u17")
    return path


def test_the_bar_of_a_run_that_ends_early_is_not_full(outputs):
    folder, done = outputs
    pictures = json.loads((run_of(folder) / "result.json").read_text())["pictures"]
    assert pictures < 60
    assert f"{pictures}/60 pictures" in done.stdout


def test_everything_is_listed_newest_first(outputs):
    folder, _ = outputs
    rows = json.loads(steer_here("list", "--json", cwd=folder).stdout)
    assert {row["kind"] for row in rows} == {"run", "batch", "study"}
    assert [row["when"] for row in rows] == sorted((row["when"] for row in rows), reverse=True)
    run = next(row for row in rows if row["kind"] == "run")
    assert (run["user"], run["what"], run["folder"]) == ("u17", "a fox in the snow", f"outputs/{run_of(folder).name}")
    assert run["liking"] > 0
    shown = steer_here("list", cwd=folder).stdout
    assert "batch, 2 of 2 rows done" in shown
    assert "study 'smoke'" in shown
    assert "2 older ones; --last 3 lists all" in steer_here("list", "--last", 1, cwd=folder).stdout


def test_show_alone_is_the_newest(outputs, tmp_path):
    folder, _ = outputs
    (tmp_path / "outputs").symlink_to(folder / "outputs" / "batch-rows" / "runs" / "none", target_is_directory=True)
    assert "there are no runs in 'outputs'" in steer_here("show", cwd=tmp_path).stderr
    single = tmp_path / "single"
    (single / "outputs").mkdir(parents=True)
    (single / "outputs" / "one").symlink_to(run_of(folder), target_is_directory=True)
    shown = steer_here("show", cwd=single)
    assert shown.stdout.startswith("outputs/one\n")
    assert "gain" in shown.stdout


def test_a_batch_is_shown_as_one(outputs):
    folder, _ = outputs
    shown = steer_here("show", "outputs/batch-rows", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("batch outputs/batch-rows: 2 of 2 rows done, mean gain ")
    assert "outputs/batch-rows/index.html" in shown.stdout
    assert "resume" not in shown.stdout
    told = json.loads(steer_here("show", "outputs/batch-rows", "--json", cwd=folder).stdout)
    assert [(row["prompt"], row["state"]) for row in told["rows"]] == [("a fox", "done"), ("a cat", "done")]


def test_a_study_that_is_not_finished_says_how_to_finish_it(outputs):
    folder, _ = outputs
    shown = steer_here("show", "outputs/study-smoke", cwd=folder)
    assert shown.returncode == 2
    assert "finish it with: steer resume outputs/study-smoke" in shown.stderr


def test_a_study_is_resumed_and_shown(tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("matplotlib")
    plan = {**STUDY, "users": ["u1", "u17"], "budget": 3, "looks": 1, "judges": {"them": {"kind": "simulated"}}}
    plan["conditions"] = {"unoptimised": {"kind": "prompt"}, "own": {}}
    StudyFolder.begin(tmp_path / "study", parse_study(plan, "test"))
    done = steer_here("resume", "study", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "study/report.html" in done.stdout
    shown = steer_here("show", "study", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[-2:] == done.stdout.splitlines()[-2:]


def test_a_run_that_another_process_has_leaves_no_bar(tmp_path):
    done = steer_here(
        "run", "a cat", "-u", "u17", "-n", 2, "-s", "renderer=painter", "-s", "search.screen=1", "-o", tmp_path / "run"
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "run" / "result.json").unlink()
    held = lock(tmp_path / "run", "run")
    try:
        refused = steer_here("resume", tmp_path / "run")
    finally:
        held.release()
    assert refused.returncode == 1
    assert "another process works on the run" in refused.stderr
    assert "━" not in refused.stdout


def test_the_bar_says_what_the_run_waits_for():
    progress = Progress(quiet=True)
    progress(RunStarted(SteerRequest("a fox", "me"), "outputs/run", {}, 0))
    seen = []
    for event in (
        PhaseBegan("proposing"),
        PhaseBegan("writing", 4, 8),
        PhaseBegan("drawing"),
        PhaseBegan("writing", 0, 8),  # of the next round, beside the drawing
        PhaseBegan("scoring"),
        PhaseBegan("proposing"),
        PhaseBegan("reporting"),
    ):
        progress(event)
        seen.append(progress.bar.tasks[0].fields["phase"])
    assert seen == [
        "choosing texts",
        "writing 4 of 8 texts",
        "drawing",
        "drawing",
        "scoring",
        "writing 0 of 8 texts",
        "writing the report",
    ]
