"""`aura-daemon why`: one line about any file."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_daemon.cli import why as explaining
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Holdup, Status
from aura_daemon.jobs.results import Failure, FailureKind
from tests.support.house import PNG, House, fail


@pytest.fixture
def config(house: House, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("aura_daemon.health.heartbeat.is_alive", lambda document: False)  # it ran in this very process
    place = house.root / "aura.yaml"
    place.write_text(f"inbox: {house.inbox}\noutbox: {house.outbox}\nstate: {house.state}\n")
    return place


def why(config: Path, path: Path | str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = explaining.why(Path(path), config)
    (line,) = capsys.readouterr().out.splitlines()
    return code, line


def test_before_anything_has_run_it_says_so(house: House, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    house.drop("cat.yaml")
    code, line = why(config, house.inbox / "cat.yaml", capsys)
    assert code == 1
    assert "nothing has run here yet" in line


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cat.yaml", b"prompt: x", "complete: it is taken when the daemon runs"),
        ("empty.yaml", b"", "not taken yet: it is empty so far"),
        ("half.png", PNG[:40], "not taken yet: the end of the image is missing"),
        ("notes.md", b"x", "left alone: not a kind of file it knows (.md)"),
        ("a.yaml.part", b"x", "left alone: a temporary or private name"),
        ("c.sync-conflict-20260101-120000-ABCDEFG.yaml", b"x", "left alone: a conflict copy (Syncthing)"),
        (".hidden.yaml", b"x", "left alone: hidden"),
        ("say.yaml", b"task: caption\nimage: photo.jpg\n", "not taken yet: it waits for photo.jpg"),
    ],
)
def test_of_a_file_in_the_inbox_it_says_what_it_waits_for(
    house: House, config: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes, said: str
) -> None:
    house.drain()
    house.drop(name, content)
    code, line = why(config, house.inbox / name, capsys)
    assert code == 0
    assert line.startswith(f"{name}: {said}")


def test_an_open_file_a_companion_and_a_link_are_told(
    house: House, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.drain()
    house.drop("beach.png", PNG)
    house.drop("beach.txt", b"a beach")
    (house.inbox / "link.yaml").symlink_to("/etc/passwd")
    with (house.inbox / "open.yaml").open("wb") as writer:
        writer.write(b"prompt: x")
        writer.flush()
        assert why(config, "open.yaml", capsys) == (0, "open.yaml: not taken yet: a writer has it open")
    assert "lies beside an image" in why(config, "beach.txt", capsys)[1]
    assert "not a regular file" in why(config, "link.yaml", capsys)[1]


def test_of_a_file_that_was_taken_it_says_what_came_of_it(
    house: House, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    house.drop("sub/cat.yaml")
    house.drop("bad.yaml", b"steps: 0\nprompt: x")
    house.drop("two.yaml", b"prompt: a\n---\nprompt: b\n")
    house.drain()
    house.drop("oom.yaml", b"prompt: big")
    house.drain(fail(FailureKind.OUT_OF_MEMORY, "it needs 9 GB"))
    monkeypatch.chdir(house.inbox)
    job_id = house.sidecar("sub/cat.json")["job_id"]
    assert why(config, "sub/cat.yaml", capsys)[1] == f"sub/cat.yaml: done, see {house.outbox}/sub/cat.json [{job_id}]"
    assert "failed: " in why(config, "bad.yaml", capsys)[1]
    assert why(config, "two.yaml", capsys)[1].count("done, see") == 2
    assert "failed: it needs 9 GB" in why(config, "oom.yaml", capsys)[1]
    assert why(config, "never.yaml", capsys) == (1, "never.yaml: never seen, and not in the inbox now")
    assert why(config, "/etc/passwd", capsys)[0] == 1


def test_of_a_job_that_waits_for_its_model_it_says_so(
    house: House, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house.drop("cat.yaml")
    down = Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="the hub is down", mend="")
    house.drain(lambda task: down, retry_first=3600)
    assert "queued" in why(config, "cat.yaml", capsys)[1]


@pytest.mark.parametrize(
    ("status", "what", "said"),
    [
        (Status.OK, None, "complete: it is taken now"),
        (Status.PAUSED, None, "complete: it is taken when the daemon is no longer paused: the outbox is away"),
        (Status.DEGRADED, "journal", "complete: it is taken when that is mended: the disk is full"),
        (Status.DEGRADED, "outbox", "complete: it is taken now"),
    ],
)
def test_of_a_complete_file_it_says_what_the_daemon_waits_for(
    house: House, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    status: Status, what: str | None, said: str,
) -> None:  # fmt: skip
    house.drain()
    house.drop("cat.yaml")
    document = heartbeat.read(house.state)
    assert document is not None
    holdups = [Holdup(what=what, reason="the disk is full", mend="free it", retry_in_s=1.0)] if what else []
    told = document.model_copy(update={"status": status, "last_error": "the outbox is away", "holdups": holdups})
    (house.state / heartbeat.FILE_NAME).write_bytes(told.to_json())
    monkeypatch.setattr(heartbeat, "is_alive", lambda document: True)
    assert why(config, house.inbox / "cat.yaml", capsys) == (0, f"cat.yaml: {said}")
