"""The door in: what claimed bytes ask for."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aura_daemon.intake.input_images import JobImages
from aura_daemon.jobfile.catalogue import Catalogue
from aura_daemon.jobs.requests import CaptionRequest, CaptionSampling
from aura_daemon.jobs.sources import SourceKind
from tests.conftest import Mount
from tests.support.house import PNG, Door, House, sha256
from tests.support.steps import CAPTION, REDELIVERY, SIDECAR, admit, claim, finish


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", b"", "the file is empty"),
        ("a.yaml", b"\0\0\0", "nothing but zeros"),
        ("a.yaml", b"prompt: [", "no valid YAML"),
        ("a.yaml", b"prompt: x\nstep: 3\n", "unknown key"),
        ("a.yaml", b"prompt: x\nsteps: 0\n", "1 to 150"),
        ("a.yaml", b"prompt: x\nwidth: 100000\n", "64 to 2048"),
        ("a.yaml", b"prompt: x\nsteps: many\n", "1 to 150"),
        ("a.yaml", b"---\nprompt: x\n" * 2000, "more than 500"),
        ("a.png", b"this is text", "named .png but holds text"),
        ("a.png", PNG + b"x" * 1_000_001, "larger than 1,000,000 bytes"),
        ("a.txt", b"\xff\xfa", "no text"),
        ("a.txt", b"  \n ", "blank"),
        ("a.txt", b"x" * 2_000_000, "longer than 1,048,576 bytes"),
        ("a.yaml", b"#" * 2_000_000, "longer than 1,048,576 bytes"),
        ("a.json", SIDECAR + b" " * 2_000_000, "holds too much"),
        ("a.json", SIDECAR[:200], "no complete sidecar"),
    ],
)
def test_bad_input_is_refused_in_words_and_the_file_is_kept(
    door: Door, name: str, content: bytes, message: str
) -> None:
    door.house.drop(name, content)
    source, jobs = admit(door, name)
    assert jobs == ()
    assert source.failure is not None
    assert message in source.failure.message + " ".join(map(str, source.problems))
    assert source.sha256 == sha256(content)
    assert door.claims.file_of(source).read_bytes() == content


def test_the_seed_of_words_drawn_by_chance_is_journaled_with_the_job(door: Door) -> None:
    door.house.drop("cat.png", PNG)
    door.house.drop("a.yaml", b"image: cat.png\nsampling: true\n---\nimage: cat.png\nsampling: {seed: 7}\n")
    _, jobs = admit(door, "a.yaml")
    drawn, given = (job.request for job in jobs)
    assert isinstance(drawn, CaptionRequest)
    assert isinstance(given, CaptionRequest)
    assert drawn.sampling is not None
    assert drawn.sampling.seed is not None
    assert given.sampling == CaptionSampling(seed=7)
    assert door.journal.job(jobs[0].id).request == drawn


def test_one_invalid_document_runs_none_of_them_and_every_problem_is_told(door: Door) -> None:
    door.house.drop("a.yaml", b"prompt: x\n---\nprompt: y\nsteps: 0\n---\nprompts: z\n")
    source, jobs = admit(door, "a.yaml")
    assert jobs == ()
    assert {problem.line for problem in source.problems} >= {4, 6}


def test_documents_are_numbered_and_keep_their_own_text(door: Door) -> None:
    door.house.drop("sub/cat.yaml", b"prompt: x\n---\nprompt: y\n")
    _, jobs = admit(door, "sub/cat.yaml")
    assert [(job.number, job.folder, job.stem, job.text) for job in jobs] == [
        (1, "sub", "cat-1", b"prompt: x\n"),
        (2, "sub", "cat-2", b"prompt: y\n"),
    ]


def test_the_prompts_of_a_text_and_of_a_table_are_numbered_and_keep_a_text_of_their_own(
    door: Door, log: list[str]
) -> None:
    door.house.drop("sub/cat.txt", b"# mine\na red circle --steps 8\n\na star\n")
    door.house.drop("dog.csv", b"prompt,steps\na red circle,8\na star,\n")
    for name, kind in (("sub/cat.txt", SourceKind.PROMPT_TEXT), ("dog.csv", SourceKind.PROMPT_TABLE)):
        source, jobs = admit(door, name)
        assert source.kind is kind
        assert [(job.number, job.stem[3:], job.text) for job in jobs] == [
            (1, "-1", b"prompt: a red circle\nsteps: 8\n"),
            (2, "-2", b"prompt: a star\n"),
        ]
    assert sum("the text was read as 2 prompts, one a line; `prompt_lines: whole`" in line for line in log) == 1


@pytest.mark.parametrize(("configured", "folder", "count"), [("auto", "", 2), ("whole", "", 1), ("whole", "lines", 2)])
def test_the_configuration_and_the_folder_say_how_a_text_is_cut(
    house: House, configured: str, folder: str, count: int
) -> None:
    if folder:
        house.drop("_defaults.yaml", f"prompt_lines: {folder}\n".encode())
    house.drop("cat.txt", b"a red circle\na star\n")
    with closing(Door(house, prompt_lines=configured)) as door:
        assert len(admit(door, "cat.txt")[1]) == count


def test_two_names_that_differ_only_in_case_or_composition_are_two_claims(door: Door) -> None:
    found = []
    for name in ("Cat.yaml", "cat.yaml", "caf\u00e9.yaml", "cafe\u0301.yaml"):
        door.house.drop(name)
        found.append(admit(door, name)[1][0])
    assert len({job.id for job in found}) == 4


def test_of_an_image_written_to_after_its_claim_the_hash_is_of_the_bytes_that_run(door: Door, log: list[str]) -> None:
    place = door.house.drop("cat.png", PNG)
    with place.open("ab") as writer:
        source, (job,) = admit(door, "cat.png")
        assert source.sha256 == sha256(PNG)
        writer.write(b"more")
    image = door.inputs.of(job, source).image
    assert image is not None
    ran = door.inputs.recorded(source, job, JobImages(image=image))
    assert ran.sha256 == sha256(PNG + b"more") == sha256(image.content)
    assert door.journal.source(source.id) == ran
    assert door.inputs.recorded(ran, job, JobImages(image=image)) is ran
    assert any("was written to after it was claimed" in line for line in log)


def test_one_daemons_redelivery_is_not_run_again(door: Door, log: list[str]) -> None:
    place = door.house.drop("cat.yaml", REDELIVERY)
    os.utime(place, ns=(5, 5))
    first, jobs = admit(door, "cat.yaml")
    finish(door, jobs)
    door.disposal().dispose(first)
    place = door.house.drop("cat.yaml", REDELIVERY)
    os.utime(place, ns=(5, 5))
    again, jobs = admit(door, "cat.yaml")
    assert (jobs, again.failure) == ((), None)
    assert any("redelivery" in line for line in log)
    door.disposal().dispose(again)
    assert door.house.archived() == ["cat.yaml"]
    assert door.house.temporary() == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE])
def test_a_file_system_that_falters_leaves_the_source_to_be_admitted_later(
    door: Door, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    door.house.drop("cat.yaml")
    source = claim(door, "cat.yaml")

    def falter(path: Path, *_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number), os.fspath(path))

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", falter)
        with pytest.raises(OSError, match=os.strerror(number)):
            door.intake.admit(source)
    assert door.journal.source(source.id).state == "claimed"
    assert len(door.intake.admit(source)) == 1


def test_a_claimed_file_that_has_gone_is_refused_but_not_where_all_of_ours_has_gone_with_it(door: Door) -> None:
    door.house.drop("cat.yaml")
    source = claim(door, "cat.yaml")
    away = door.claims.work.rename(door.house.root / "elsewhere")
    with pytest.raises(FileNotFoundError):
        door.intake.admit(source)
    away.rename(door.claims.work)
    door.claims.file_of(source).unlink()
    assert door.intake.admit(source) == ()
    failure = door.journal.source(source.id).failure
    assert failure is not None
    assert "cannot be read: No such file" in failure.message


# -- images that jobs name ---------------------------------------------------------------------------------------------


def test_an_image_that_never_comes_fails_the_job_file_naming_it(door: Door) -> None:
    door.house.drop("job.yaml", CAPTION)
    source, jobs = admit(door, "job.yaml")
    assert jobs == ()
    assert source.failure is not None
    assert "did not arrive: beach.png" in source.failure.message


def test_an_image_that_was_named_is_copied_so_that_later_changes_do_not_matter(door: Door) -> None:
    door.house.drop("job.yaml", CAPTION)
    door.house.drop("beach.png", PNG)
    source, (job,) = admit(door, "job.yaml")
    door.house.drop("beach.png", b"another")
    image = door.inputs.of(job, source).image
    assert image is not None
    assert image.content == PNG


def test_an_image_that_cannot_be_copied_leaves_the_source_to_be_admitted_later(
    door: Door, mount: Mount, tmp_path: Path
) -> None:
    door.house.drop("job.yaml", CAPTION)
    door.house.drop("beach.png", PNG + b"x" * 200_000)
    source = claim(door, "job.yaml")
    door.claims.inputs.mkdir()
    mount(door.claims.inputs, "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs")
    with pytest.raises(OSError) as refused:
        door.intake.admit(source)
    assert refused.value.errno in (errno.EROFS, errno.EXDEV, errno.ENOSPC)
    assert door.journal.source(source.id).state == "claimed"


def test_an_image_that_nobody_may_read_fails_the_job_file_naming_it_and_holds_up_no_other(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.house.drop("job.yaml", CAPTION)
    image = door.house.drop("beach.png", PNG)
    source = claim(door, "job.yaml")
    open_file = os.open

    def refused(path: Path | str, *arguments: Any, **options: Any) -> int:
        if Path(path).name == image.name:
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return open_file(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refused)
    assert door.intake.admit(source) == ()
    failure = door.journal.source(source.id).failure
    assert failure is not None
    assert failure.message.startswith("the image it names cannot be read: beach.png: Permission denied: it belongs to ")
    assert "permissions" in failure.mend


def test_a_folder_of_ours_that_cannot_be_written_is_no_fault_of_the_image(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.house.drop("job.yaml", CAPTION)
    door.house.drop("beach.png", PNG)
    source = claim(door, "job.yaml")

    def refused(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))

    with monkeypatch.context() as patched:
        patched.setattr(os, "utime", refused)
        with pytest.raises(PermissionError):
            door.intake.admit(source)
    assert door.journal.source(source.id).state == "claimed"
    assert len(door.intake.admit(source)) == 1


def test_a_job_says_what_its_result_is_called_below_its_own_folder(door: Door) -> None:
    text = "prompt: a red circle\nseed: 7\noutput: '{prompt}/{stem}-{seed}-{number:02}'\n"
    door.house.drop("sub/cat.yaml", f"{text}---\n{text}".encode())
    _, jobs = admit(door, "sub/cat.yaml")
    assert [(job.folder, job.stem) for job in jobs] == [
        ("sub/a-red-circle", "cat-7-01"),
        ("sub/a-red-circle", "cat-7-02"),
    ]


def test_an_enlarged_picture_is_named_as_its_job_wants(door: Door) -> None:
    door.house.drop("in/beach.png", PNG)
    door.house.drop("in/job.yaml", b"task: upscale\nimage: beach.png\noutput: '{model}/{folder}-{stem}-{number:02}'\n")
    _, (job,) = admit(door, "in/job.yaml")
    assert (job.folder, job.stem) == ("in/aura-mini", "in-job-01")


@pytest.mark.parametrize("output", ["../x", "/etc/x", "a/../x", ".hidden", "{path}"])
def test_no_name_of_a_result_leads_elsewhere(door: Door, output: str) -> None:
    door.house.drop("cat.yaml", f"prompt: x\noutput: '{output}'\n".encode())
    source, jobs = admit(door, "cat.yaml")
    assert jobs == ()
    assert "no `..`, hidden or absolute path" in str(source.problems[0])


def test_the_images_that_a_picture_starts_from_are_copied_at_admission(door: Door) -> None:
    door.house.drop("cat.yaml", b"prompt: x\nimage: beach.png\nmask: sky.png\n")
    door.house.drop("beach.png", PNG)
    door.house.drop("sky.png", PNG + b"sky")
    source, (job,) = admit(door, "cat.yaml")
    for name in ("beach.png", "sky.png"):
        door.house.drop(name, b"another")
    images = door.inputs.of(job, source)
    assert images.image is not None
    assert images.mask is not None
    assert (images.image.content, images.mask.content) == (PNG, PNG + b"sky")
    finish(door, (job,))
    door.disposal().dispose(source)
    assert list(door.claims.inputs.iterdir()) == []


def test_a_mask_that_never_comes_fails_the_job_file_naming_it(door: Door) -> None:
    door.house.drop("cat.yaml", b"prompt: x\nimage: beach.png\nmask: sky.png\n")
    door.house.drop("beach.png", PNG)
    source, jobs = admit(door, "cat.yaml")
    assert jobs == ()
    assert source.failure is not None
    assert "did not arrive: sky.png" in source.failure.message


def test_an_unforeseen_fault_refuses_the_file_that_brings_it_to_light_and_nothing_else(
    house: House, log: list[str]
) -> None:
    def faulty() -> Catalogue:
        raise LookupError("no such\nlist")

    house.drop("a.yaml")
    with closing(Door(house, catalogue=faulty)) as door:
        source, jobs = admit(door, "a.yaml")
        assert jobs == ()
        assert source.failure is not None
        assert source.failure.message == "an unforeseen fault: LookupError: no such"
        assert "report it" in source.failure.mend
        door.disposal().dispose(source)
    assert house.failed() == ["a.yaml", "a.yaml.json"]
    assert any("Traceback" in line for line in log)
