"""A hub that means ill, or who answers in its place: one line, nothing outside the cache, little memory and disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import constants

from aura_daemon.engines.model_files import hub_guard
from aura_daemon.engines.model_files.fetching.faults import explain
from aura_daemon.engines.model_files.hub_guard import MOST_BYTES, HubGuard, StrangeAnswer, guarded
from aura_daemon.mini import CAPTIONER
from tests.support.hostile_hub import TRICKS
from tests.support.programs import ROOT

MOST_GROWN_MB = 150
ANNOUNCED_BYTES = sum(file.stat().st_size for file in CAPTIONER.iterdir())
MOST_KEPT_BYTES = ANNOUNCED_BYTES + 100_000
"""The files as they were announced, and what the client notes of them."""


def test_nothing_that_a_hub_sends_leaves_the_cache_or_takes_much(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    (tmp_path / "outside.json").write_text("ours")
    command = [sys.executable, "-m", "tests.support.hostile_hub", str(place)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = {one["name"]: one for one in map(json.loads, ended.stdout.splitlines())}
    assert told.keys() == {"nothing", *TRICKS}, ended.stderr[-2000:]
    assert told["nothing"]["message"] == "fetched"
    for name, (_, said) in TRICKS.items():
        one = told[name]
        assert said in one["message"], one
        assert one["mend"], one
        assert "\n" not in one["message"] + one["mend"], one
        assert len(one["message"]) < 500, one
        assert one["grown_mb"] < MOST_GROWN_MB, one
        assert one["kept"] <= MOST_KEPT_BYTES, one
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {name for name in written if not name.startswith("a/b/cache")} == {"a", "a/b", "outside.json"}
    assert (tmp_path / "outside.json").read_text() == "ours"


@pytest.mark.parametrize(
    ("hub", "host", "refused"),
    [
        ("8.8.8.8", "1.1.1.1", False),
        ("8.8.8.8", "127.0.0.1", True),
        ("8.8.8.8", "10.0.0.1", True),
        ("8.8.8.8", "192.168.1.1", True),
        ("8.8.8.8", "::1", True),
        ("8.8.8.8", "::ffff:10.0.0.1", True),
        ("8.8.8.8", "169.254.169.254", True),
        ("8.8.8.8", "fe80::1", True),
        ("8.8.8.8", "0.0.0.0", True),
        ("8.8.8.8", "224.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "169.254.169.254", True),
        ("8.8.8.8", "no.such.name.invalid", False),
    ],
)
def test_a_redirect_leads_to_no_network_that_the_hub_is_not_in(hub: str, host: str, refused: bool) -> None:
    assert (hub_guard._refused_address(host, hub) is not None) is refused


class Clock:
    """Seconds that pass with each look."""

    def __init__(self, step_s: float) -> None:
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


class Pieces(httpx2.SyncByteStream):
    def __init__(self, count: int, piece: bytes) -> None:
        self.count, self.piece = count, piece

    def __iter__(self) -> Iterator[bytes]:
        yield from [self.piece] * self.count


def answered(
    pieces: Pieces, clock: Clock, *, most: tuple[int, int] | None = None, status: int = 200, **headers: str
) -> bytes:
    """What comes through of an answer."""
    extensions = {MOST_BYTES: most} if most is not None else {}
    request = httpx2.Request("GET", f"{constants.ENDPOINT}/a/b/resolve/main/c", extensions=extensions)
    response = httpx2.Response(status, stream=pieces, request=request, headers=headers)
    guard = HubGuard(clock)
    guard.request(request)
    guard.response(response)
    return response.read()


def test_an_answer_that_drips_is_given_up() -> None:
    with pytest.raises(StrangeAnswer, match="sent 61 bytes in 61 s"):
        answered(Pieces(1000, b"x"), Clock(1.0))


def test_an_answer_over_a_slow_line_is_waited_for() -> None:
    assert len(answered(Pieces(1000, bytes(1000)), Clock(1.0))) == 1_000_000


def test_of_a_file_no_byte_more_is_read_than_was_announced() -> None:
    assert answered(Pieces(2, b"12345"), Clock(0), most=(10, 3)) == b"1234512345"
    with pytest.raises(StrangeAnswer, match="more than the 3 bytes"):
        answered(Pieces(2, b"12345"), Clock(0), most=(10, 3), status=206)


def test_the_token_stays_with_the_hub() -> None:
    guard = HubGuard()
    for place, stays in ((f"{constants.ENDPOINT}/a", True), ("https://1.1.1.1/a", False)):
        request = httpx2.Request("GET", place, headers={"Authorization": "Bearer secret"})
        guard.request(request)
        assert ("Authorization" in request.headers) is stays


def test_no_request_waits_for_ever() -> None:
    request = httpx2.Request("GET", f"{constants.ENDPOINT}/a", extensions={"timeout": {"read": None}})
    HubGuard().request(request)
    assert all(request.extensions["timeout"].values())


def test_one_model_takes_a_bounded_number_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_guard, "MOST_REQUESTS", 2)
    guard = HubGuard()
    with pytest.raises(StrangeAnswer, match="more than 2 requests"):
        for _ in range(3):
            guard.request(httpx2.Request("GET", f"{constants.ENDPOINT}/a"))


def test_what_the_client_trips_over_is_the_hubs_fault() -> None:
    with pytest.raises(StrangeAnswer, match="KeyError") as raised, guarded():
        raise KeyError("sha")
    cause, mend = explain(raised.value, "a/b", "main")
    assert "sends what no hub does" in cause
    assert "HF_ENDPOINT" in mend
