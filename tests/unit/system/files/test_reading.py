"""Files that others may have put there: what is not meant to be read here is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aura_daemon.system.files.reading import content_below


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_bytes(b"secret")
    inbox = tmp_path / "inbox"
    (inbox / "in").mkdir(parents=True)
    (inbox / "in" / "a.png").write_bytes(b"picture")
    return inbox


def test_a_file_is_read_up_to_the_limit(inbox: Path) -> None:
    place = str(inbox / "in" / "a.png")
    assert content_below(place, str(inbox), 7) == b"picture"
    assert content_below(place, "", 7) == b"picture"
    assert content_below(place, str(inbox), 6) is None


def test_what_leads_out_or_is_no_file_is_not_read(inbox: Path, tmp_path: Path) -> None:
    (inbox / "link.png").symlink_to(tmp_path / "secret")
    (inbox / "out").symlink_to(tmp_path)
    os.mkfifo(inbox / "pipe.png")
    for name in ("link.png", "out/secret", "pipe.png", "in", "gone.png"):
        assert content_below(str(inbox / name), str(inbox), 100) is None, name
