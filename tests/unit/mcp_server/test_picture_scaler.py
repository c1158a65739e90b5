"""A picture that an agent looks at is decoded by a process that gets at nothing, and is believed as little."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from aura_daemon.errors import Problem
from aura_daemon.mcp_server import picture_scaler
from aura_daemon.mcp_server.picture_scaler import scaled_picture
from aura_daemon.mcp_server.scaling import ShownPicture
from aura_daemon.system.sandbox.plan import SandboxMode
from tests.support.escaping_worker import LAID
from tests.unit.workers.local.test_worker_sandbox import ROOT, lay_out, needs_a_sandbox, settings_in

WITHOUT_LANDLOCK = """
import sys
from aura_daemon.system.sandbox import landlock
landlock.version = lambda: 0
from aura_daemon.mcp_server import scaling_main
scaling_main.main(sys.argv[1])
"""


def picture() -> bytes:
    written = BytesIO()
    Image.effect_noise((300, 200), 80).save(written, "png")
    return written.getvalue()


def said(folder: Path, program: str, mode: SandboxMode = SandboxMode.AUTO) -> str:
    """The problem that there is where another program stands for the process."""
    command = (sys.executable, "-P", "-c", program)
    found = scaled_picture(b"a picture", settings_in(folder, mode), most_px=100, command=command)
    assert isinstance(found, Problem)
    return found.message


@needs_a_sandbox
def test_a_picture_that_takes_over_its_decoder_gets_at_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        monkeypatch.setenv(LAID, json.dumps(lay_out(tmp_path, stack)))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        command = (sys.executable, "-P", "-m", "tests.support.exploited_scaler")
        settings = settings_in(tmp_path, SandboxMode.STRICT)
        found = scaled_picture(b"a picture", settings, most_px=100, command=command)
    assert found == Problem(message="{}")  # nothing was not refused
    assert (tmp_path / "home" / "secret").read_text(encoding="utf-8") == "secret"


@needs_a_sandbox
def test_under_strict_a_picture_is_shown_where_all_is_there_and_else_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shown = scaled_picture(picture(), settings_in(tmp_path, SandboxMode.STRICT), most_px=150)
    assert isinstance(shown, ShownPicture)
    assert (shown.size, shown.shown, shown.mime_type) == ((300, 200), (150, 100), "image/jpeg")
    assert "`sandbox: strict` cannot be kept here: Landlock: " in said(tmp_path, WITHOUT_LANDLOCK, SandboxMode.STRICT)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "noise",
        "[1]",
        "[" * 5000,
        '{"problem": 5}',
        '{"mime_type": "text/html", "size": [9, 9], "shown": [9, 9]}',
        '{"mime_type": "image/png", "size": [9, 9]}',
        '{"mime_type": "image/png", "size": [9, "9"], "shown": [9, 9]}',
        '{"mime_type": "image/png", "size": [99999, 99999], "shown": [9, 9]}',
        '{"mime_type": "image/png", "size": [-9, 9], "shown": [9, 9]}',
    ],
)
def test_a_decoder_that_says_what_it_must_not_is_not_believed(tmp_path: Path, answer: str) -> None:
    assert "gave up, or was ended" in said(tmp_path, f"print({answer!r})")


def test_a_decoder_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_scaler, "PATIENCE_S", 0.1)
    assert "gave up, or was ended" in said(tmp_path, "import time; time.sleep(600)")


def test_of_a_decoder_that_says_too_much_no_more_is_read(tmp_path: Path) -> None:
    assert "gave up, or was ended" in said(tmp_path, "while True: print('x' * 65536)")


def test_a_decoder_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    found = scaled_picture(b"", settings_in(tmp_path), most_px=100, command=("/nowhere/python",))
    assert isinstance(found, Problem)
    assert "no process could be started" in found.message
