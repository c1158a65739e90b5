"""A model hub on loopback: as much of the hub's HTTP API as `huggingface_hub` needs to fetch a model.

Point a process at it by `environment(home)`; the libraries read those variables when they are imported, so
the process that downloads must be a new one.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

REVISION = "main"
LARGE = (".safetensors", ".bin", ".ckpt")
"""Files that the hub keeps apart, and whose sha256 it tells."""


@dataclass
class Repository:
    """What one model holds and how it behaves."""

    files: dict[str, bytes]
    gated: bool = False
    cuts: int = 0
    """How many downloads of weights break in their middle before one goes through."""
    failing: bool = False
    """Weights answer HTTP 503."""
    refusal: int = 0
    """Weights answer this status once `cuts` are used up; 0: they are given."""
    wrong: int = 0
    """How many downloads of weights bring other bytes of the same length before right ones come."""
    wrong_texts: int = 0
    """The same of `config.json`."""
    card: dict[str, str] = field(default_factory=dict)
    """What the page of the model says at its top."""
    gated_status: int = 401
    revisions: tuple[str, ...] = (REVISION,)
    pinned: str = ""
    """Its only commit, whatever it holds."""

    @property
    def commit(self) -> str:
        """A commit hash that changes with the files, unless it is pinned."""
        if self.pinned:
            return self.pinned
        digest = hashlib.sha1(usedforsecurity=False)
        for name, content in sorted(self.files.items()):
            digest.update(name.encode() + content)
        return digest.hexdigest()


@dataclass
class Hub:
    """A running hub; repositories may be added and changed at any time."""

    url: str
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """`GET /path` of every request so far, with the range where one was asked for."""

    def add(self, name: str, folder: Path, **options: Any) -> Repository:
        """Publishes a folder as `owner/name`."""
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        self.repositories[name] = Repository(files=files, **options)
        return self.repositories[name]

    def environment(self, home: Path) -> dict[str, str]:
        """Variables for a process that shall use this hub and keep its cache below `home`."""
        return hub_environment(self.url, home)


def hub_environment(url: str, home: Path) -> dict[str, str]:
    """Variables for a process that shall use the hub at `url`, and no proxy, token or Xet on the way."""
    return {
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_TOKEN": "",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


@contextmanager
def running_hub(handler: type[HubHandler] | None = None) -> Iterator[Hub]:
    """A hub on a free port of 127.0.0.1, gone after the block; `handler`: one that answers otherwise."""
    hub = Hub(url="")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler or HubHandler, hub))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class HubHandler(BaseHTTPRequestHandler):
    """GET and HEAD of `/api/models/…` and `/owner/name/resolve/…`."""

    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *arguments: Any) -> None:
        self._hub = hub
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def _answer(self) -> None:
        self._hub.requests.append(f"{self.command} {self.path} {self.headers.get('Range', '')}".rstrip())
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            self._api("/".join(parts[2:4]), parts[4:])
        elif len(parts) >= 5 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._error(404, "")

    def _api(self, name: str, rest: list[str]) -> None:
        """Information on a model, or the tree of its files."""
        repository = self._hub.repositories.get(name)
        if repository is None:
            self._error(404, "RepoNotFound")
        elif len(rest) > 1 and rest[1] not in (*repository.revisions, repository.commit):
            self._error(404, "RevisionNotFound")
        elif rest[:1] == ["tree"]:
            self._json([entry_of(path, content) for path, content in repository.files.items()])
        else:
            siblings = [{"rfilename": path} for path in repository.files]
            self._json(
                {
                    "id": name,
                    "modelId": name,
                    "sha": repository.commit,
                    "siblings": siblings,
                    "cardData": repository.card,
                }
            )

    def _resolve(self, name: str, revision: str, path: str) -> None:
        """A file, or the part of it that `Range` asks for."""
        repository = self._hub.repositories.get(name)
        if repository is None:
            self._error(404, "RepoNotFound")
        elif revision not in (*repository.revisions, repository.commit):
            self._error(404, "RevisionNotFound")
        elif repository.gated:
            self._error(repository.gated_status, "GatedRepo")
        elif path not in repository.files:
            self._error(404, "EntryNotFound")
        elif repository.failing and self.command == "GET" and path.endswith(".safetensors"):
            self._error(503, "")
        elif repository.refusal and not repository.cuts and self.command == "GET" and path.endswith(".safetensors"):
            self._error(repository.refusal, "")
        else:
            self._file(repository, path)

    def _file(self, repository: Repository, path: str) -> None:
        content = repository.files[path]
        wanted = self.headers.get("Range", "")
        first = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{etag_of(path, content)}"')
        self.send_header("X-Repo-Commit", repository.commit)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if self.command == "HEAD":
            return
        if repository.cuts and path.endswith(".safetensors"):
            repository.cuts -= 1
            self.wfile.write(content[first : (first + len(content)) // 2])
            self.close_connection = True
            return
        if repository.wrong and path.endswith(".safetensors"):
            repository.wrong -= 1
            content = content[:-1] + bytes([content[-1] ^ 1])
        if repository.wrong_texts and path == "config.json":
            repository.wrong_texts -= 1
            content = content.replace(b"true", b"True", 1)
        self.wfile.write(content[first:])

    def _json(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _error(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def answer_of(
    module: str, environment: dict[str, str], model: str, kind: str = "generate", *more: str
) -> dict[str, Any]:
    """What a module of `tests.support` says of a model in a new process."""
    ran = subprocess.run(
        [sys.executable, "-m", f"tests.support.{module}", model, kind, *more],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    said: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return said


def git_hash(content: bytes) -> str:
    """The hash that git has for a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def etag_of(path: str, content: bytes) -> str:
    """The tag of a file, as the hub gives it."""
    return hashlib.sha256(content).hexdigest() if path.endswith(LARGE) else git_hash(content)


def entry_of(path: str, content: bytes) -> dict[str, object]:
    """One file as the hub's tree lists it."""
    entry: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
    if path.endswith(LARGE):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry
