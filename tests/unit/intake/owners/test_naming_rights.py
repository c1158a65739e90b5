"""A job file names only images that its owner may read; the inbox's owner, root and the daemon's user name all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aura_daemon.intake.image_lookup import FoundImage
from aura_daemon.intake.owners.naming_rights import NamingRights
from aura_daemon.jobs.sources import SourceKind
from tests.support.house import PNG, Door, House

BOB = 54321

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root to give files away")


@pytest.fixture
def image(door: Door) -> Path:
    """A picture in a folder that is closed to others."""
    place = door.house.drop("alice/cat.png", PNG)
    place.parent.chmod(0o700)
    return place


@pytest.fixture
def rights_of_keeper(house: House) -> Iterator[NamingRights]:
    """The rights in an inbox whose files stay, where a job file was claimed and taken away by its owner."""
    door = Door(house, keeps=True)
    job = job_of(door, BOB)
    assert door.claims.claim(job, SourceKind.JOB_FILE, settled_s=0) is not None
    (house.inbox / job).unlink()
    yield NamingRights(door.claims, door.journal)
    door.close()


def job_of(door: Door, owner: int, name: str = "say.yaml") -> str:
    os.chown(door.house.drop(name, b"task: caption\nimage: alice/cat.png\n"), owner, owner)
    return name


@pytest.mark.parametrize(("owner", "is_it"), [(BOB, False), (0, True)])
def test_the_owner_of_the_job_file_decides(door: Door, image: Path, owner: int, is_it: bool) -> None:
    job = job_of(door, owner)
    assert (door.references.find(job, "alice/cat.png") is not None) is is_it
    assert (door.references.find(job, "cat.png") is not None) is is_it
    assert (door.references.find(job, "CAT.png") is not None) is is_it
    assert door.references.matching(job, "alice/*.png") == (("alice/cat.png",) if is_it else ())
    assert door.references.nearest(job, "bat.png") == ("alice/cat.png" if is_it else "")


def test_an_open_picture_of_somebody_else_may_be_named(door: Door, image: Path) -> None:
    image.parent.chmod(0o755)
    assert isinstance(door.references.find(job_of(door, BOB), "alice/cat.png"), FoundImage)


def test_the_owner_of_the_inbox_names_all(door: Door, image: Path) -> None:
    os.chown(door.house.inbox, BOB, BOB)
    assert isinstance(door.references.find(job_of(door, BOB), "alice/cat.png"), FoundImage)


def test_a_claimed_job_file_is_still_its_owners(door: Door, image: Path) -> None:
    job = job_of(door, BOB)
    source = door.claims.claim(job, SourceKind.JOB_FILE, settled_s=0)
    assert source is not None
    assert door.references.find(job, "alice/cat.png") is None


def test_of_a_copy_whose_original_is_gone_nobody_knows_the_owner(house: House, rights_of_keeper: NamingRights) -> None:
    may_name = rights_of_keeper.of("say.yaml")
    closed, open_one = house.drop("alice/cat.png", PNG), house.drop("cat.png", PNG)
    closed.parent.chmod(0o700)
    assert not may_name("alice/cat.png", closed)
    assert may_name("cat.png", open_one)
    assert not may_name("gone.png", house.inbox / "gone.png")
