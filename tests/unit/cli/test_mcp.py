"""`mcp` says what is missing, and how an agent's program starts it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from aura_daemon.cli import mcp
from tests.unit.cli.conftest import Call


def distribution(folder: Path, version: str) -> None:
    """A package that is said to be installed."""
    record = folder / f"mcp-{version}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mcp\nVersion: {version}\n")


def test_without_the_sdk_it_says_what_to_install(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert call("mcp") == (2, "", 'error: the tools for agents need the MCP SDK: pip install "aura-daemon[mcp]"\n')


def test_an_sdk_that_is_too_old_is_named(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    distribution(tmp_path, "1.30.0")
    monkeypatch.syspath_prepend(tmp_path)
    code, _, told = call("mcp")
    assert code == 2
    assert told == ('error: the MCP SDK that is installed, mcp 1.30.0, is too old: pip install "aura-daemon[mcp]"\n')


def test_a_configuration_that_is_wrong_is_told_at_the_start(call: Call, tmp_path: Path) -> None:
    (tmp_path / "aura.yaml").write_text("inbx: x\n")
    code, printed, told = call("mcp", "--config", str(tmp_path / "aura.yaml"))
    assert (code, printed) == (2, "")
    assert "inbx: unknown key; did you mean `inbox`?" in told


def test_what_registers_it_names_the_configuration_and_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AURA_INBOX", "/srv/inbox")
    program = tmp_path / "aura-daemon"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    entry = json.loads(mcp.registration(Path("aura.yaml")))["mcpServers"]["aura-daemon"]
    assert entry["command"] == str(program)
    assert entry["args"] == ["mcp", "--config", str(tmp_path / "aura.yaml")]
    assert entry["env"]["AURA_INBOX"] == "/srv/inbox"


def test_a_program_that_is_not_on_the_path_is_started_by_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    entry = json.loads(mcp.registration(None))["mcpServers"]["aura-daemon"]
    assert [entry["command"], *entry["args"]] == [sys.executable, "-m", "aura_daemon", "mcp"]
    monkeypatch.setattr(sys, "argv", [".venv/bin/aura-daemon", "mcp"])
    entry = json.loads(mcp.registration(None))["mcpServers"]["aura-daemon"]
    assert [entry["command"], *entry["args"]] == [str(tmp_path / ".venv" / "bin" / "aura-daemon"), "mcp"]


def test_the_configuration_that_is_found_here_is_named_as_an_agent_starts_it_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "aura.yaml").touch()
    entry = json.loads(mcp.registration(None))["mcpServers"]["aura-daemon"]
    assert entry["args"][-2:] == ["--config", str(tmp_path / "config" / "aura.yaml")]
