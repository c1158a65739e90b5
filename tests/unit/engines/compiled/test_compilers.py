"""Where compiled code is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from aura_daemon.engines.compiled.compilers import VARIABLE, cache_folder, keep_code


@pytest.fixture(autouse=True)
def torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch's compiler leaves it when it is imported."""
    monkeypatch.setenv(VARIABLE, default_cache_dir())


def test_code_is_kept_in_our_folder_not_below_tmp_which_is_emptied(tmp_path: Path) -> None:
    keep_code(tmp_path / "aura-daemon" / "compiled")
    assert os.environ[VARIABLE] == str(tmp_path / "aura-daemon" / "compiled")


def test_the_user_may_say_where_code_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    keep_code(tmp_path / "ours")
    assert os.environ[VARIABLE] == str(tmp_path / "mine")


def test_a_folder_that_cannot_be_made_leaves_torch_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    keep_code(tmp_path / "file" / "compiled")
    assert os.environ[VARIABLE] == default_cache_dir()


def test_the_folder_lies_where_the_system_keeps_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "aura-daemon" / "compiled"
