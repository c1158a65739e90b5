"""The gallery's own files in the outbox. In: pages and thumbnails. Out: files, and what is there of them.

All of them can be made again, so none is written durably: a power cut may leave one empty, and then it counts as
missing. A file called `index.html` that is not ours is never replaced.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from aura_daemon.file_names import GALLERY_FOLDER
from aura_daemon.gallery.paging import INDEX, PAGES, page_named, thumbnail_name
from aura_daemon.gallery.webp_size import HEAD_BYTES, webp_size
from aura_daemon.outbox.delivery import Delivery
from aura_daemon.system.files import regular_files

OUR_MARK: Final = b'<meta name="generator" content="aura-daemon'
_MARK_BYTES: Final = 4096

LEAST_PAGE_BYTES: Final = 4096
"""Every page is larger, and what stands for one that is not full yet is smaller."""

_NO_MEDIA: Final = f"{GALLERY_FOLDER}/.nomedia"
"""Keeps the thumbnails out of the photo apps of Android phones."""


class ForeignIndex(Exception):
    """The outbox holds an `index.html` that is not the gallery's."""


class GalleryFiles:
    """Reads and writes them; raises OSError where the file system refuses."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._root = delivery.root
        self._index: tuple[int, int, int] | None = None
        """What tells the index that we wrote last from another one."""
        self._has_folder = False

    def require_outbox(self) -> None:
        """Raises FileNotFoundError where the outbox is away."""
        self._delivery.presence.require()

    def has_index(self) -> bool:
        """Whether the index lies there as it was written last."""
        return self._index is not None and self._identity() == self._index

    def write_index(self, content: bytes) -> None:
        """Replaces the index; raises ForeignIndex where it is somebody else's."""
        if not self.has_index() and self._is_foreign():
            raise ForeignIndex
        self._write(INDEX, content)
        self._index = self._identity()

    def pages(self) -> list[str]:
        """Names of the full pages that are there."""
        self._require_own(self._root / PAGES)
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self._root / PAGES) as entries:
            return [one.name for one in entries if page_named(one.name) and one.stat().st_size >= LEAST_PAGE_BYTES]
        return []

    def holds_for(self, name: str) -> bool:
        """Whether there is a page of this name, or what stands for one."""
        return regular_files.exists(self._root / PAGES / name)

    def write_page(self, name: str, content: bytes) -> None:
        """Writes a page."""
        if not self._has_folder:
            self._write(_NO_MEDIA, b"")
            self._has_folder = True
        self._write(f"{PAGES}/{name}", content)

    def remove_page(self, name: str) -> None:
        """Removes a page of another size."""
        (self._root / PAGES / name).unlink(missing_ok=True)

    def write_thumbnail(self, job_id: str, content: bytes) -> None:
        """Writes the thumbnail of a result."""
        self._write(thumbnail_name(job_id), content)

    def thumbnail_size(self, job_id: str) -> tuple[int, int] | None:
        """Width and height of the thumbnail of a result; None where there is none."""
        try:
            head, _ = regular_files.head(self._root / thumbnail_name(job_id), most_bytes=HEAD_BYTES)
        except OSError:
            return None
        return webp_size(head)

    def _write(self, name: str, content: bytes) -> None:
        self._require_own((self._root / name).parent)
        self._delivery.write_page(name, content, is_durable=False)

    def _require_own(self, folder: Path) -> None:
        """Raises NotARegularFile where a link leads out of the outbox: nothing is written or removed elsewhere."""
        if regular_files.leads_astray(folder, below=self._root):
            raise regular_files.NotARegularFile(errno.ELOOP, f"a link leads out of the outbox: {folder}", str(folder))

    def _identity(self) -> tuple[int, int, int] | None:
        try:
            status = self._place.lstat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _is_foreign(self) -> bool:
        if not regular_files.exists(self._place):
            return False
        try:
            head, _ = regular_files.head(self._place, most_bytes=_MARK_BYTES)
        except regular_files.NotARegularFile:
            return True
        return bool(head) and OUR_MARK not in head

    @property
    def _place(self) -> Path:
        return self._root / INDEX
