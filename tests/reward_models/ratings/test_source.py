"""Data sets as folders, zips and on a hub: a real server in the hub's place, asked by the real client in a process of
its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from reward_models.ratings.sets import load_ratings
from reward_models.ratings.source import local_folder
from reward_models.ratings.table import DataError
from tests.reward_models.ratings.test_sets import pamela_row, picture, write_pamela

COMMIT = "c" * 40


@pytest.fixture
def archive(tmp_path):
    """PAMELA's layout as one zip."""
    root = tmp_path / "made"
    for name in ("a", "b"):
        picture(root / "images" / f"{name}.png")
    rows = [pamela_row(f"p{i}", name, 1 + i) for i in range(4) for name in ("a", "b")]
    write_pamela(root, train=rows)
    path = tmp_path / "PAMELA.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, f"PAMELA/{file.relative_to(root)}")
    return path


def test_a_zip_is_a_data_set_and_is_unpacked_once(archive):
    said = []
    assert len(load_ratings(archive, say=said.append)) == 8
    assert len(load_ratings(archive, say=said.append)) == 8
    assert said == ["unpacking PAMELA.zip: 0.0 GB"]


def test_a_killed_unpacking_begins_anew(archive):
    (archive.parent / "PAMELA.unpacked.partial" / "PAMELA").mkdir(parents=True)
    (archive.parent / "PAMELA.unpacked.partial" / "PAMELA" / "half").write_text("x")
    assert not (local_folder(archive, say=lambda _: None) / "PAMELA" / "half").exists()


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt"])
def test_a_zip_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(DataError, match="leads out of its folder"):
        local_folder(path, say=lambda _: None)
    assert not (tmp_path / "bad.unpacked").exists()


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    path = tmp_path / "link.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("images")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
    with pytest.raises(DataError, match="leads out of its folder"):
        local_folder(path, say=lambda _: None)


def test_what_is_no_zip_is_one_line(tmp_path):
    (tmp_path / "torn.zip").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(DataError, match="does not unpack"):
        local_folder(tmp_path / "torn.zip", say=lambda _: None)


class _Hub(BaseHTTPRequestHandler):
    """Serves one data set, ``owner/ratings``, that is a single zip."""

    data = b""
    asked: ClassVar[list[str]] = []

    def _send(self, body, kind="application/json", **headers):
        self.send_response(200)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self):
        type(self).asked.append(f"{self.command} {self.path}")
        if "/tree/" in self.path:
            file = {"type": "file", "oid": "0" * 40, "size": len(self.data), "path": "ratings.zip"}
            return self._send(json.dumps([file]).encode())
        if self.path.startswith("/api/datasets/owner/ratings"):
            size = {"rfilename": "ratings.zip", "size": len(self.data)}
            facts = {"id": "owner/ratings", "sha": COMMIT, "siblings": [size], "private": False, "gated": False}
            return self._send(json.dumps(facts).encode())
        etag = f'"{hashlib.sha256(self.data).hexdigest()}"'
        return self._send(self.data, "application/zip", ETag=etag, X_Repo_Commit=COMMIT)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def test_a_data_set_of_the_hub_is_announced_fetched_and_unpacked(archive, tmp_path):
    _Hub.data, _Hub.asked = archive.read_bytes(), []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        **os.environ,
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "cache"),
        "PYTHONPATH": os.getcwd(),
    }
    code = "from reward_models.ratings.sets import load_ratings; print(len(load_ratings('owner/ratings')))"
    work = tmp_path / "work"
    work.mkdir()
    for said in (
        ["fetching the data set owner/ratings: 1 files, 0.0 GB", "unpacking ratings.zip: 0.0 GB", "8"],
        ["8"],  # a second time nothing is asked for
    ):
        done = subprocess.run([sys.executable, "-c", code], cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert len(lines) == len(said)
        assert all(line.startswith(start) for line, start in zip(lines, said, strict=True))
    fetched = [path for path in _Hub.asked if path.startswith("GET /datasets/")]
    assert len(fetched) == 1
    server.shutdown()
