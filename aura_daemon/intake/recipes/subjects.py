"""What the placeholders of a file stand for: the picture's EXIF, its text, the pictures that a pattern means.

In: a file. Out: a subject, which reads a picture when a placeholder asks for it and not before.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath

from aura_daemon.file_names import collision_key, is_out_of_bounds
from aura_daemon.formats.file_types import IMAGE_EXTENSIONS, extension_of
from aura_daemon.formats.picture_metadata.exif_tags import exif_tags
from aura_daemon.formats.plain_text import MOST_BYTES, text_of
from aura_daemon.intake.folder_listings import TEXT, FolderListings, picture_keys
from aura_daemon.intake.image_lookup import IMAGE_ENDINGS, FoundImage, ImageLookup
from aura_daemon.jobfile.recipes.pictures import in_order
from aura_daemon.jobfile.recipes.subject import PictureFacts, Subject
from aura_daemon.system.clock import utc_now
from aura_daemon.system.files import regular_files


class Subjects:
    """The subjects of the files of one inbox."""

    def __init__(
        self, inbox: Path, image_lookup: ImageLookup, listings: FolderListings, *, most_image_bytes: int
    ) -> None:
        self._inbox = inbox
        self._image_lookup = image_lookup
        self._listings = listings
        self._most_image_bytes = most_image_bytes

    def of(self, path: str, picture: bytes | None = None) -> Subject:
        """The subject of the file at a path below the inbox; `picture`: the bytes of one that was dropped."""
        known: dict[str | None, PictureFacts | None] = {}

        def facts(name: str | None) -> PictureFacts | None:
            if name not in known:
                known[name] = self._facts(path, name, picture)
            return known[name]

        return Subject(
            path=path,
            is_picture=picture is not None,
            date=utc_now()[: len("2026-11-28")],
            facts=facts,
            matching=cache(lambda pattern: self._image_lookup.matching(path, pattern)),
        )

    def _facts(self, path: str, name: str | None, picture: bytes | None) -> PictureFacts | None:
        """Of the picture that a file names; None where it is not there, which is said when it is to be copied."""
        content, image = picture, path
        if picture is None or name is not None:
            found = self._image_lookup.find(path, name)
            if not isinstance(found, FoundImage):
                return None
            content, image = self._content(found.file), found.path
        return PictureFacts(text=self._text_of(path, image), exif=exif_tags(content or b""))

    def _content(self, file: Path) -> bytes:
        try:
            return regular_files.read(file, most_bytes=self._most_image_bytes).content
        except (FileNotFoundError, PermissionError, regular_files.NotARegularFile):
            return b""

    def _text_of(self, path: str, image: str) -> str:
        """What stands in the `.txt` of a picture, whatever the case of its name, and the owner of `path` may read."""
        folder, _, name = image.rpartition("/")
        listing = self._listings.of(folder, since=self._listings.asked_at)
        text = next((text for text in sorted(listing.texts) if belongs(text, name)), None)
        if text is None or not self._image_lookup.may_read(path, f"{folder}/{text}" if folder else text):
            return ""
        return read_text(self._inbox / folder / text, below=self._inbox)


class SubjectsOnDisk:
    """The subjects of files that are only looked at, wherever they lie: no daemon has taken anything of them."""

    def __init__(self, inbox: Path, *, companions: tuple[str, ...], most_image_bytes: int) -> None:
        self._inbox = inbox
        self._companions = companions
        self._most_image_bytes = most_image_bytes

    def of(self, file: Path, path: str, picture: bytes | None = None) -> Subject:
        """The subject of a file; `path`: as it is, or would be, below the inbox."""

        def facts(name: str | None) -> PictureFacts | None:
            if picture is not None and name is None:
                return PictureFacts(text=_beside(file), exif=exif_tags(picture))
            found = self._named(file, name)
            return PictureFacts(text=_beside(found), exif=exif_tags(self._content(found))) if found else None

        return Subject(
            path=path,
            is_picture=picture is not None,
            date=utc_now()[: len("2026-11-28")],
            facts=facts,
            matching=cache(lambda pattern: self._matching(file, pattern)),
        )

    def _named(self, file: Path, name: str | None) -> Path | None:
        names = [name] if name is not None else [file.stem + ending for ending in IMAGE_ENDINGS]
        places = (place / one for place in self._places(file) for one in names)
        return next((place for place in places if place.is_file()), None)

    def _places(self, file: Path) -> tuple[Path, ...]:
        folder = file.absolute().parent
        return (folder, *(folder / name for name in self._companions), self._inbox)

    def _matching(self, file: Path, pattern: str) -> tuple[str, ...]:
        for place in self._places(file):
            images = (image.relative_to(place).as_posix() for image in place.glob(pattern) if image.is_file())
            kept = [path for path in images if extension_of(path) in IMAGE_EXTENSIONS and not is_out_of_bounds(path)]
            if kept:
                return in_order(kept)
        return ()

    def _content(self, file: Path) -> bytes:
        return regular_files.read(file, most_bytes=self._most_image_bytes).content


def _beside(picture: Path) -> str:
    folder = picture.absolute().parent
    texts = sorted(path.name for path in folder.iterdir() if extension_of(path.name) == TEXT)
    text = next((text for text in texts if belongs(text, picture.name)), None)
    return read_text(folder / text, below=folder) if text is not None else ""


def belongs(text: str, picture: str) -> bool:
    """Whether a text is that of a picture, by their names: `photo.txt` or `photo.jpg.txt` of `Photo.jpg`."""
    stem, whole = collision_key(PurePosixPath(picture).stem), collision_key(picture)
    return any(key == stem and wanted in (None, whole) for key, wanted in picture_keys(text))


def read_text(place: Path, *, below: Path) -> str:
    """The text of a file; empty where it is none that can be read."""
    try:
        found = text_of(regular_files.read(place, most_bytes=MOST_BYTES, below=below).content, file=place.name)
    except (FileNotFoundError, PermissionError, regular_files.NotARegularFile):
        return ""
    return found.strip() if isinstance(found, str) else ""
