"""Copies of pictures with their captions in them. In: a captioned picture. Out: the changes that make its copy.

The worker looks for them, as pictures may come from anyone: what is wrong with one ends no daemon. The daemon has the
picture too, and writes the copy: only the changes cross between the two.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from aura_daemon.formats.file_types import extension_of
from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.copies import captioned
from aura_daemon.jobs.picture_copies import PictureCopy
from aura_daemon.jobs.requests import CaptionRequest, MatchRequest
from aura_daemon.jobs.resolved import ResolvedCaption
from aura_daemon.jobs.results import Outcome, Produced
from aura_daemon.jobs.tasks import Task


def with_copy(outcome: Outcome, task: Task) -> Outcome:
    """A caption with the copy that its job asks for; where there can be none, with a warning that says why.

    Of texts that were compared with the picture, the one that fits best stands in the copy.
    """
    if not isinstance(outcome, Produced) or not isinstance(outcome.resolved, ResolvedCaption | MatchRequest):
        return outcome
    if task.image is None:
        return outcome
    request, is_embedded = task.request, outcome.resolved.embed
    if isinstance(request, CaptionRequest | MatchRequest) and request.keeps_picture:
        extension, sha256 = extension_of(request.image or ""), hashlib.sha256(task.image).hexdigest()
        outcome = replace(outcome, copy=PictureCopy(extension=extension, changes=(), original_sha256=sha256))
    if not is_embedded:
        return outcome
    text = outcome.text
    if isinstance(outcome.resolved, MatchRequest):
        text = outcome.resolved.texts[outcome.scores.index(max(outcome.scores))]
    try:
        found = captioned(task.image, text)
    except CannotHold as error:
        warning = f"{task.image_name}: no copy with the caption in it is made: {error}"
        return replace(outcome, warnings=(*outcome.warnings, warning))
    copy = PictureCopy(
        extension=found.extension,
        changes=found.changes,
        original_sha256=hashlib.sha256(task.image).hexdigest(),
        width=found.width,
        height=found.height,
    )
    replaced = f"{task.image_name}: in the copy the caption stands in place of another description"
    warnings = (*outcome.warnings, replaced) if found.has_replaced else outcome.warnings
    return replace(outcome, copy=copy, warnings=warnings)
