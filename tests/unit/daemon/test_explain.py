"""The answer of `aura-daemon why`: one line about any file."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_daemon.config.settings import Settings
from aura_daemon.daemon.explain import explain
from aura_daemon.health import heartbeat
from aura_daemon.health.document import Health, Holdup, Status
from aura_daemon.jobs.results import Failure, FailureKind
from tests.support.house import PNG, House, fail
from tests.support.plain_user import as_a_plain_user


def why(house: House, path: Path | str, health: Health | None = None) -> tuple[bool, str]:
    settings = Settings(inbox=house.inbox, outbox=house.outbox, state=house.state)
    explanation = explain(Path(path), settings, health)
    assert "\n" not in explanation.text
    return explanation.is_known, explanation.text


def test_before_anything_has_run_it_says_so(house: House) -> None:
    house.drop("cat.yaml")
    is_known, line = why(house, house.inbox / "cat.yaml")
    assert not is_known
    assert "nothing has run here yet" in line


@pytest.mark.parametrize(
    ("name", "content", "text"),
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
def test_of_a_file_in_the_inbox_it_says_what_it_waits_for(house: House, name: str, content: bytes, text: str) -> None:
    house.drain()
    house.drop(name, content)
    is_known, line = why(house, house.inbox / name)
    assert is_known
    assert line.startswith(f"{name}: {text}")


@pytest.mark.parametrize(
    ("name", "content", "mend"),
    [
        ("clip.mov", b"x", "; it is a video: save the frame that you mean as JPEG or PNG"),
        ("letter.docx", b"x", "; it is a text with formatting: save it as plain text and call it `.txt`"),
        ("style.safetensors", b"x", "`generate.loras`"),
        (
            "strange.xyz",
            b"x",
            "; jobs are .yaml, .txt, tables, images and our own sidecars: rename or convert it if",
        ),
        ("README", b"x", "; give it the extension of what it holds"),
        ("a.yaml.part", b"x", "; rename it, or add a glob to `take`, if it should be a job"),
        ("other.json", b'{"prompt": 5, "x": {}}', ""),
    ],
)
def test_of_a_file_that_is_left_alone_it_says_what_to_do(house: House, name: str, content: bytes, mend: str) -> None:
    house.drain()
    house.drop(name, content)
    line = why(house, name)[1]
    assert line.startswith(f"{name}: left alone: ")
    assert mend in line


def test_a_folder_that_denies_the_way_is_told(place_for_all: Path) -> None:
    house = House(place_for_all)
    house.drain()
    file = house.drop("shut/cat.yaml")
    file.parent.chmod(0o000)
    try:
        with as_a_plain_user(owning=house.root):
            is_known, line = why(house, file)
    finally:
        file.parent.chmod(0o755)
    assert is_known
    assert line.startswith("shut/cat.yaml: not taken yet: it cannot be read: Permission denied: the folder ")


def test_an_open_file_a_companion_and_a_link_are_told(house: House) -> None:
    house.drain()
    house.drop("beach.png", PNG)
    house.drop("beach.txt", b"a beach")
    (house.inbox / "link.yaml").symlink_to("/etc/passwd")
    with (house.inbox / "open.yaml").open("wb") as writer:
        writer.write(b"prompt: x")
        writer.flush()
        assert why(house, "open.yaml") == (True, "open.yaml: not taken yet: a writer has it open")
    assert "lies beside an image" in why(house, "beach.txt")[1]
    assert "not a regular file" in why(house, "link.yaml")[1]


def test_of_a_file_that_was_taken_it_says_what_came_of_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.drop("sub/cat.yaml")
    house.drop("bad.yaml", b"steps: 0\nprompt: x")
    house.drop("two.yaml", b"prompt: a\n---\nprompt: b\n")
    house.drain()
    house.drop("oom.yaml", b"prompt: big")
    house.drain(fail(FailureKind.OUT_OF_MEMORY, "it needs 9 GB"))
    monkeypatch.chdir(house.inbox)
    job_id = house.sidecar("sub/cat.json")["job_id"]
    assert why(house, "sub/cat.yaml")[1] == f"sub/cat.yaml: done, see {house.outbox}/sub/cat.json [{job_id}]"
    assert "failed: " in why(house, "bad.yaml")[1]
    assert why(house, "two.yaml")[1].count("done, see") == 2
    assert "failed: it needs 9 GB" in why(house, "oom.yaml")[1]
    report = f"(see {house.outbox}/failed/oom.yaml.json) ["
    assert report in why(house, "oom.yaml")[1]
    house.drop("bad.yaml", b"steps: 1000\nprompt: x")
    house.drain()
    assert why(house, "bad.yaml")[1].endswith(f"(see {house.outbox}/failed/bad.r2.yaml.json)")
    house.drop("fifty.yaml", b"prompt: x\nseed: 1-50\n")
    house.drain(fail(FailureKind.MODEL_UNAVAILABLE), retry_first=3600)
    assert why(house, "fifty.yaml")[1].startswith("fifty.yaml: 1 to 50: queued, attempt 1 to come [2")
    assert why(house, "never.yaml") == (False, "never.yaml: never seen, and not in the inbox now")
    assert not why(house, "/etc/passwd")[0]


def test_of_a_job_that_waits_for_its_model_it_says_so(house: House) -> None:
    house.drop("cat.yaml")
    down = Failure(kind=FailureKind.MODEL_UNAVAILABLE, message="the hub is down", mend="")
    house.drain(lambda task: down, retry_first=3600)
    assert "queued" in why(house, "cat.yaml")[1]


@pytest.mark.parametrize(
    ("status", "what", "text"),
    [
        (Status.OK, None, "complete: it is taken now"),
        (Status.PAUSED, None, "complete: it is taken when the daemon is no longer paused: the outbox is away"),
        (Status.DEGRADED, "journal", "complete: it is taken when that is mended: the disk is full"),
        (Status.DEGRADED, "outbox", "complete: it is taken now"),
    ],
)
def test_of_a_complete_file_it_says_what_the_daemon_waits_for(
    house: House, status: Status, what: str | None, text: str
) -> None:
    house.drain()
    house.drop("cat.yaml")
    document = heartbeat.read(house.state)
    assert document is not None
    holdups = [Holdup(what=what, reason="the disk is full", mend="free it", retry_in_s=1.0)] if what else []
    health = document.model_copy(update={"status": status, "last_error": "the outbox is away", "holdups": holdups})
    assert why(house, house.inbox / "cat.yaml", health) == (True, f"cat.yaml: {text}")
