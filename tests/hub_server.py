"""A hub on loopback: serves folders as repositories, by the addresses that huggingface_hub's own client asks."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


class HubServer:
    """``repositories``: folders by name; ``gated``: names whose files nobody may read. ``fetched``: (name, file) of
    every file that was sent whole. ``accepts``: a folder that new repositories go to; without one, nobody may write.
    ``private``: names of repositories that only their owner sees."""

    def __init__(self, repositories, gated=(), accepts=None):
        outer = self
        self.accepts, self.private = accepts and Path(accepts), set()
        self.repositories = {name: Path(folder) for name, folder in repositories.items()}
        self.gated, self.fetched = set(gated), []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = unquote(urlsplit(self.path).path)
                try:
                    return self.api(path) if path.startswith("/api/models/") else self.file(path)
                except (FileNotFoundError, IsADirectoryError):
                    return self.send(404, b"", {"X-Error-Code": "EntryNotFound"})
                except (KeyError, ValueError):
                    return self.send(404, b"", {"X-Error-Code": "RepoNotFound"})

            do_HEAD = do_GET

            def api(self, path):
                owner, name, *rest = path.removeprefix("/api/models/").split("/")
                repository = f"{owner}/{name}"
                files = outer.files(repository)
                if rest[:1] == ["auth-check"]:
                    closed = repository in outer.gated
                    return self.send(403 if closed else 200, b"{}", {"X-Error-Code": "GatedRepo"} if closed else {})
                if rest[:1] == ["tree"]:
                    below = "".join(f"{part}/" for part in rest[2:])
                    facts = [
                        {"type": "file", "oid": "0" * 40, "size": s, "path": n}
                        for n, s in files.items()
                        if n.startswith(below)
                    ]
                    if not facts:
                        raise FileNotFoundError(below)
                else:
                    facts = {
                        "id": repository,
                        "sha": COMMIT,
                        "private": repository in outer.private,
                        "gated": "auto" if repository in outer.gated else False,
                        "siblings": [{"rfilename": n, "size": s} for n, s in files.items()],
                    }
                return self.send(200, json.dumps(facts).encode())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.accepts is None or self.headers.get("Authorization") != "Bearer hf_test":
                    return self.send(401, b'{"error": "Invalid username or password."}', {})
                path = unquote(urlsplit(self.path).path)
                if path == "/api/repos/create":
                    return self.create(json.loads(body))
                if path == "/api/validate-yaml":
                    return self.send(200, b'{"errors": [], "warnings": []}')
                repository = "/".join(path.removeprefix("/api/models/").split("/")[:2])
                if "/preupload/" in path:
                    files = [{"path": f["path"], "uploadMode": "regular"} for f in json.loads(body)["files"]]
                    return self.send(200, json.dumps({"files": [f | {"shouldIgnore": False} for f in files]}).encode())
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        target = outer.repositories[repository] / line["value"]["path"]
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(base64.b64decode(line["value"]["content"]))
                return self.send(
                    200, json.dumps({"commitUrl": f"{repository}/commit/{COMMIT}", "commitOid": COMMIT}).encode()
                )

            def create(self, asked):
                name = f"{asked.get('organization') or 'me'}/{asked['name']}"
                url = json.dumps({"url": f"http://127.0.0.1:{outer.server.server_port}/{name}"}).encode()
                if name in outer.repositories:
                    return self.send(409, url, {})
                outer.repositories[name] = outer.accepts / name
                outer.repositories[name].mkdir(parents=True)
                if asked.get("private") or asked.get("visibility") == "private":
                    outer.private.add(name)
                return self.send(200, url)

            def file(self, path):
                owner, name, resolve, _, *rest = path.lstrip("/").split("/")
                repository, file = f"{owner}/{name}", "/".join(rest)
                if resolve != "resolve":
                    raise KeyError(path)
                if repository in outer.gated:
                    return self.send(403, b"", {"X-Error-Code": "GatedRepo"})
                data = (outer.repositories[repository] / file).read_bytes()
                if self.command == "GET":
                    outer.fetched.append((repository, file))
                etag = f'"{hashlib.sha256(data).hexdigest()}"'
                return self.send(200, data, {"ETag": etag, "X-Repo-Commit": COMMIT})

            def send(self, status, data, headers=None):
                self.send_response(status)
                for key, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def files(self, repository):
        """Sizes by name."""
        folder = self.repositories[repository]
        return {str(p.relative_to(folder)): p.stat().st_size for p in sorted(folder.rglob("*")) if p.is_file()}

    def environment(self, cache):
        """For a process that asks this hub, with a cache of its own."""
        return {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HOME": str(cache),
            "PYTHONPATH": os.getcwd(),
            "OMP_NUM_THREADS": "1",
        }

    def close(self):
        self.server.shutdown()
