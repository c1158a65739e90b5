"""Previews: visible while a job runs, removed afterwards; no file of others is removed."""

from __future__ import annotations

import pytest

from aura_daemon.outbox.previews import FOLDER, Previews
from tests.conftest import Mount
from tests.support.house import Door
from tests.support.steps import admit


def test_a_preview_replaces_the_one_before_and_goes_with_its_job(door: Door) -> None:
    door.house.drop("sub/cat.yaml", b"prompt: one\n---\nprompt: two\n")
    _, jobs = admit(door, "sub/cat.yaml")
    previews, folder = Previews(door.outbox), door.house.outbox / FOLDER
    for content in (b"early", b"late"):
        for job in jobs:
            previews.show(job, content)
    assert sorted(place.name for place in folder.iterdir()) == [f"{job.stem}.{job.id}.jpg" for job in jobs]
    assert {place.read_bytes() for place in folder.iterdir()} == {b"late"}
    for job in jobs:
        previews.end(job)
        previews.end(job)
    assert not folder.exists()


def test_what_a_killed_daemon_left_is_cleared_and_a_strangers_file_stays(door: Door) -> None:
    door.house.drop("cat.yaml")
    _, (job,) = admit(door, "cat.yaml")
    Previews(door.outbox).clear()
    Previews(door.outbox).show(job, b"preview")
    stranger = door.house.outbox / FOLDER / "holiday.jpg"
    stranger.write_bytes(b"theirs")
    Previews(door.outbox).clear()
    assert list(stranger.parent.iterdir()) == [stranger]


def test_a_preview_that_cannot_be_written_disturbs_nobody(door: Door, mount: Mount) -> None:
    door.house.drop("cat.yaml")
    _, (job,) = admit(door, "cat.yaml")
    mount(door.house.outbox, "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs")
    previews = Previews(door.outbox)
    previews.show(job, b"preview")
    previews.end(job)
    previews.clear()
    assert door.house.visible(door.house.outbox) == []


def test_a_preview_of_what_few_may_see_is_not_written(door: Door) -> None:
    door.house.drop("alice/cat.yaml")
    (door.house.inbox / "alice").chmod(0o700)
    _, (job,) = admit(door, "alice/cat.yaml")
    previews = Previews(door.outbox)
    previews.show(job, b"preview")
    previews.end(job)
    assert not (door.house.outbox / FOLDER).exists()


@pytest.mark.parametrize("name", ["x" * 250 + ".yaml", "caf\udce9.yaml"])
def test_any_name_has_its_preview(door: Door, name: str) -> None:
    door.house.drop(name)
    _, (job,) = admit(door, name)
    Previews(door.outbox).show(job, b"preview")
    assert len(list((door.house.outbox / FOLDER).iterdir())) == 1
