"""The miniature's own data set: the files of the release, and the truth beside them."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from reward_models.ratings.sets import load_ratings
from steer.miniature.dataset import plan, write_dataset
from steer.renderers import miniature_renderer
from tests.steer.command import steer_here


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    command = [sys.executable, "-m", "steer", "data", "miniature", str(folder), "--pictures", "60", "--painted-only"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_reads_as_the_release_does(written):
    ratings = load_ratings(written)
    assert ratings.name == "pamela"
    assert not ratings.dropped
    seen, unseen = ratings.split("train")["person"], ratings.split("val_unseen", "test_unseen")["person"]
    assert (seen.nunique(), unseen.nunique()) == (156, 44)
    assert not set(seen) & set(unseen)
    for one, other in (("train", "val_seen"), ("train", "test_seen"), ("val_seen", "test_seen")):
        assert not set(ratings.split(one)["picture"]) & set(ratings.split(other)["picture"])
    assert ratings.table["prompt"].notna().all()


def test_ratings_are_the_truth_and_noise(written):
    truth = json.loads((written / "truth.json").read_text())
    table = load_ratings(written).table
    liking = np.array([truth[p][x] for p, x in zip(table["person"], table["picture"], strict=True)])
    left = table["score"] - liking
    assert 0.08 < left.std() < 0.12  # .45 of 4 points, less what the ends of the scale cut
    assert np.corrcoef(liking, table["score"])[0, 1] > 0.85


def test_the_pictures_of_one_world_serve_the_people_of_another(written, tmp_path):
    (tmp_path / "images").symlink_to(written / "images", target_is_directory=True)
    done = steer_here("data", "miniature", tmp_path, "--pictures", 60, "--painted-only", "--world", 2)
    assert done.returncode == 0, done.stderr
    about = [json.loads((folder / "about.json").read_text()) for folder in (written, tmp_path)]
    assert about == [{"world": 1, "pictures": 60}, {"world": 2, "pictures": 60}]
    one, two = (load_ratings(folder).table for folder in (written, tmp_path))
    assert len(one) == len(two)
    assert two["score"].mean() < one["score"].mean() - 0.05
    assert steer_here("data", "miniature", tmp_path / "x", "--world", 3).returncode == 2
    assert not (tmp_path / "x").exists()


def test_a_second_call_keeps_what_is_there_and_draws_what_is_not(written):
    first, second = (written / p.file for p in plan(60)[:2])
    kept, before = first.stat().st_mtime_ns, second.read_bytes()
    annotations = (written / "annotations" / "pamela_train.json").read_text()
    second.unlink()
    write_dataset(written, 60)
    assert first.stat().st_mtime_ns == kept
    assert second.read_bytes() == before
    assert (written / "annotations" / "pamela_train.json").read_text() == annotations


def test_the_pipeline_makes_half_of_the_pictures_where_asked(tmp_path):
    planned = plan(40)
    assert sum(p.generated for p in planned) == 20
    assert [p.prompt for p in planned] == [p.prompt for p in plan(60)[:40]]
    write_dataset(tmp_path, 40, miniature_renderer().render)
    assert len(list((tmp_path / "images").glob("*.png"))) == 40
    assert json.loads((tmp_path / "generated.json").read_text()) == [p.file for p in planned if p.generated]
