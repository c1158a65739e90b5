"""Files of units, and what is refused; `tests.checks.service_check` installs for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from aura_daemon.errors import UserError
from aura_daemon.service.managers import BOOTED, Launchd, Systemd, manager_of
from aura_daemon.service.plan import Scope
from tests.unit.service.plans import SYSTEM, USER

without_systemd = pytest.mark.skipif(BOOTED.is_dir(), reason="a systemd runs here, which a test must not change")


def test_a_unit_lies_where_systemd_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Systemd("aura", Scope.SYSTEM).file() == Path("/etc/systemd/system/aura.service")
    assert Systemd("aura", Scope.USER).file() == tmp_path / "systemd/user/aura.service"


def test_a_list_lies_where_launchd_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Launchd("aura", Scope.SYSTEM).file() == Path("/Library/LaunchDaemons/org.aura-daemon.aura.plist")
    assert Launchd("aura", Scope.USER).file() == tmp_path / "Library/LaunchAgents/org.aura-daemon.aura.plist"
    assert "<plist" in Launchd("aura", Scope.USER).text(USER)


@without_systemd
@pytest.mark.parametrize("scope", Scope)
def test_where_no_systemd_runs_it_is_said_what_to_do_instead(scope: Scope) -> None:
    manager = manager_of("aura", scope)
    for do in (lambda: manager.install(SYSTEM), manager.uninstall, lambda: manager.status(None)):
        with pytest.raises(UserError) as caught:
            do()
        assert "`aura-daemon service print` shows the unit" in str(caught.value.problems[0])


def test_a_list_of_launchd_that_somebody_else_wrote_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    manager = Launchd("aura", Scope.USER)
    assert manager.uninstall() == [f"Nothing to remove: {manager.file()} is not there."]
    assert manager.status(None)[1] == 1
    manager.file().parent.mkdir(parents=True)
    manager.file().write_text("<plist/>")
    for do in (lambda: manager.install(USER), manager.uninstall):
        with pytest.raises(UserError, match="was not written by aura-daemon: move it away"):
            do()
    assert manager.file().read_text() == "<plist/>"
