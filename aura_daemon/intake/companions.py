"""Texts and sidecars that are no jobs, as they belong to a picture or are results of ours. In: a path. Out: why.

Training sets hold a `.txt` beside each picture, outboxes a `.json` beside each result. Names are compared without
regard to case and composed characters, and whatever format the picture has. A text may come before its picture, as
copying tools go by the alphabet: a text alone waits for a picture for a while, and for as long as one is being copied.
The journal remembers a companion also when its picture has gone; a companion that is edited where it lies stays one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aura_daemon import file_names
from aura_daemon.formats import file_types
from aura_daemon.intake.folder_listings import TEXT, FolderListing, FolderListings, picture_keys
from aura_daemon.intake.image_lookup import status_of
from aura_daemon.journal.journal import Journal
from aura_daemon.system.files import regular_files
from aura_daemon.watch.decisions import Leave, Wait

COMPANION_S: Final = 900.0
"""For how long after an image was claimed a late `.txt` or `.json` of its stem still belongs to the image, and for how
long a companion that went may come back changed: editors rename the old file away before they write the new one."""

MOST_SIDECAR_BYTES: Final = 1 << 20

AGAIN_S: Final = 1.0
"""How often a text is judged again whose picture is being copied."""

LEAST_PAIRS: Final = 3
"""So many texts with pictures, and more than without, make a folder a set."""


MAY_FOLLOW: Final = "a picture may follow whose caption it is"

OF_A_SET: Final = "a caption whose picture is missing, as most texts of its folder have one"

ITS_OWN_NAME: Final = "give it a name of its own if it should be a job"


class Companions:
    """The companions of the images in one inbox."""

    def __init__(
        self,
        inbox: Path,
        journal: Journal,
        listings: FolderListings,
        *,
        wait_s: float,
        coming_s: float,
        now: Callable[[], float],
    ) -> None:
        """`wait_s`: how long a text waits for a picture; `coming_s`: how long for one whose copying has come to a halt.

        `now`: seconds since the epoch.
        """
        self._inbox = inbox
        self._journal = journal
        self._listings = listings
        self._wait_s = wait_s
        self._coming_s = coming_s
        self._now = now
        self._gone_since: dict[str, float | None] = {}
        """Path of a companion -> since when it is gone; None while it is there."""
        self._sets: dict[str, tuple[float, float]] = {}
        """Folder -> when it was listed, and until when the texts of the set that it is were written."""

    def judge(
        self, path: str, size_bytes: int, modified_ns: int, *, unchanged_s: float, may_be_of_set: bool
    ) -> Wait | Leave | None:
        """Why a text or sidecar is no job, or what it waits for; None where it is a job. Raises OSError.

        `may_be_of_set`: the file is no job either where it misses the picture that most texts of its folder have.
        """
        beside = Leave(reason="it lies beside an image, film or document of the same name", mend=ITS_OWN_NAME)
        if self._journal.is_companion(path, size_bytes, modified_ns):
            self._gone_since[path] = None
            return beside
        if self._was_one(path):
            self._remember(path, size_bytes, modified_ns)
            return beside
        has_waited = unchanged_s >= self._wait_s
        since = self._listings.asked_at - unchanged_s + (self._wait_s if has_waited else 0.0)
        folder, _, name = path.rpartition("/")
        listing = self._listings.of(folder, since=since)
        if next(listing.coming_for(name), None) is not None:  # it may have got its name since
            since = self._listings.asked_at
            listing = self._listings.of(folder, since=since)
        if self._has_picture(path, listing):
            self._remember(path, size_bytes, modified_ns)
            return beside
        self._gone_since.pop(path, None)
        if self._is_result(path.rpartition(".")[0]):
            return Leave(reason="a result of a daemon's, with its sidecar", mend=ITS_OWN_NAME)
        if not has_waited:
            return Wait(unchanged_s=self._wait_s, reason=MAY_FOLLOW)
        coming = next((file for file in listing.coming_for(name) if self._grows(self._inbox / folder / file)), "")
        if coming:
            reason = f"its picture is still being copied: {file_names.escaped(coming)}"
            return Wait(unchanged_s=unchanged_s + AGAIN_S, reason=reason, may_never_end=True)
        if listing.listed_at < since:  # the folder is large, and was listed just before: a picture may have come since
            again_s = unchanged_s + max(0.0, listing.again_at - self._now())
            return Wait(unchanged_s=again_s, reason=MAY_FOLLOW)
        if may_be_of_set and self._is_of_set(path, listing):
            mend = "if it is a prompt, put it into another folder, or name it in `take` in the configuration"
            return Leave(reason=OF_A_SET, mend=mend)
        return None

    def gone(self, path: str) -> None:
        """A file is not there any more; another one of its name that comes much later is no companion."""
        if path in self._gone_since:
            self._gone_since[path] = self._now()

    def _remember(self, path: str, size_bytes: int, modified_ns: int) -> None:
        """Records that exactly this file is a companion, as it stays when its picture has gone."""
        self._gone_since[path] = None
        if not self._journal.is_read_only:  # as it is for the command `why`
            self._journal.add_companion(path, size_bytes, modified_ns)

    def _was_one(self, path: str) -> bool:
        """Whether the file is a companion that is there, or that went shortly before."""
        return path in self._gone_since and self._is_late(self._gone_since[path])

    def _has_picture(self, path: str, listing: FolderListing) -> bool:
        """Whether a picture of the file's name lies, or lately lay, beside it."""
        folder, _, name = path.rpartition("/")
        if any(status_of(self._inbox / folder / picture) is not None for picture in listing.pictures_of(name)):
            return True
        for stem, whole in picture_keys(name):
            for picture, claimed_at in self._journal.images_beside(path, stem):
                if (whole is None or file_names.collision_key(picture) == whole) and self._is_late(claimed_at):
                    return True
        return False

    def _grows(self, file: Path) -> bool:
        """Whether an unfinished file is there, and was written to not long ago."""
        status = status_of(file)
        return status is not None and self._now() - max(status.st_mtime, status.st_ctime) < self._coming_s

    def _is_of_set(self, path: str, listing: FolderListing) -> bool:
        """Whether the folder of a text is a set, and the text one of it; the set is asked for once a listing."""
        folder = path.rpartition("/")[0]
        known = self._sets.get(folder)
        if known is None or known[0] != listing.listed_at:
            self._sets[folder] = known = (listing.listed_at, self._set_until(folder, listing))
        status = status_of(self._inbox / path)
        return status is not None and status.st_mtime < known[1]

    def _set_until(self, folder: str, listing: FolderListing) -> float:
        """Until when a text must have been written to be of the set that a folder is; 0 where it is none.

        Pictures that were taken count too, but not for a text that was written long after: their captions may lie there
        for years, beside prompts.
        """
        alone = listing.lone_texts()
        if _make_set(pairs=len(listing.texts) - len(alone), alone=len(alone)):
            return math.inf
        alone = list(set(alone) - set(self._journal.companions_in(folder)))
        if _make_set(pairs=len(listing.texts) - len(alone), alone=len(alone)):
            return (self._journal.latest_image_in(folder) or 0.0) + COMPANION_S
        return 0.0

    def _is_late(self, since: float | None) -> bool:
        return since is None or self._now() - since < COMPANION_S

    def _is_result(self, stem: str) -> bool:
        """Whether a text and a sidecar of ours that names it as its output lie side by side, under one stem."""
        if self._is_sidecar_of(f"{stem}.json", f"{stem}.txt"):
            return True
        return stem.endswith(TEXT) and self._is_sidecar_of(f"{stem}.json", stem)  # see `outbox.delivery`

    def _is_sidecar_of(self, sidecar: str, text: str) -> bool:
        """Whether a sidecar of ours and the text that it names as its output are there."""
        place = self._inbox / sidecar
        if status_of(self._inbox / text) is None or status_of(place) is None:
            return False
        try:
            document = json.loads(regular_files.read(place, most_bytes=MOST_SIDECAR_BYTES, below=self._inbox).content)
        except (FileNotFoundError, PermissionError, regular_files.NotARegularFile, ValueError, RecursionError):
            return False
        if not isinstance(document, dict) or document.get("schema") != file_types.SIDECAR_SCHEMA:
            return False
        outputs = document.get("outputs")
        named = {"name": file_names.escaped(text.rpartition("/")[2])}.items()
        return isinstance(outputs, list) and any(isinstance(one, dict) and named <= one.items() for one in outputs)


def _make_set(*, pairs: int, alone: int) -> bool:
    return pairs >= LEAST_PAIRS and pairs > alone
