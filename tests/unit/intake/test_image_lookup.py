"""Which image a job file means."""

from __future__ import annotations

import unicodedata

import pytest

from aura_daemon.daemon.explain import explain
from aura_daemon.intake.companions import COMPANION_S
from aura_daemon.intake.image_lookup import AmbiguousImage, FoundImage
from aura_daemon.intake.triage import ReadyToClaim, Wait
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.jobs.sources import SourceKind
from tests.support.house import PNG, Door, House
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


# -- spellings ---------------------------------------------------------------------------------------------------------

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Caf\u00e9") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("where", ["waiting", "claimed", "archived"])
@pytest.mark.parametrize(
    ("named", "image"),
    [
        (f"{COMPOSED}.png", f"{DECOMPOSED}.png"),
        (f"{DECOMPOSED}.png", f"{COMPOSED}.png"),
        ("photo.jpg", "Photo.JPG"),
        ("Screenshot 4.42.48 PM.png", "Screenshot 4.42.48\u202fPM.png"),
        ("w.jpg", "w.jpeg"),
        ("W.jpeg", "w.PNG"),
        ("photo.jpg", "assets/Photo.Jpg"),
        ("photo.jpg", "far/away/PHOTO.jpg"),
        ("Trip/photo.jpg", "trip/photo.png"),
        (f"{COMPOSED}/photo.jpg", f"x/{DECOMPOSED}/photo.JPG"),
    ],
)
def test_an_image_is_found_in_another_spelling_where_only_one_fits(
    door: Door, where: str, named: str, image: str
) -> None:
    door.house.drop(image, PNG)
    if where != "waiting":
        taken, jobs = admit(door, image)
        if where == "archived":
            finish(door, jobs)
            door.disposal().dispose(taken)
    found = door.references.find("job.yaml", named)
    assert isinstance(found, FoundImage)
    assert (found.path, found.is_exact) == (image, False)
    assert found.file.read_bytes() == PNG


@pytest.mark.parametrize(
    ("images", "meant"),
    [
        (["Photo.JPG", "photo.jpg"], "photo.jpg"),
        (["Photo.JPG", "far/photo.jpg"], "far/photo.jpg"),  # the exact one first, wherever
        (["photo.png", "Photo.JPG"], "Photo.JPG"),
        (["photo.png", "far/Photo.JPG"], "far/Photo.JPG"),
        (["a/photo.png", "photo.gif"], "photo.gif"),
    ],
)
def test_of_several_spellings_the_nearest_is_meant(door: Door, images: list[str], meant: str) -> None:
    for image in images:
        door.house.drop(image, PNG)
    found = door.references.find("job.yaml", "photo.jpg")
    assert isinstance(found, FoundImage)
    assert found.path == meant


@pytest.mark.parametrize(
    "images", [("Photo.JPG", "PHOTO.jpg"), ("photo.png", "photo.gif"), ("a/Photo.jpg", "b/Photo.jpg")]
)
def test_of_several_like_spellings_none_is_guessed(door: Door, images: tuple[str, ...]) -> None:
    for image in images:
        door.house.drop(image, PNG)
    assert door.references.find("job.yaml", "photo.jpg") == AmbiguousImage(paths=tuple(sorted(images)))


@pytest.mark.parametrize("image", [f"{DECOMPOSED}.png", "CAF\u00c9.Jpg"])
def test_a_caption_job_finds_the_image_that_is_called_like_it_in_another_spelling(house: House, image: str) -> None:
    house.drop(f"{COMPOSED}.yaml", b"task: caption\n")
    house.drop(image, PNG)
    assert house.drain(pair_wait=0.2).failed == 0
    assert house.results() == [f"{COMPOSED}.json", f"{COMPOSED}.txt"]
    assert house.archived() == sorted([f"{COMPOSED}.yaml", image])


