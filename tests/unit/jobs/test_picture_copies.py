"""Copies as what differs from their originals."""

from __future__ import annotations

import pickle

from aura_daemon.jobs.picture_copies import Change, PictureCopy


def test_a_copy_is_the_original_with_its_changes_and_small_however_large_that_is() -> None:
    original = b"0123456789" * 1000
    changes = (
        Change(start=0, end=0, content=b"new "),
        Change(start=0, end=2, content=b""),
        Change(start=10_000, end=10_000, content=b" end"),
    )
    copy = PictureCopy(extension=".jpg", changes=changes, original_sha256="", width=1, height=1)
    assert copy.made_of(original) == b"new " + original[2:] + b" end"
    assert len(pickle.dumps(copy)) < 500
