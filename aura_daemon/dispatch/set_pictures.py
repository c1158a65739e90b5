"""The pictures of a set with their captions, for the job that puts them together. In: jobs that have ended. Out: both.

The texts are read where they were delivered: somebody may have corrected one since.
"""

from __future__ import annotations

import os
from pathlib import Path

from aura_daemon.file_names import escaped
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, extension_of
from aura_daemon.formats.plain_text import MOST_BYTES, decoded
from aura_daemon.intake.input_images import InputImages
from aura_daemon.jobs.caption_files import CaptionPlace, text_beside
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.requests import CaptionRequest, DatasetRequest
from aura_daemon.jobs.tasks import PictureState, SetPicture
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Job
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.outbox.result_files import output_of
from aura_daemon.system.files import regular_files


def pictures_of(job: Job, journal: Journal, images: InputImages, delivery: Delivery) -> list[SetPicture]:
    """The pictures of the set that a job puts together, by name; none for any other job. Raises OSError."""
    request = job.request
    if not isinstance(request, DatasetRequest):
        return []
    awaited = frozenset(job.waits_for)
    members = [member for member in journal.jobs_of(job.source_id) if member.id in awaited]
    inbox = delivery.inbox
    found = [_captioned(member, request, job, images, delivery) for member in members]
    found += [_kept(path, text_beside(path, request.file.extension), request, inbox) for path in request.kept]
    return sorted(found, key=lambda picture: picture.image)


def _captioned(member: Job, request: DatasetRequest, job: Job, images: InputImages, delivery: Delivery) -> SetPicture:
    """A picture that was to be captioned."""
    asked = member.request
    assert isinstance(asked, CaptionRequest)
    image, place = asked.image or "", images.place_of(member)
    below = os.fspath(delivery.inbox) if place.is_relative_to(delivery.inbox) else ""
    if member.state is not JobState.DONE:
        reason = member.failure.message if member.failure is not None else ""
        name = _below(image, request.base)
        return SetPicture(
            file_name=name,
            image=image,
            place=os.fspath(place),
            below=below,
            state=PictureState.FAILED,
            reason=escaped(reason),
        )
    text = _text_at(output_of(member, delivery.root, delivery.inbox), delivery.inbox)
    if request.file.place is CaptionPlace.BESIDE:
        name = _below(image, request.base)
    else:
        name = _delivered_name(member, image, job.folder, delivery.root)
    reason = "" if text is not None and name else f"its {'caption' if name else 'copy'} is not there any more"
    return SetPicture(
        file_name=name or _below(image, request.base),
        image=image,
        place=os.fspath(place),
        below=below,
        state=PictureState.FAILED if reason else PictureState.CAPTIONED,
        text=text or "",
        reason=reason,
    )


def _kept(path: str, text: str, request: DatasetRequest, inbox: Path) -> SetPicture:
    """A picture that had its text."""
    return SetPicture(
        file_name=_below(path, request.base),
        image=path,
        place=os.fspath(inbox / path),
        below=os.fspath(inbox),
        state=PictureState.KEPT,
        text=_text_at(inbox / text, inbox) or "",
    )


def _delivered_name(member: Job, image: str, folder: str, outbox: Path) -> str:
    """The path below the folder of a set of a picture that lies there with its caption; empty where it does not.

    A copy with the caption in it may have another extension than the picture.
    """
    inner = member.folder[len(folder) :].lstrip("/")
    before = f"{inner}/{member.stem}" if inner else member.stem
    for extension in dict.fromkeys((extension_of(image), *IMAGE_EXTENSIONS)):
        if os.path.lexists(f"{outbox}/{folder}/{before}{extension}"):
            return before + extension
    return ""


def _text_at(place: Path, inbox: Path) -> str | None:
    below = inbox if place.is_relative_to(inbox) else None
    try:
        content = regular_files.read(place, most_bytes=MOST_BYTES, below=below).content
    except (FileNotFoundError, PermissionError, regular_files.NotARegularFile):
        return None
    text = decoded(content)
    return text.strip() if text is not None else None


def _below(path: str, base: str) -> str:
    return path[len(base) :].lstrip("/") if base else path
