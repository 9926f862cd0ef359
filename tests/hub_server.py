"""A hub of the tests' own: as much of the Hugging Face hub's HTTP interface as one commit and its download need.

Like the real one it takes files of more than 10 MB beside git alone, by its large-file interface.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

COMMIT = "c0ffee" * 6 + "beef"
"""The id, 40 hexadecimal digits, of the only commit that a repository ever has."""


MAX_GIT_BYTES = 10 * 1024 * 1024


class Hub(ThreadingHTTPServer):
    """Repositories as OWNER/NAME → path → content; `fetched` lists what was downloaded."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.fetched: list[str] = []
        self.kinds: dict[str, str] = {}
        """Of each repository: "model" or "space"."""
        self.beside_git: dict[str, bytes] = {}
        """sha256 → content of what came by the large-file interface."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """A hub that answers as long as the block lasts."""
    hub = Hub()
    thread = Thread(target=hub.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts[:2] in (["api", "models"], ["api", "spaces"]):
            files = self.server.repositories.get("/".join(parts[2:4]))
            if files is None:
                self._answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            elif parts[4] == "revision":
                self._answer(200, {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": []})
            else:
                tree = [{"type": "file", "path": p, "size": len(c), "oid": _oid(c)} for p, c in files.items()]
                self._answer(200, tree)
        else:
            self._send_file("/".join(parts[:2]), "/".join(parts[4:]))

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            self._answer(401, {"error": "Invalid credentials"})
        elif self.path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted['organization']}/{wanted['name']}"
            self.server.private.setdefault(name, wanted.get("visibility") == "private" or wanted.get("private") is True)
            self.server.repositories.setdefault(name, {})
            self.server.kinds[name] = wanted.get("type", "model")
            self._answer(200, {"url": f"{self.server.address}/{name}"})
        elif self.path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            wanted = json.loads(body)["files"]
            modes = [(f["path"], "lfs" if f["size"] > MAX_GIT_BYTES else "regular") for f in wanted]
            answer = [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes]
            self._answer(200, {"files": answer})
        elif self.path.endswith(".git/info/lfs/objects/batch"):
            objects = [
                {**file, "actions": {"upload": {"href": f"{self.server.address}/large/{file['oid']}"}}}
                for file in json.loads(body)["objects"]
            ]
            self._answer(200, {"transfer": "basic", "objects": objects})
        else:
            name = "/".join(self.path.split("/")[3:5])
            for line in map(json.loads, body.splitlines()):
                value, files = line["value"], self.server.repositories[name]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                    assert len(files[value["path"]]) <= MAX_GIT_BYTES
                elif line["key"] == "lfsFile":
                    files[value["path"]] = self.server.beside_git[value["oid"]]
                elif line["key"] == "deletedFile":
                    del files[value["path"]]
            url = f"{self.server.address}/{name}/commit/{COMMIT}"
            self._answer(200, {"commitUrl": url, "commitOid": COMMIT, "hookOutput": ""})

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.beside_git[hashlib.sha256(content).hexdigest()] = content
        self._answer(200, {})

    def _send_file(self, name: str, path: str) -> None:
        content = self.server.repositories[name][path]
        self.send_response(200)
        self.send_header("ETag", f'"{_oid(content)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.server.fetched.append(path)
            self.wfile.write(content)

    def _answer(self, status: int, answer: object, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
