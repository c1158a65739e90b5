from __future__ import annotations

from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.gallery.entries import EntryKind, GalleryEntry, address, clean, ratio_class, ratios, shortened_entry


@given(st.text(st.characters(), max_size=40))
def test_an_address_leads_to_the_bytes_of_its_name(name: str) -> None:
    usable = name.encode("utf-8", "replace").decode()
    assert unquote_to_bytes(address(usable)) == usable.encode()
    assert not set(address(usable)) & set(" \"'<>#?\n")


def test_a_name_that_is_no_text_keeps_its_bytes() -> None:
    assert unquote_to_bytes(address("caf\udce9.png")) == b"caf\xe9.png"


@given(st.text(st.characters(), max_size=60))
def test_a_clean_text_can_be_written_and_holds_no_marks_that_turn_it(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert not set(cleaned) & set("\0\x1b\u202e\u2066")
    assert len(cleaned) == len(text)


@given(st.integers(0, 40_000), st.integers(0, 40_000))
def test_every_shape_has_its_class(width: int, height: int) -> None:
    assert ratio_class(width, height) in dict(ratios())


def test_a_long_text_is_cut_and_then_nothing_is_there_to_copy() -> None:
    entry = GalleryEntry(number=1, id="a", kind=EntryKind.PICTURE, name="a.png", prompt="x" * 500, job="prompt: x\n")
    cut = shortened_entry(entry, 100)
    assert (len(cut.prompt), cut.job, cut.is_cut) == (100, "", True)
    assert shortened_entry(entry, 1000) == entry
