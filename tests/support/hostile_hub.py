"""A hub that means ill. `python -m tests.support.hostile_hub FOLDER` fetches a model from it, once for each trick.

It prints what came of each, the memory that it took and how many bytes were written. The hub's client reads its
environment when it is imported, so all of this is a process of its own.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.support.hub import Hub, HubHandler, hub_environment, running_hub

NAME: Final = "tiny/captioner"
WEIGHTS: Final = "model.safetensors"
MUCH: Final = 600_000_000
"""Bytes after which an endless answer ends after all, so that no test fills a disk."""

Trick = Callable[["HostileHandler"], bool]
"""Answers a request, or says that the usual answer may go."""


class HostileHandler(HubHandler):
    """Asks the trick of the moment before it answers."""

    trick: Trick = staticmethod(lambda _handler: False)

    def _answer(self) -> None:
        try:
            if not type(self).trick(self):
                super()._answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    @property
    def is_tree(self) -> bool:
        return "/tree/" in self.path

    @property
    def is_weights(self) -> bool:
        return self.path.endswith(WEIGHTS) and self.command == "GET"

    @property
    def is_config(self) -> bool:
        return self.path.endswith("/config.json") and self.command == "GET"

    @property
    def size(self) -> int:
        """Of the configuration."""
        (repository,) = self._hub.repositories.values()
        return len(repository.files["config.json"])

    @property
    def files(self) -> list[dict[str, Any]]:
        """The usual list of files."""
        from tests.support.hub import entry_of

        (repository,) = self._hub.repositories.values()
        return [entry_of(path, content) for path, content in repository.files.items()]

    def told(self, answer: object, **headers: str) -> bool:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        return True

    def sent_on(self, place: str) -> bool:
        self.send_response(302)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return True

    def endless(self, piece: bytes = b"x" * (1 << 20)) -> bool:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(MUCH // len(piece)):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")
        return True


def redirected(place: str) -> Trick:
    return lambda handler: handler.is_weights and handler.sent_on(place)


def listed(**changes: object) -> Trick:
    """Other values in the entry of the weights."""

    def trick(handler: HostileHandler) -> bool:
        if not handler.is_tree:
            return False
        files = handler.files
        for file in files:
            if file["path"] == WEIGHTS:
                file |= changes
        return handler.told(files)

    return trick


def listed_too(path: str) -> Trick:
    """One more file."""
    more = {"type": "file", "path": path, "size": 2, "oid": "0" * 40}
    return lambda handler: handler.is_tree and handler.told([*handler.files, more])


def said(**changes: object) -> Trick:
    """Other values in what the hub says of the model."""
    return lambda handler: "/revision/" in handler.path and handler.told({"id": NAME, "siblings": [], **changes})


def paged(handler: HostileHandler) -> bool:
    """A list of files that goes on for ever."""
    if not handler.is_tree:
        return False
    files = [{"type": "file", "path": f"{number}.json", "size": 1, "oid": "0" * 40} for number in range(1000)]
    return handler.told(files, Link=f'<{handler._hub.url}{handler.path}>; rel="next"')


@cache
def _bomb() -> bytes:
    return gzip.compress(bytes(40_000_000))


def _etag(handler: HostileHandler) -> bool:
    if not (handler.command == "HEAD" and "/resolve/" in handler.path):
        return False
    handler.send_response(200)
    handler.send_header("ETag", '"../../../../outside"')
    handler.send_header("X-Repo-Commit", "0" * 40)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    return True


_LARGE: Final = {"oid": "0" * 64, "size": 1 << 50, "pointerSize": 134}

TRICKS: Final[dict[str, tuple[Trick, str]]] = {
    "redirects to a file": (redirected("file:///etc/passwd"), "sends what no hub does"),
    "redirects to the addresses of clouds": (redirected("http://169.254.169.254/latest"), "of this network alone"),
    "redirects in a circle": (lambda handler: handler.is_weights and handler.sent_on(handler.path), "redirects"),
    "weights without end": (lambda handler: handler.is_weights and handler.endless(), "bytes that it may"),
    "a configuration without end": (
        lambda handler: handler.is_config and handler.endless(b"[" * 1000),
        "bytes that it may",
    ),
    "a configuration with other words": (
        lambda handler: handler.is_config and handler.told(b"{}".ljust(handler.size, b" ")),
        "config.json is not what the hub names",
    ),
    "a list without end": (lambda handler: handler.is_tree and handler.endless(b"[" * 100_000), "bytes that it may"),
    "weights longer than listed": (listed(lfs={**_LARGE, "size": 10}, size=10), "bytes that it may"),
    "weights of a petabyte": (listed(lfs=_LARGE, size=1 << 50), "are free"),
    "weights of less than nothing": (listed(size=-1), "with a size of"),
    "weights of a size that is a text": (listed(size="1"), "with a size of"),
    "a hash that leads elsewhere": (listed(lfs={**_LARGE, "oid": "../../../../outside"}), "with the hash"),
    "a blob that leads elsewhere": (listed(oid="../../../../outside"), "with the hash"),
    "a commit that leads elsewhere": (said(sha="../../../../outside"), "names the commit"),
    "no commit at all": (said(sha=None), "names the commit"),
    "a name that leads up": (listed_too("../../../../outside.json"), "lists the file"),
    "a name from the root": (listed_too("/outside.json"), "lists the file"),
    "a name of Windows": (listed_too("..\\outside.json"), "lists the file"),
    "a name of two lines": (listed_too("a\nb.json"), "lists the file"),
    "an ETag that leads elsewhere": (_etag, "etag"),
    "a list that is packed tight": (
        lambda handler: handler.is_tree and handler.told(_bomb(), Content_Encoding="gzip"),
        "bytes that it may",
    ),
    "a configuration that is packed tight": (
        lambda handler: handler.is_config and handler.told(_bomb(), Content_Encoding="gzip"),
        "bytes that it may",
    ),
    "a list packed in another way": (
        lambda handler: handler.is_tree and handler.told(b"x", Content_Encoding="br"),
        "is packed by br",
    ),
    "a list that is damaged": (
        lambda handler: handler.is_tree and handler.told(b"x" * 99, Content_Encoding="gzip"),
        "cannot be unpacked",
    ),
    "a list of brackets": (lambda handler: handler.is_tree and handler.told(b"[" * 1_000_000), "is no JSON"),
    "a list that is a page": (lambda handler: handler.is_tree and handler.told(b"<html>"), "is no JSON"),
    "a list of numbers": (lambda handler: handler.is_tree and handler.told([1, 2]), "lists"),
    "a million files": (paged, "more than 20,000 files"),
    "a list that another host goes on with": (
        lambda handler: (
            handler.is_tree and handler.told(handler.files, Link='<http://localhost:9/api/models/x>; rel="next"')
        ),
        "list its files",
    ),
}
"""What the hub does -> how, and what is said of it."""


def main(folder: Path) -> None:
    """Fetches the captioner of the package, once for each trick."""
    from aura_daemon.mini import CAPTIONER

    HostileHandler.trick = staticmethod(lambda _handler: False)
    with running_hub(HostileHandler) as hub:
        os.environ.update(hub_environment(hub.url, folder / "cache"))
        hub.add(NAME, CAPTIONER)
        _fetch(hub, "nothing", folder)
        for name, (trick, _) in TRICKS.items():
            HostileHandler.trick = staticmethod(trick)
            _fetch(hub, name, folder)


def _fetch(hub: Hub, name: str, folder: Path) -> None:
    from aura_daemon.config.engine import ModelSettings
    from aura_daemon.engines.captioning.model_format import CAPTIONS
    from aura_daemon.engines.model_files.find import find_model
    from aura_daemon.jobs.results import Failure
    from tests.support.listening import Listener

    (repository,) = hub.repositories.values()
    hub.repositories.clear()
    model = f"tiny/{name.replace(' ', '-')}"
    hub.repositories[model] = repository
    repository.files["README.json"] = json.dumps(name).encode()  # another commit
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = find_model(ModelSettings(model=model), CAPTIONS, half=False, reporter=Listener())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    place = folder / "cache" / "hub" / f"models--{model.replace('/', '--')}"
    kept = sum(file.stat().st_size for file in place.rglob("*") if file.is_file() and not file.is_symlink())
    message, mend = (found.message, found.mend) if isinstance(found, Failure) else ("fetched", "")
    print(json.dumps({"name": name, "message": message, "mend": mend, "grown_mb": grown, "kept": kept}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
