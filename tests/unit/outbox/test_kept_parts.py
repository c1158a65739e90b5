"""The results of parts, kept until their job ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aura_daemon.jobs.parts import Chain
from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest, Request
from aura_daemon.jobs.results import CaptionCandidate, Processor, Produced, part_of
from aura_daemon.jobs.tasks import Task
from aura_daemon.journal.records import Job
from aura_daemon.outbox.kept_parts import KeptParts
from tests.support.house import PNG, make


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptParts]:
    (tmp_path / "parts").mkdir()
    yield KeptParts(tmp_path / "parts", tmp_path / "temp")


def job(chain: Chain | None) -> Job:
    return Job(
        id="j", source_id="s", number=None, kind="caption", request=CaptionRequest(), text=b"", folder="", stem="x",
        chain=chain,
    )  # fmt: skip


def made(request: Request) -> Produced:
    outcome = make(Task(job_id="j", request=request, image=PNG))
    assert isinstance(outcome, Produced)
    return outcome


RESULTS = [
    replace(made(GenerateRequest(prompt="a cat", seed=1)), thumbnail=bytes(range(256)), levers=("one",)),
    replace(
        made(CaptionRequest(image="a.png")),
        candidates=(CaptionCandidate(text="a cat", score=-0.5),),
        processor=Processor(name="x", capability="AVX2", threads=2),
    ),
]


@pytest.mark.parametrize("produced", RESULTS)
def test_a_result_comes_back_to_the_last_byte_until_the_job_ends(
    produced: Produced, kept: KeptParts, tmp_path: Path
) -> None:
    sha256 = kept.keep(job(Chain(runs=CaptionRequest())), produced)
    done = replace(part_of(CaptionRequest(), produced, seconds=1.0), kept_sha256=sha256)
    ended = job(Chain(runs=CaptionRequest(), done=(done,)))
    assert kept.result(ended, 0) == produced
    assert [file.stat().st_mode & 0o777 for file in (tmp_path / "parts").iterdir()] == [0o600]
    kept.forget(ended)
    assert not [*(tmp_path / "parts").iterdir()]
    assert kept.result(ended, 0) is None


@pytest.mark.parametrize("content", [b"", b"{}"])
def test_what_has_changed_is_not_taken(content: bytes, kept: KeptParts, tmp_path: Path) -> None:
    sha256 = kept.keep(job(Chain(runs=CaptionRequest())), RESULTS[0])
    (file,) = (tmp_path / "parts").iterdir()
    file.write_bytes(content)
    done = replace(part_of(CaptionRequest(), RESULTS[0], seconds=1.0), kept_sha256=sha256)
    assert kept.result(job(Chain(runs=CaptionRequest(), done=(done,))), 0) is None


def test_a_job_of_one_part_keeps_nothing(kept: KeptParts) -> None:
    kept.forget(job(None))
