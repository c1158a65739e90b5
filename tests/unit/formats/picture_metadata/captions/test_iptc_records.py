"""The caption among IPTC's older records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.iptc_records import MOST_CAPTION_BYTES, records_with_caption

UTF8 = b"\x1c\x01\x5a\0\3\x1b%G"
VERSION = b"\x1c\x02\x00\0\2\0\4"


def record(dataset: int, value: bytes, number: int = 2) -> bytes:
    return bytes((0x1C, number, dataset)) + len(value).to_bytes(2) + value


CAT = record(120, b"a cat")
SHARP_S = record(25, "ß".encode())


def test_where_there_are_none_the_caption_comes_with_its_encoding_and_the_version() -> None:
    assert records_with_caption(b"", "a cat") == (UTF8 + VERSION + CAT, False)
    assert records_with_caption(UTF8 + VERSION + CAT, "a cat") == (UTF8 + VERSION + CAT, False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (VERSION + record(25, b"k"), UTF8 + VERSION + record(25, b"k") + CAT),
        (
            record(0, b"\0\4", 1) + VERSION + record(105, b"h") + record(122, b"me") + b"\0\0",
            record(0, b"\0\4", 1) + UTF8 + VERSION + record(105, b"h") + CAT + record(122, b"me") + b"\0\0",
        ),
        (
            VERSION + record(25, b"Stra\xdfe \x80") + SHARP_S + record(200, b"\xff\xfe"),
            UTF8 + VERSION + record(25, "Straße €".encode()) + SHARP_S + CAT + record(200, b"\xff\xfe"),
        ),
        (record(90, b"\x1b.A", 1) + VERSION + record(25, b"\x81"), UTF8 + VERSION + record(25, b"\xc2\x81") + CAT),
        (VERSION + b"\x1c\2\x19\x80\4\0\0\0\2ab", UTF8 + VERSION + b"\x1c\2\x19\x80\4\0\0\0\2ab" + CAT),
        (UTF8 + VERSION + record(25, b"\xff"), UTF8 + VERSION + record(25, b"\xff") + CAT),
    ],
)  # fmt: skip
def test_records_that_are_there_stay_in_utf8(before: bytes, after: bytes) -> None:
    assert records_with_caption(before, "a cat") == (after, False)
    assert records_with_caption(after, "a cat") == (after, False)


def test_other_captions_give_way_and_that_is_told() -> None:
    before = UTF8 + VERSION + record(120, b"a dog") + record(121, b"x") + record(120, b"a fox")
    assert records_with_caption(before, "a cat") == (UTF8 + VERSION + CAT + record(121, b"x"), True)


def test_a_long_caption_is_cut_between_letters() -> None:
    made, _ = records_with_caption(b"", "é" * 1500)
    assert made.endswith(record(120, ("é" * 998 + "…").encode()))
    assert len(made) <= len(UTF8 + VERSION) + 5 + MOST_CAPTION_BYTES


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CAT[:-1], "damaged"),
        (CAT + b"\x1c\2", "damaged"),
        (CAT + b"rest", "damaged"),
        (b"\x1c\2\x19\x80\5\0\0\0\0\2ab", "damaged"),
        (VERSION * 50_002, "damaged"),
        (record(90, b"\x1b$B", 1) + VERSION, "encoding"),
        (record(25, b"\xe4" * 0x5000), "too long"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CannotHold, match=reason):
        records_with_caption(content, "a cat")


@given(st.lists(st.tuples(st.integers(1, 119) | st.integers(121, 199), st.binary(max_size=9)), max_size=9), st.text())
def test_whatever_is_there_stays_in_its_order(values: list[tuple[int, bytes]], caption: str) -> None:
    before = b"".join(record(dataset, value) for dataset, value in values if dataset != 125)
    made, has_replaced = records_with_caption(UTF8 + before, caption)
    new = record(120, made[made.index(b"\x1c\2\x78") + 5 :][: len(caption.encode("utf-8", "replace"))])
    assert not has_replaced
    assert made.replace(new, b"", 1).replace(VERSION, b"", 1) == UTF8 + before
    assert records_with_caption(made, caption) == (made, False)
