"""Names of run folders: they say what is inside, and nothing that is typed makes them unsafe."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from steer.errors import StorageError
from steer.store.names import new_run_folder


@pytest.mark.parametrize(
    ("prompt", "user", "name"),
    [
        ("a fox in the snow", "u17", "fox-in-the-snow-u17"),
        ("The  Castle", "me,you,!him", "castle-me-you-him"),
        ("a", "me", "a-me"),
        ("../../etc/passwd", "me", "etc-passwd-me"),
        ("rm -rf ~; $(reboot) \\ \x00 CON:", "me", "rm-rf-reboot-con-me"),
        ("狐狸", "me", "me"),
        ("🦊", "🦊", ""),
        ("x" * 600, "y" * 64, f"{'x' * 40}-{'y' * 20}"),
        ("a long prompt about a lighthouse on a cliff by the sea", "me", "long-prompt-about-a-lighthouse-on-a-me"),
    ],
)
def test_a_name_is_safe_and_short(prompt, user, name, tmp_path):
    path = new_run_folder(tmp_path, prompt, user)
    when, rest = path.name[:15], path.name[16:]
    assert rest == name
    assert re.fullmatch(r"\d{8}-\d{6}", when)
    assert re.fullmatch(r"[a-z0-9-]+", path.name)
    assert path.parent == tmp_path
    assert path.is_dir()


def test_runs_that_begin_at_once_have_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_run_folder(tmp_path / "outputs", "a fox", "me"), range(24)))
    assert len(set(made)) == 24


def test_a_file_in_the_way_is_one_line(tmp_path):
    (tmp_path / "outputs").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        new_run_folder(tmp_path / "outputs", "a fox", "me")
