"""What the journal knows of images and of files that name them. In: paths, keys of stems. Out: paths and sources."""

from __future__ import annotations

import os
from typing import Final

from aura_daemon.journal.database import Database
from aura_daemon.journal.records import Source, in_64_bits, source_of, stored_key

RECENT_SOURCES: Final = 500
"""The files that were claimed last, among which images of a similar name are looked for."""

MOST_PATH_BYTES: Final = 4096
"""More than any path below the inbox has."""


class ImageQueries:
    """The part of the journal's reading half that the intake asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def is_companion(self, path: str, size_bytes: int, modified_ns: int) -> bool:
        """Whether exactly this file was recorded as a companion."""
        query = "SELECT 1 FROM companions WHERE path = ? AND size_bytes = ? AND modified_ns = ?"
        return self._database.row(query, (os.fsencode(path), size_bytes, in_64_bits(modified_ns))) is not None

    def namers(self, path: str, size_bytes: int, modified_ns: int) -> list[Source]:
        """The files that named exactly this image, oldest first."""
        query = (
            "SELECT sources.* FROM named_images JOIN sources ON sources.id = source_id"
            " WHERE named_images.path = ? AND named_images.size_bytes = ? AND named_images.modified_ns = ? ORDER BY id"
        )
        rows = self._database.rows(query, (os.fsencode(path), size_bytes, in_64_bits(modified_ns)))
        return [source_of(row) for row in rows]

    def named_by(self, source_id: str) -> list[str]:
        """Paths of the images that a file names."""
        rows = self._database.rows("SELECT path FROM named_images WHERE source_id = ?", (source_id,))
        return [os.fsdecode(row[0]) for row in rows]

    def images_taken(self, folder: str, *, since: float) -> list[Source]:
        """The images below a folder that were claimed as jobs of their own since then."""
        first, behind = _range_below(folder)
        query = (
            "SELECT * FROM sources WHERE path >= ? AND path < ? AND kind = 'image' AND claimed_at >= ?"
            " AND EXISTS (SELECT 1 FROM jobs WHERE source_id = sources.id)"
        )
        return [source_of(row) for row in self._database.rows(query, (first, behind, since))]

    def companions_in(self, folder: str) -> list[str]:
        """Names of the files in a folder (not below it) that were ever recorded as companions."""
        first, behind = _range_below(folder)
        rows = self._database.rows("SELECT path FROM companions WHERE path >= ? AND path < ?", (first, behind))
        names = (row[0][len(first) :] for row in rows)
        return [os.fsdecode(name) for name in names if b"/" not in name]

    def images_beside(self, path: str, key: str) -> list[tuple[str, float]]:
        """Names of the images that were ever claimed in the folder of a file, under stems with this key; and when."""
        first, behind = _range_below(path.rpartition("/")[0])
        query = (
            "SELECT path, max(claimed_at) FROM sources WHERE kind = 'image' AND image_key = ?"
            " AND path >= ? AND path < ? GROUP BY path"
        )
        rows = self._database.rows(query, (stored_key(key), first, behind))
        names = ((row[0][len(first) :], row[1]) for row in rows)
        return [(os.fsdecode(name), claimed_at) for name, claimed_at in names if b"/" not in name]

    def latest_image_in(self, folder: str) -> float | None:
        """When an image of a folder (not below it) was claimed last; None where none ever was."""
        first, behind = _range_below(folder)
        query = (
            "SELECT max(claimed_at) FROM sources WHERE kind = 'image' AND path >= ? AND path < ?"
            " AND instr(substr(path, ?), x'2f') = 0"
        )
        row = self._database.row(query, (first, behind, len(first) + 1))
        return row[0] if row is not None else None

    def images_like(self, key: str) -> list[str]:
        """Every path under which an image was ever claimed whose stem has this key."""
        query = "SELECT DISTINCT path FROM sources WHERE kind = 'image' AND image_key = ?"
        return [os.fsdecode(row[0]) for row in self._database.rows(query, (stored_key(key),))]

    def recent_images(self) -> list[str]:
        """The paths of the images among the files that were claimed last."""
        query = "SELECT path FROM (SELECT path, kind FROM sources ORDER BY id DESC LIMIT ?) WHERE kind = 'image'"
        return [os.fsdecode(row[0]) for row in self._database.rows(query, (RECENT_SOURCES,))]


def _range_below(folder: str) -> tuple[bytes, bytes]:
    """The least path below a folder of the inbox, and one that is greater than all of them."""
    first = os.fsencode(folder) + b"/" if folder else b""
    return first, first[:-1] + b"0" if first else b"\xff" * MOST_PATH_BYTES
