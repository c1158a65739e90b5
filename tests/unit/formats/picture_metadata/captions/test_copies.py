"""Captions in pictures of any format, as encoders write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.copies import captioned
from aura_daemon.jobs.picture_copies import changed
from tests.support.image_files import BMP, GIF, encoded

PICTURE = Image.new("RGB", (40, 30), "red")


EXTENSIONS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "HEIC": ".heic", "AVIF": ".avif"}

PLAIN = {kind: encoded(PICTURE, kind) for kind in EXTENSIONS}


@pytest.mark.parametrize(("kind", "extension"), EXTENSIONS.items())
def test_the_bytes_say_which_format_a_picture_has_and_what_its_copy_is_called(kind: str, extension: str) -> None:
    content = encoded(PICTURE, kind)
    found = captioned(content, "a cat")
    assert (found.extension, found.width) == (extension, None if kind in ("HEIC", "AVIF") else 40)
    with pytest.raises(CannotHold, match="the caption is empty"):
        captioned(content, " \n")
    with pytest.raises(CannotHold, match="cut short"):
        captioned(content[:-9], "a cat")


@pytest.mark.parametrize("kind", EXTENSIONS)
@given(data=st.data())
def test_whatever_is_broken_in_a_picture_it_is_refused_or_the_image_data_stays(kind: str, data: st.DataObject) -> None:
    image_data = PLAIN[kind][-20:]
    content = bytearray(changed(PLAIN[kind], captioned(PLAIN[kind], "a cat").changes))
    end = content.index(image_data)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1).filter(lambda at: not 0 <= at - end < 20))
        content[place] = data.draw(st.integers(0, 255))
    with suppress(CannotHold):
        made = changed(bytes(content), captioned(bytes(content), "a dog").changes)
        assert image_data in made


@pytest.mark.parametrize(
    ("content", "kind"),
    [(GIF, "GIF"), (BMP, "BMP"), (b"what", "UNKNOWN")],
)
def test_other_formats_are_refused_by_name(content: bytes, kind: str) -> None:
    with pytest.raises(CannotHold, match=f"JPEG, PNG, WebP, HEIC, AVIF and TIFF, and this is {kind}"):
        captioned(content, "a cat")
