"""The door in: what is a job, whose is it, what does it ask for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aura_daemon import durable
from aura_daemon.core.job import CaptionRequest, GenerateRequest
from aura_daemon.core.lifecycle import JobState
from aura_daemon.core.routing import Accept, SourceKind
from aura_daemon.core.sidecar import SourceRecord, TimingRecord, sidecar
from aura_daemon.judging import COMPANION_S, Judgement, Leave, Ready, Wait
from aura_daemon.records import JobRow, SourceRow
from aura_daemon.workers.protocol import Task
from tests.conftest import Mount
from tests.house import PNG, PROMPT, Door, House, make, sha256, stamp_of

CAPTION = b"task: caption\nimage: beach.png\n"
REDELIVERY = b"prompt: again\n"


@pytest.fixture
def keeping(house: House) -> Iterator[Door]:
    opened = Door(house, keeps=True)
    yield opened
    opened.close()


def judge(door: Door, path: str, unchanged_s: float = 2.0) -> Judgement:
    return door.judging.judge(path, stamp_of(door.house.inbox / path), unchanged_s=unchanged_s)


def claim(door: Door, path: str, kind: SourceKind = SourceKind.JOB_FILE) -> SourceRow:
    source = door.claims.claim(path, kind, settled_s=2.0)
    assert source is not None
    return source


def admit(door: Door, path: str) -> tuple[SourceRow, tuple[JobRow, ...]]:
    """Claims and admits; the source as the journal knows it then."""
    source = claim(door, path)
    jobs = door.intake.admit(source)
    return door.journal.source(source.id), jobs


def finish(door: Door, jobs: tuple[JobRow, ...]) -> None:
    """The jobs are done, as far as the journal knows."""
    for job in jobs:
        row = door.journal.deliver(door.journal.start(job), stem=job.stem, payload_sha256="x")
        door.journal.finish(row, now=1.0, total_s=1.0)


def sidecar_bytes(request: GenerateRequest | CaptionRequest, source_name: str = "x.yaml") -> bytes:
    """A sidecar of ours, as the scripted worker would have it."""
    outcome = make(Task(job_id="x", request=request, image=PNG))
    figures = dict.fromkeys(
        ("settled", "waited", "loaded", "encoded", "denoised", "decoded", "delivered", "total"), 0.0
    )
    document = sidecar(
        outcome,  # type: ignore[arg-type]
        job_id="x",
        finished="2026-01-01T00:00:00+00:00",
        source=SourceRecord(name=source_name, sha256="", bytes=1, document=None),
        attempts=1,
        timing_s=TimingRecord(**figures),
        outputs=[],
    )
    return document.to_json()


SIDECAR = sidecar_bytes(GenerateRequest(prompt="a red circle", seed=7))


# -- judging -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("cat.yaml", PROMPT, SourceKind.JOB_FILE),
        ("cat.YML", PROMPT, SourceKind.JOB_FILE),
        ("cat.txt", b"a red circle", SourceKind.PROMPT_TEXT),
        ("cat.png", PNG, SourceKind.IMAGE),
        ("cat.jpg", PNG, SourceKind.IMAGE),  # the bytes say it is an image all the same
        ("cat.json", SIDECAR, SourceKind.SIDECAR),
        ("cat.png", b"this is text", SourceKind.IMAGE),  # admission says what is wrong with it
    ],
)
def test_a_whole_file_of_a_known_kind_is_ready(door: Door, name: str, content: bytes, expected: SourceKind) -> None:
    door.house.drop(name, content)
    assert judge(door, name) == Ready(kind=expected)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("notes.md", b"x", "not a kind of file it knows (.md)"),
        ("README", b"x", "no extension"),
        ("health.json", b'{"schema": "aura-daemon/health/1"}', "our own health documents"),
        ("bad.yaml.json", b'{\n  "schema": "aura-daemon/failure/1"}', "failure reports"),
        ("data.json", b"[1, 2]", "not one of our sidecars"),
        ("cat.yaml.filepart", b"x", "temporary"),
        ("~$cat.yaml", PROMPT, "temporary"),
        ("cat.sync-conflict-20260101-120000-ABCDEFG.yaml", PROMPT, "conflict copy (Syncthing)"),
    ],
)
def test_what_is_no_job_is_left_alone_with_a_reason(door: Door, name: str, content: bytes, reason: str) -> None:
    door.house.drop(name, content)
    judgement = judge(door, name)
    assert isinstance(judgement, Leave)
    assert reason in judgement.reason
    assert (door.house.inbox / name).read_bytes() == content


@pytest.mark.parametrize("name", ["fifo.yaml", "link.png", "folder.txt"])
@pytest.mark.timeout(10)
def test_what_is_no_regular_file_is_left_alone_unopened(door: Door, name: str) -> None:
    place = door.house.inbox / name
    makers: dict[str, Callable[[], None]] = {
        "fifo.yaml": lambda: os.mkfifo(place),
        "link.png": lambda: place.symlink_to("/etc/passwd"),
        "folder.txt": place.mkdir,
    }
    makers[name]()
    judgement = judge(door, name)
    assert isinstance(judgement, Leave)
    assert "only regular files are opened" in judgement.reason


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cat.yaml", b"", "empty"),
        ("cat.txt", b"\0" * 10_000, "empty"),
        ("cat.png", b"", "empty"),
        ("cat.png", PNG[:-12], "the end of the image is missing"),
        ("cat.jpg", b"\xff\xd8\xff" + b"x" * 100, "the end of the image is missing"),
    ],
)
def test_what_looks_incomplete_waits_for_so_long_and_then_is_taken(
    door: Door, name: str, content: bytes, reason: str
) -> None:
    door.house.drop(name, content)
    judgement = judge(door, name)
    assert isinstance(judgement, Wait)
    assert judgement.unchanged_s == 60.0
    assert reason in judgement.reason
    assert isinstance(judge(door, name, unchanged_s=60.0), Ready)


@pytest.mark.parametrize(
    ("accept", "left"),
    [(Accept.PROMPT, {"a.png", "c.json"}), (Accept.IMAGE, {"a.yaml", "b.txt", "c.json"})],
)
def test_kinds_that_are_not_accepted_are_left_alone(house: House, accept: Accept, left: set[str]) -> None:
    door = Door(house, accept=frozenset({accept}))
    for name, content in {"a.yaml": PROMPT, "b.txt": PROMPT, "a.png": PNG, "c.json": SIDECAR}.items():
        house.drop(name, content)
    found = {name for name in ("a.yaml", "b.txt", "a.png", "c.json") if isinstance(judge(door, name), Leave)}
    door.close()
    assert found == left


# -- companions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cat.txt", "cat.json", "album/cat.txt"])
@pytest.mark.parametrize("extension", [".png", ".PNG", ".jpeg", ".webp"])
def test_text_and_sidecars_beside_an_image_of_their_name_are_no_jobs(door: Door, name: str, extension: str) -> None:
    door.house.drop(name, SIDECAR)
    door.house.drop(name.rpartition(".")[0] + extension, PNG)
    assert judge(door, name) == Leave(reason="it lies beside an image of the same name")


def test_a_companion_stays_one_when_its_image_has_been_taken_also_over_a_restart(house: House) -> None:
    door = Door(house)
    house.drop("cat.png", PNG)
    admit(door, "cat.png")
    house.drop("cat.txt", b"late")
    assert isinstance(judge(door, "cat.txt"), Leave)
    door.clock_s += COMPANION_S * 10
    assert isinstance(judge(door, "cat.txt"), Leave)
    door.close()
    door = Door(house)
    door.clock_s += COMPANION_S * 20
    assert isinstance(judge(door, "cat.txt"), Leave)
    house.drop("cat.txt", b"a prompt of its own, long after")
    assert isinstance(judge(door, "cat.txt"), Ready)
    door.close()


# -- references --------------------------------------------------------------------------------------------------------


def test_a_job_file_waits_for_the_image_it_names_and_then_goes_on_without_an_end(door: Door) -> None:
    door.house.drop("sub/job.yaml", CAPTION)
    door.house.drop("beach.png", PNG)  # not beside it
    judgement = judge(door, "sub/job.yaml")
    assert judgement == Wait(unchanged_s=3.0, reason="it waits for beach.png")
    assert isinstance(judge(door, "sub/job.yaml", unchanged_s=600.0), Ready)
    door.house.drop("sub/beach.png", PNG)
    assert isinstance(judge(door, "sub/job.yaml"), Ready)


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
    image = door.intake.image_of(job, source)
    assert image is not None
    assert image.content == PNG


@pytest.mark.parametrize("where", ["claimed", "archived"])
def test_an_image_that_has_been_claimed_or_archived_is_found(door: Door, where: str) -> None:
    door.house.drop("beach.png", PNG)
    taken, jobs = admit(door, "beach.png")
    if where == "archived":
        finish(door, jobs)
        door.disposal().dispose(taken)
        assert door.house.archived() == ["beach.png"]
    door.house.drop("job.yaml", CAPTION)
    assert isinstance(judge(door, "job.yaml"), Ready)
    source, (job,) = admit(door, "job.yaml")
    image = door.intake.image_of(job, source)
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
    image = door.intake.image_of(job, source)
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
    assert any(words in source.failure.message for words in ("did not arrive", "beside the job file or below it"))


def test_a_sidecar_of_a_caption_finds_the_archived_image_it_was_made_from(door: Door) -> None:
    door.house.drop("beach.png", PNG)
    taken, jobs = admit(door, "beach.png")
    finish(door, jobs)
    door.disposal().dispose(taken)
    door.clock_s += COMPANION_S
    door.house.drop("beach.json", sidecar_bytes(CaptionRequest(), "beach.png"))
    assert judge(door, "beach.json") == Ready(kind=SourceKind.SIDECAR)
    _, (job,) = admit(door, "beach.json")
    assert isinstance(job.request, CaptionRequest)
    assert job.request.image == "beach.png"


# -- claiming ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "cat.yaml",
        "a/b/cat.yaml",
        "caf\udce9.yaml",
        "new\nline.yaml",
        "-rf.yaml",
        "\u202elmay.tac.yaml",
        "x" * 250 + ".yaml",
        "猫" * 83 + ".yaml",
        "$(reboot).yaml",
        "%s{0}{}.yaml",
        "con:<b>[/b].yaml",
    ],
)
def test_any_name_is_claimed_by_rename_read_and_queued(door: Door, name: str, log: list[str]) -> None:
    inode = door.house.drop(name).stat().st_ino
    source, (job,) = admit(door, name)
    assert not (door.house.inbox / name).exists()
    assert door.claims.file_of(source).stat().st_ino == inode
    assert source.sha256 == sha256(PROMPT)
    assert isinstance(job.request, GenerateRequest)
    assert job.request.seed is not None
    assert len(os.fsencode(job.stem)) <= 215
    assert all(line.isprintable() for line in log)


@pytest.mark.parametrize("keeps", [False, True])
def test_a_file_that_is_gone_or_no_file_any_more_is_quietly_not_claimed(house: House, keeps: bool) -> None:
    door = Door(house, keeps=keeps)
    assert door.claims.claim("cat.yaml", SourceKind.JOB_FILE, settled_s=2.0) is None
    assert house.temporary() == []
    assert list(door.claims.work.iterdir()) == []
    door.close()


def test_a_file_that_is_rewritten_between_sight_and_claim_runs_as_it_was_claimed(door: Door) -> None:
    door.house.drop("cat.yaml")
    assert isinstance(judge(door, "cat.yaml"), Ready)
    door.house.drop("cat.yaml", b"prompt: a blue square\n")
    source, (job,) = admit(door, "cat.yaml")
    assert source.sha256 == sha256(b"prompt: a blue square\n")
    assert isinstance(job.request, GenerateRequest)
    assert job.request.prompt == "a blue square"


def test_of_an_image_written_to_after_its_claim_the_hash_is_of_the_bytes_that_run(door: Door, log: list[str]) -> None:
    place = door.house.drop("cat.png", PNG)
    with place.open("ab") as writer:
        source, (job,) = admit(door, "cat.png")
        assert source.sha256 == sha256(PNG)
        writer.write(b"more")
    image = door.intake.image_of(job, source)
    assert image is not None
    ran = door.intake.recorded(source, job, image)
    assert ran.sha256 == sha256(PNG + b"more") == sha256(image.content)
    assert door.journal.source(source.id) == ran
    assert door.intake.recorded(ran, job, image) is ran
    assert any("was written to after it was claimed" in line for line in log)


def test_a_prompt_written_to_after_its_claim_goes_back_to_the_inbox_as_a_new_one(door: Door) -> None:
    place = door.house.drop("cat.yaml")
    with place.open("ab") as writer:
        source, jobs = admit(door, "cat.yaml")
        writer.write(b"steps: 3\n")
    finish(door, jobs)
    door.house.drop("cat.yaml", b"prompt: a third one\n")
    assert door.disposal().dispose(source)
    assert door.house.archived() == []
    assert (door.house.inbox / "cat.r2.yaml").read_bytes() == PROMPT + b"steps: 3\n"
    assert (door.house.inbox / "cat.yaml").read_bytes() == b"prompt: a third one\n"
    assert door.journal.unfinished_sources() == []


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


# -- what a crash leaves -----------------------------------------------------------------------------------------------


def test_a_claimed_file_that_the_journal_does_not_know_is_adopted(house: House) -> None:
    door = Door(house)
    house.drop("a/caf\udce9.yaml")
    source = claim(door, "a/caf\udce9.yaml")
    door.close()
    for file in house.state.glob("journal*"):
        file.unlink()
    door = Door(house)
    (adopted,) = door.claims.adopt()
    assert (adopted.id, adopted.path) == (source.id, "a/caf\udce9.yaml")
    assert door.claims.adopt() == []
    (job,) = door.intake.admit(adopted)
    assert job.state is JobState.QUEUED
    door.close()


def test_folders_that_a_crash_left_empty_go(door: Door) -> None:
    (door.claims.work / "20260101T000000.000-abcdef" / "deep" / "er").mkdir(parents=True)
    assert door.claims.adopt() == []
    assert list(door.claims.work.iterdir()) == []


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


# -- keep --------------------------------------------------------------------------------------------------------------


def test_under_keep_a_file_stays_and_is_remembered_by_path_and_content(keeping: Door, log: list[str]) -> None:
    place = keeping.house.drop("cat.yaml")
    source, jobs = admit(keeping, "cat.yaml")
    assert isinstance(judge(keeping, "cat.yaml"), Leave)  # at once, and not only when it is done
    finish(keeping, jobs)
    keeping.disposal().dispose(source)
    assert place.read_bytes() == PROMPT
    assert keeping.house.visible(keeping.house.inbox) == ["cat.yaml"]
    assert not (keeping.house.inbox / ".aura").exists()
    assert isinstance(judge(keeping, "cat.yaml"), Leave)
    os.utime(place, ns=(9, 9))
    assert isinstance(judge(keeping, "cat.yaml"), Leave)  # touched: the same content
    keeping.house.drop("cat.yaml", b"prompt: a new one!!\n\n")
    assert isinstance(judge(keeping, "cat.yaml"), Ready)


def test_under_keep_a_touched_file_that_failed_is_tried_again(keeping: Door) -> None:
    place = keeping.house.drop("cat.yaml", b"nonsense: 1\n")
    source, jobs = admit(keeping, "cat.yaml")
    assert jobs == ()
    keeping.disposal().dispose(source)
    assert isinstance(judge(keeping, "cat.yaml"), Leave)
    os.utime(place, ns=(9, 9))
    assert isinstance(judge(keeping, "cat.yaml"), Ready)


def test_under_keep_a_clock_that_jumps_back_makes_no_loop(keeping: Door) -> None:
    keeping.house.drop("cat.yaml")
    admit(keeping, "cat.yaml")
    keeping.clock_s -= 86_400
    keeping.house.drop("cat.yaml", b"prompt: the second version\n")
    assert isinstance(judge(keeping, "cat.yaml"), Ready)
    admit(keeping, "cat.yaml")
    assert isinstance(judge(keeping, "cat.yaml"), Leave)


def test_under_keep_a_crash_before_the_journal_neither_loses_nor_doubles(keeping: Door) -> None:
    keeping.house.drop("cat.yaml")
    durable.copy(
        keeping.house.inbox / "cat.yaml",
        keeping.claims.work / "20260101T000000.000-abcdef" / "cat.yaml",
        temp_folder=keeping.house.state / "copying",
    )
    (keeping.house.state / "copying" / "1-x.tmp").write_bytes(b"half a cop")
    assert keeping.claims.adopt() == []
    assert keeping.house.visible(keeping.claims.work) == []
    assert keeping.house.temporary() == []
    assert isinstance(judge(keeping, "cat.yaml"), Ready)


def test_a_read_only_inbox_works_under_keep(house: House, mount: Mount) -> None:
    source_folder = house.root / "nas"
    source_folder.mkdir()
    (source_folder / "cat.yaml").write_bytes(PROMPT)
    mount(house.inbox, "--bind", str(source_folder))
    mount(house.inbox, "-o", "remount,ro,bind")
    door = Door(house, keeps=True)
    source, jobs = admit(door, "cat.yaml")
    finish(door, jobs)
    door.disposal().dispose(source)
    assert isinstance(judge(door, "cat.yaml"), Leave)
    door.close()
    assert [path.name for path in source_folder.iterdir()] == ["cat.yaml"]


def test_what_was_claimed_before_keep_was_set_is_finished_and_archived(house: House) -> None:
    door = Door(house)
    house.drop("cat.png", PNG)
    house.drop("lost.yaml")
    admit(door, "cat.png")
    claim(door, "lost.yaml")
    door.close()
    door = Door(house, keeps=True)
    sources = {source.path: source for source in door.journal.unfinished_sources()}
    (job,) = door.journal.jobs_of(sources["cat.png"].id)
    assert door.intake.image_of(job, sources["cat.png"]) is not None
    finish(door, (job,))
    door.disposal().dispose(sources["cat.png"])
    (job,) = door.intake.admit(sources["lost.yaml"])
    assert isinstance(job.request, GenerateRequest)
    assert house.archived() == ["cat.png"]
    door.close()


# -- admitting ---------------------------------------------------------------------------------------------------------


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
        ("a.yaml", b"---\nprompt: x\n" * 2000, "more than 500 documents"),
        ("a.png", b"this is text", "named .png but holds text"),
        ("a.png", PNG + b"x" * 1_000_001, "larger than 1,000,000 bytes"),
        ("a.txt", b"\xff\xfa", "no text"),
        ("a.txt", b"  \n ", "blank"),
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


def test_two_names_that_differ_only_in_case_or_composition_are_two_claims(door: Door) -> None:
    found = []
    for name in ("Cat.yaml", "cat.yaml", "caf\u00e9.yaml", "cafe\u0301.yaml"):
        door.house.drop(name)
        found.append(admit(door, name)[1][0])
    assert len({job.id for job in found}) == 4
