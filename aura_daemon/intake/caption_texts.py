"""Pictures whose captions are written beside them stay in the inbox. In: a picture's path. Out: whether it stays.

A text without a word counts as none: taggers and editors leave empty ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aura_daemon.jobs.caption_files import CaptionFile, CaptionPlace, ExistingText, text_beside
from aura_daemon.jobs.requests import CaptionRequest
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job
from aura_daemon.system import durable_files

BLANK_BYTES: Final = 4096
"""A file of more bytes is not looked into for words."""


def is_skipped(inbox: Path, picture: str, file: CaptionFile) -> bool:
    """Whether a picture is not to be captioned as it has a text; raises OSError where the file system cannot tell."""
    return file.existing is ExistingText.SKIP and has_text(inbox, text_beside(picture, file.extension))


def has_text(inbox: Path, path: str) -> bool:
    """Whether something lies at the path of a text, and is no file without a word."""
    place = inbox / path
    if not durable_files.exists(place):
        return False
    try:
        return bool(durable_files.read(place, most_bytes=BLANK_BYTES, below=inbox).content.strip())
    except FileNotFoundError:
        return False
    except (PermissionError, durable_files.NotARegularFile):
        return True


def has_stayed(journal: Journal, picture: str) -> bool:
    """Whether a picture of this path was captioned where it lies."""
    jobs = (job for source in journal.sources_at(picture) for job in journal.jobs_of(source.id))
    return any(picture_beside(job) == picture for job in jobs)


def stays_with(journal: Journal, picture: str, source_id: str) -> bool:
    """Whether a picture that a file named stays where it is: its caption lies beside it, or its text did before."""
    jobs = journal.jobs_of(source_id)
    captions = [job for job in jobs if isinstance(job.request, CaptionRequest) and job.request.picture]
    own = [job for job in captions if isinstance(job.request, CaptionRequest) and job.request.picture == picture]
    return all(map(picture_beside, own)) if own else len(captions) == len(jobs)


def picture_beside(job: Job) -> str:
    """The path of the picture beside which a job writes its caption; empty where the caption goes to the outbox."""
    request = job.request
    if isinstance(request, CaptionRequest) and request.file.place is CaptionPlace.BESIDE:
        return request.picture
    return ""
