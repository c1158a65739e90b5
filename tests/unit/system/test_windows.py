"""Linux inside Windows is known by its kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_daemon.system.windows import is_wsl2


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("5.15.167.4-microsoft-standard-WSL2", True),
        ("6.6.87.2-microsoft-standard-WSL2+", True),
        ("6.1.0-custom-WSL2", True),
        ("6.1.0-28-amd64", False),
        ("6.8.0-1021-azure", False),
        (None, False),
    ],
)
def test_wsl2_is_known_by_the_name_of_its_kernel(tmp_path: Path, release: str | None, expected: bool) -> None:
    if release is not None:
        (tmp_path / "sys" / "kernel").mkdir(parents=True)
        (tmp_path / "sys" / "kernel" / "osrelease").write_text(release + "\n", encoding="ascii")
    assert is_wsl2(proc=tmp_path) is expected
