"""File names: of outputs, of what is out of bounds, and in a form fit for display. In: names as text. Out: the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import count
from typing import Final, Protocol, Self, TypeVar

RESERVED_STEMS: Final = frozenset({"health", "index"})
"""Stems at the top of the outbox that the daemon uses itself."""

OWN_FOLDER: Final = ".aura"
"""The daemon's own folder inside inbox and outbox."""

FAILED_FOLDER: Final = "failed"
"""The folder below the outbox for failed sources; a folder of that name in an inbox is never read."""

GALLERY_FOLDER: Final = "aura-gallery"
"""The folder below an outbox for the gallery's pages and thumbnails; a folder of that name is never read, wherever it
lies: an outbox can be an inbox, or lie in one."""

MOST_NAME_BYTES: Final = 255
"""Most bytes of one name, on all common file systems."""

_UNFIT_ON_WINDOWS: Final = re.compile(r'[\x00-\x1f<>:"|?*\\]+')

_DEVICES: Final = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789\u00b9\u00b2\u00b3"}
)
"""Names that are devices on Windows, whatever follows behind a dot (Microsoft, "Naming Files, Paths, and Namespaces").

The last three are digits in superscript.
"""

_NO_TEXT: Final = re.compile("[\ud800-\udfff]")
"""Bytes that are no text, as `os.fsdecode` returns them."""

_SPACES: Final = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
"""All spaces but the ordinary one (Unicode's category Zs)."""

_ROOM_FOR_SUFFIX_BYTES: Final = 40
"""Bytes left free in a name for `.r123`, an extension and the `.json` of a report."""


def is_out_of_bounds(path: str) -> bool:
    """Whether a path is never read: a part of it is hidden or the gallery's, or it lies in `failed/` at the top."""
    parts = path.split("/")
    in_failed = len(parts) > 1 and parts[0].casefold() == FAILED_FOLDER
    return in_failed or any(part.startswith(".") or part.casefold() == GALLERY_FOLDER for part in parts)


def output_stem(source_stem: str, number: int | str | None) -> str:
    """The stem of a source's outputs, short enough for any extension; `number`: which document, or a word."""
    suffix = "" if number is None else f"-{number}"
    return _shortened(source_stem, MOST_NAME_BYTES - _ROOM_FOR_SUFFIX_BYTES - len(suffix)) + suffix


def portable(name: str) -> str:
    """A stem, or another name with something behind it, that Windows can hold too: outboxes are often synced there.

    Signs that Windows refuses become `-`, and what it takes for a device (`CON`, `nul.txt`) gets a `_`. Bytes that are
    no text stay, as no name would remain of some.
    """
    fit = _UNFIT_ON_WINDOWS.sub("-", name)
    base, dot, rest = fit.partition(".")
    return f"{base}_{dot}{rest}" if base.rstrip(" ").upper() in _DEVICES else fit


def portable_folder(path: str) -> str:
    """A path of folders below the outbox that Windows can hold too, and that does not become a folder of ours."""
    parts = [not_ours(portable(part).rstrip(". ") or "-") for part in path.split("/")] if path else []
    if parts and parts[0].casefold() == FAILED_FOLDER:
        parts[0] += "-"
    return "/".join(parts)


def not_ours(name: str) -> str:
    """A name that is not that of the gallery's folder."""
    return name + "-" if name.casefold() == GALLERY_FOLDER else name


def failed_path(path: str) -> str:
    """Where below `failed/` a file of the inbox goes: a name that Windows can hold, with room for the report's."""
    folder, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    return portable_folder(folder) + slash + portable(output_stem(stem or name, None)) + (dot + extension) * bool(stem)


def folder_behind(folder: str, source: str) -> str:
    """The folder of the inbox for which a folder of the outbox stands: the source's, else the one of its name."""
    own = source.rpartition("/")[0]
    made = portable_folder(own)
    return own if made and f"{folder}/".startswith(f"{made}/") else folder


def candidates(stem: str) -> Iterator[str]:
    """Stems to try one after the other: `cat`, `cat.r2`, `cat.r3`, … without end."""
    yield stem
    yield from (f"{stem}.r{number}" for number in count(2))


class _Path(Protocol):
    """A path of `pathlib`, which does I/O and is therefore not imported here."""

    @property
    def stem(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    def with_name(self, name: str) -> Self: ...


AnyPath = TypeVar("AnyPath", bound=_Path)


def free_names(place: AnyPath) -> Iterator[AnyPath]:
    """`cat.yaml`, `cat.r2.yaml`, `cat.r3.yaml`, …; a long name is cut short where a number follows."""
    yield place
    for stem in candidates(output_stem(place.stem, None)):  # pragma: no branch (they never end)
        if stem != place.stem:
            yield place.with_name(stem + place.suffix)


def is_reserved_output(folder: str, stem: str) -> bool:
    """Whether outputs would take the name of a file of our own. Hidden names and `failed/` are never admitted."""
    return not folder and stem.casefold() in RESERVED_STEMS


def collision_key(name: str) -> str:
    """A text that is equal for names which file systems or people take for the same.

    They differ in case, in composed characters, or in the kind of a space: macOS writes U+202F before the `PM` of a
    screenshot, where everybody types a space.
    """
    if name.isascii():  # as nearly all are, a hundred thousand at a time
        return name.lower()
    return unicodedata.normalize("NFC", as_seen(name).casefold())


def as_seen(name: str) -> str:
    """A text that is equal for names which look alike: with composed characters and ordinary spaces."""
    return unicodedata.normalize("NFC", _SPACES.sub(" ", name))


def escaped(name: str) -> str:
    """A name in a form for the log and for JSON: printable, on one line, always encodable."""
    if name.isprintable():
        return name
    return "".join(character if _is_harmless(character) else _escape(character) for character in name)


def encodable(name: str) -> str:
    """A name as YAML, JSON and CSV can hold it: escaped where it has bytes that are no text, else unchanged."""
    return escaped(name) if _NO_TEXT.search(name) else name


def _is_harmless(character: str) -> bool:
    """Whether a character is printable or a space (Japanese names hold U+3000), and no mark that reverses text."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that is no text, as `os.fsdecode` returns it
        return f"\\x{number - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _shortened(stem: str, most_bytes: int) -> str:
    """Cuts a stem to so many bytes of UTF-8, between characters; a byte that is no text counts as one character."""
    room = most_bytes
    for index, character in enumerate(stem):
        room -= len(character.encode("utf-8", "surrogateescape"))
        if room < 0:
            return stem[:index]
    return stem
