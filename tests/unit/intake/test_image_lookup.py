"""Which image a job file means."""

from __future__ import annotations

import pytest

from aura_daemon.intake.companions import COMPANION_S
from aura_daemon.intake.triage import ReadyToClaim
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.sources import SourceKind
from tests.support.house import PNG, Door
from tests.support.steps import CAPTION, admit, finish, judge, sidecar_bytes


@pytest.mark.parametrize("where", ["claimed", "archived"])
def test_an_image_that_has_been_claimed_or_archived_is_found(door: Door, where: str) -> None:
    door.house.drop("beach.png", PNG)
    taken, jobs = admit(door, "beach.png")
    if where == "archived":
        finish(door, jobs)
        door.disposal().dispose(taken)
        assert door.house.archived() == ["beach.png"]
    door.house.drop("job.yaml", CAPTION)
    assert isinstance(judge(door, "job.yaml"), ReadyToClaim)
    source, (job,) = admit(door, "job.yaml")
    image = door.inputs.of(job, source).image
    assert image is not None
    assert image.content == PNG


def test_of_several_archived_images_of_one_name_the_last_one_is_meant(door: Door) -> None:
    for content in (PNG, PNG + b"second"):
        door.house.drop("beach.png", content)
        taken, jobs = admit(door, "beach.png")
        finish(door, jobs)
        door.disposal().dispose(taken)
    assert door.house.archived() == ["beach.png", "beach.r2.png"]
    door.house.drop("job.yaml", CAPTION)
    source, (job,) = admit(door, "job.yaml")
    image = door.inputs.of(job, source).image
    assert image is not None
    assert image.content == PNG + b"second"


@pytest.mark.parametrize(
    "image",
    ["../secret.png", "/etc/secret.png", "link.png", "folder/secret.png", ".hidden.png", "sub/../../secret.png"],
)
def test_a_sidecar_cannot_name_an_image_outside_the_inbox(door: Door, image: str) -> None:
    outside = door.house.root / "secret.png"
    outside.write_bytes(PNG)
    (door.house.inbox / "link.png").symlink_to(outside)
    (door.house.inbox / "folder").symlink_to(door.house.root)
    (door.house.inbox / "sub").mkdir()
    door.house.drop(".hidden.png", PNG)
    door.house.drop("again.json", sidecar_bytes(CaptionRequest(image=image)))
    source, jobs = admit(door, "again.json")
    assert jobs == ()
    assert source.failure is not None
    assert any(words in source.failure.message for words in ("did not arrive", "below the inbox"))


def test_a_sidecar_of_a_caption_finds_the_archived_image_it_was_made_from(door: Door) -> None:
    door.house.drop("beach.png", PNG)
    taken, jobs = admit(door, "beach.png")
    finish(door, jobs)
    door.disposal().dispose(taken)
    door.clock_s += COMPANION_S
    door.house.drop("beach.json", sidecar_bytes(CaptionRequest(), "beach.png"))
    assert judge(door, "beach.json") == ReadyToClaim(kind=SourceKind.SIDECAR)
    _, (job,) = admit(door, "beach.json")
    assert isinstance(job.request, CaptionRequest)
    assert job.request.image == "beach.png"


@pytest.mark.parametrize("stem", ["beach", "x" * 249])
def test_an_archived_image_is_found_however_long_its_name_and_its_number(door: Door, stem: str) -> None:
    for content in (PNG, PNG + b"second", PNG + b"third"):
        door.house.drop(f"{stem}.png", content)
        taken, jobs = admit(door, f"{stem}.png")
        finish(door, jobs)
        door.disposal().dispose(taken)
    door.house.drop("job.yaml", f"image: {stem}.png\n".encode())
    source, (job,) = admit(door, "job.yaml")
    image = door.inputs.of(job, source).image
    assert image is not None
    assert image.content == PNG + b"third"


def test_an_image_on_a_path_no_file_system_has_is_not_there_and_nothing_else(door: Door) -> None:
    (door.house.inbox / "loop.png").symlink_to("loop.png")
    for name in ("loop.png", "loop.png/a.png", "x" * 300 + ".png", "job.yaml/a.png"):
        assert door.references.find("job.yaml", name) is None