def test_a_picture_is_drawn_from_an_image_in_another_spelling_and_that_is_said(house: House, log: list[str]) -> None:
    house.drop("one.yaml", f"prompt: a red circle\nimage: {COMPOSED}.png\n".encode())
    house.drop(f"{DECOMPOSED}.png", PNG)
    house.drop("two.yaml", b"prompt: a red circle\nimage: ./photo.jpg\n")
    house.drop("Photo.JPEG", PNG)
    assert house.drain(pair_wait=0.2).failed == 0
    assert house.results() == ["one.json", "one.png", "two.json", "two.png"]
    assert house.sidecar("one.json")["warnings"] == []  # nobody sees a difference
    warning = "there is no image photo.jpg: Photo.JPEG is taken for it"
    assert house.sidecar("two.json")["warnings"] == [warning]
    assert sum(warning in line for line in log) == 1


def test_an_image_in_another_spelling_is_taken_when_the_exact_one_has_had_its_time(door: Door) -> None:
    door.house.drop("job.yaml", b"image: photo.jpg\n")
    door.house.drop("Photo.JPG", PNG)
    reason = "it waits for photo.jpg; else Photo.JPG is meant"
    assert judge(door, "job.yaml", 0.5) == Wait(unchanged_s=1.5, reason=reason)
    assert isinstance(judge(door, "Photo.JPG"), Wait)  # it belongs to job.yaml
    assert isinstance(judge(door, "job.yaml"), ReadyToClaim)
    assert "job.yaml" in door.judging.waiting_for("photo.jpg")


@pytest.mark.parametrize(
    ("named", "image", "is_near"),
    [
        ("fotto.png", "foto.png", True),
        ("foto.png", "photo.png", True),
        ("trips/foto.png", "trip/foto.png", True),
        ("IMG_1234.jpg", "IMG1234.jpg", True),
        ("img_7.png", "img_007.png", True),
        ("photo.jpg", "far/photo.png", True),
        ("img_12.png", "img_13.png", False),
        ("beach.png", "mountain.png", False),
    ],
)
def test_a_near_miss_is_named_at_once_and_in_the_failure(house: House, named: str, image: str, is_near: bool) -> None:
    house.drop("job.yaml", f"image: {named}\n".encode())
    house.drop(image, PNG)
    door = Door(house)
    hint = f" (did you mean {image}?)" * is_near
    assert judge(door, "job.yaml", 0.5) == Wait(unchanged_s=1.5, reason=f"it waits for {named}{hint}")
    asked = explain(house.inbox / "job.yaml", house.settings(reference_wait=600), None)
    assert asked.text == f"job.yaml: not taken yet: it waits for {named}{hint}"
    source, _ = admit(door, "job.yaml")
    door.close()
    assert source.failure is not None
    assert source.failure.message == f"the image it names did not arrive: {named}{hint}"


def test_a_near_miss_that_is_captioned_already_is_named_while_its_file_is_there(house: House) -> None:
    house.drop("photo.png", PNG)
    house.drain()
    house.drop("job.yaml", b"image: foto.png\n")
    door = Door(house)
    assert judge(door, "job.yaml") == Wait(unchanged_s=3.0, reason="it waits for foto.png (did you mean photo.png?)")
    (house.inbox / ".aura" / "done" / "photo.png").unlink()
    assert judge(door, "job.yaml") == Wait(unchanged_s=3.0, reason="it waits for foto.png")
    door.close()


def test_a_near_miss_of_a_caption_job_lies_beside_it(door: Door) -> None:
    door.house.drop("far/beech.jpg", PNG)
    door.house.drop("beach.yaml", b"task: caption\n")
    assert judge(door, "beach.yaml") == Wait(unchanged_s=3.0, reason="it waits for an image called beach")
    door.house.drop("beech.jpg", PNG)
    reason = "it waits for an image called beach (did you mean beech.jpg?)"
    assert judge(door, "beach.yaml") == Wait(unchanged_s=3.0, reason=reason)
