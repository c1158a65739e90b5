"""The property list of launchd, which we have never run."""

from __future__ import annotations

import plistlib

from aura_daemon.service.launchd_plist import label, log_file, plist_text
from aura_daemon.service.plan import WRITTEN_BY, Network
from tests.unit.service.plans import SYSTEM, USER, changed


def test_an_agent_runs_the_daemon_and_again_after_a_crash() -> None:
    text = plist_text(USER)
    keys = plistlib.loads(text.encode())
    assert WRITTEN_BY in text
    assert keys["Label"] == label("aura-daemon") == "org.aura-daemon.aura-daemon"
    assert keys["ProgramArguments"] == list(USER.command)
    assert (keys["RunAtLoad"], keys["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert keys["ExitTimeOut"] == 60
    assert keys["StandardErrorPath"] == "/home/me/Library/Logs/aura-daemon.log"
    assert keys["EnvironmentVariables"] == {"HF_HUB_OFFLINE": "1"}
    assert "UserName" not in keys


def test_the_machines_daemon_has_an_account() -> None:
    keys = plistlib.loads(plist_text(SYSTEM).encode())
    assert (keys["UserName"], keys["GroupName"]) == ("aura", "aura")
    assert log_file(SYSTEM) == "/Library/Logs/aura-daemon.log"


def test_models_may_be_fetched_into_a_folder() -> None:
    fetching = plistlib.loads(plist_text(changed(USER, network=Network.FULL, models="/m")).encode())
    assert fetching["EnvironmentVariables"] == {"HF_HOME": "/m"}
    assert "EnvironmentVariables" not in plistlib.loads(plist_text(changed(USER, network=Network.FULL)).encode())


def test_hostile_names_stay_text() -> None:
    odd = changed(USER, command=("/opt/<&>", "--config", "/é"))
    assert plistlib.loads(plist_text(odd).encode())["ProgramArguments"] == ["/opt/<&>", "--config", "/é"]
