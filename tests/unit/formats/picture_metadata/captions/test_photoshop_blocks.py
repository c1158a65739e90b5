"""The blocks of APP13, one of which holds IPTC's records."""

from __future__ import annotations

import hashlib

import pytest

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.iptc_records import records_with_caption
from aura_daemon.formats.picture_metadata.captions.photoshop_blocks import blocks_with_caption

RECORDS, _ = records_with_caption(b"", "a cat")


def block(number: int, data: bytes, name: bytes = b"\0\0") -> bytes:
    return b"8BIM" + number.to_bytes(2) + name + len(data).to_bytes(4) + data + b"\0" * (len(data) % 2)


def test_where_there_are_none_one_is_made() -> None:
    assert blocks_with_caption(b"", "a cat") == (block(0x0404, RECORDS), False)


def test_other_blocks_stay_and_the_digest_of_iptc_is_that_of_the_new_records() -> None:
    path, version = block(0x07D0, b"odd", name=b"\4path\0"), block(0x0421, b"even")
    digest = hashlib.md5(RECORDS, usedforsecurity=False).digest()
    before = path + block(0x0404, b"") + block(0x0425, b"0" * 16) + version + b"\0\0"
    after = path + block(0x0404, RECORDS) + block(0x0425, digest) + version
    assert blocks_with_caption(before, "a cat") == (after, False)
    assert blocks_with_caption(after, "a cat") == (after, False)
    assert blocks_with_caption(path[:-1], "a cat") == (path + block(0x0404, RECORDS), False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (block(1, b"even")[:-1], "damaged"),
        (b"8BIM\0\1\xff", "damaged"),
        (b"\0\0what", "damaged"),
        (block(1, b"") * 10_002, "damaged"),
        (block(0x0404, b"") * 2, "two sets"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CannotHold, match=reason):
        blocks_with_caption(content, "a cat")
