"""Image formats by their bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.image_signatures import ImageSignature, format_of
from tests.support.image_files import AVIF, BMP, GIF, JPEG, WEBP, media, png


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(), ImageSignature.PNG),
        (JPEG, ImageSignature.JPEG),
        (WEBP, ImageSignature.WEBP),
        (GIF, ImageSignature.GIF),
        (b"GIF87a;", ImageSignature.GIF),
        (BMP, ImageSignature.BMP),
        (b"II*\0", ImageSignature.TIFF),
        (b"MM\0+", ImageSignature.TIFF),
        (AVIF, ImageSignature.AVIF),
        (media(b"avis"), ImageSignature.AVIF),
        (b"", None),
        (b"BMW is a car", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (media(b"isom", b"mp42"), None),
        (media(b"heic", b"mif1"), ImageSignature.HEIC),
        (media(b"mif1", b"heix"), ImageSignature.HEIC),
        (b"the word avif ftyp avif", None),
        (b"P6\n# SANE data follows\n640 480\n255\n", ImageSignature.PNM),
        (b"P4\r\n8 8 \xff", ImageSignature.PNM),
        (b"P1\n2 2\n0 1 1 0\n", ImageSignature.PNM),
        (b"P5 robots 10 20 ", None),
        (b"P6\na red fox\n", None),
        (b"P7\nWIDTH 8\n", None),
        (b"\x89PN", None),
    ],
)
def test_the_format_is_what_the_bytes_say(content: bytes, expected: ImageSignature | None) -> None:
    assert format_of(content) is expected


@given(st.binary(max_size=64))
@settings(max_examples=25)
def test_no_bytes_are_too_strange_to_be_looked_at(content: bytes) -> None:
    assert format_of(content) in (None, *ImageSignature)
