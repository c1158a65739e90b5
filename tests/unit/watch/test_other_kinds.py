"""Of a file that is no job it is said what it is, and what to do."""

from __future__ import annotations

import pytest

from aura_daemon.jobs.sources import Accept
from aura_daemon.watch.file_kinds import Foreign, route_by_name
from aura_daemon.watch.other_kinds import KNOWN, mend_of


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("clip.MOV", "it is a video: save the frame that you mean as JPEG or PNG"),
        ("photo.cr2", "it is a camera's raw photo: develop it and save it as JPEG, PNG or TIFF"),
        ("notes.docx", "it is a text with formatting: save it as plain text and call it `.txt`"),
        ("photos.zip", "it is an archive: unpack it into the inbox"),
        ("a.jpg_large", "a browser has saved a picture under this name: call it `.jpg`"),
        ("a.JPEG-orig", "a browser has saved a picture under this name: call it `.jpeg`"),
        ("a.png:large", "a browser has saved a picture under this name: call it `.png`"),
        (
            "strange.xyz",
            "jobs are .yaml, .txt, tables, images and our own sidecars: rename or convert it if it should be one",
        ),
        (
            "README",
            "give it the extension of what it holds; jobs are .yaml, .txt, tables, images and our own sidecars",
        ),
    ],
)
def test_a_name_tells_what_to_do(name: str, mend: str) -> None:
    route = route_by_name(name, frozenset(Accept))
    assert isinstance(route, Foreign)
    assert route.mend == mend
    assert str(route) == f"{route.reason}; {mend}"


def test_what_needs_no_mend_is_its_reason_alone() -> None:
    assert str(Foreign(reason="one of our own", is_usual=True)) == "one of our own"


def test_no_extension_stands_twice() -> None:
    extensions = [extension for _, _, several in KNOWN for extension in several.split()]
    assert len(extensions) == len(set(extensions))
    assert all(extension == extension.lower() and extension.startswith(".") for extension in extensions)
    assert mend_of(extensions[0]).startswith("it is ")
