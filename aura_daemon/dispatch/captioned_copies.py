"""Writes the copies of captioned pictures. In: a result with the changes. Out: the result with the whole copy.

The picture is read again where it was claimed, and only when its result is published: a full outbox keeps no copies in
memory.
"""

from __future__ import annotations

from dataclasses import replace

from aura_daemon.intake.input_images import InputImages, NotTaken
from aura_daemon.jobs.picture_copies import PictureCopy
from aura_daemon.jobs.results import Payload, Produced
from aura_daemon.outbox.result_document import Unpublished
from aura_daemon.system.files import regular_files


def with_written_copy(result: Unpublished, copy: PictureCopy, images: InputImages) -> Produced:
    """The result with its copy as a second file, or with a warning; raises OSError where a later try may succeed."""
    produced = replace(result.produced, copy=None)
    try:
        original = images.of(result.job, result.source).image
        is_the_same = original is not None and original.sha256 == copy.original_sha256
        reason = "the picture was changed meanwhile"
    except (FileNotFoundError, PermissionError, regular_files.NotARegularFile) as error:
        original, is_the_same = None, False
        reason = f"the picture cannot be read any more ({error.strerror})"
    except NotTaken as error:
        original, is_the_same, reason = None, False, error.message
    if original is None or not is_the_same:
        warning = f"no copy with the caption in it is made: {reason}"
        return replace(produced, warnings=(*produced.warnings, warning))
    content = copy.made_of(original.content)
    payload = Payload(extension=copy.extension, content=content, width=copy.width, height=copy.height)
    return replace(produced, payloads=(*produced.payloads, payload))
