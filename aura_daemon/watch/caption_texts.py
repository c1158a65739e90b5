"""The texts that lie beside pictures. In: a picture's path, the file of its caption. Out: whether it has a text.

A text without a word counts as none: taggers and editors leave empty ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aura_daemon.jobs.caption_files import CaptionFile, ExistingText, text_beside
from aura_daemon.system.files import regular_files

BLANK_BYTES: Final = 4096
"""A file of more bytes is not looked into for words."""


def is_skipped(inbox: Path, picture: str, file: CaptionFile) -> bool:
    """Whether a picture is not to be captioned as it has a text; raises OSError where the file system cannot tell."""
    return file.existing is ExistingText.SKIP and has_text(inbox, text_beside(picture, file.extension))


def has_text(inbox: Path, path: str) -> bool:
    """Whether something lies at the path of a text, and is no file without a word."""
    place = inbox / path
    if not regular_files.exists(place):
        return False
    try:
        return bool(regular_files.read(place, most_bytes=BLANK_BYTES, below=inbox).content.strip())
    except FileNotFoundError:
        return False
    except (PermissionError, regular_files.NotARegularFile):
        return True
