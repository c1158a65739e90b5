"""The unit of systemd: its text as data, and what systemd itself says of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from aura_daemon.service.plan import WRITTEN_BY, Cluster, GpuKind, Network, ServicePlan
from aura_daemon.service.systemd_unit import unit_text
from tests.unit.service.plans import SYSTEM, USER, changed, lines_of

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed (package systemd)")

FETCHING = changed(network=Network.FULL)
SCRAPED = changed(network=Network.LOOPBACK)
MONITORED = changed(network=Network.LOOPBACK, written=("/run/aura", "/var/lib/node_exporter/textfile"))
WITH_GPU = changed(gpus=tuple(GpuKind), further_groups=("render", "video"))
JOINED = changed(network=Network.FULL, cluster=Cluster.JOINED)
ODD = changed(
    inbox='/srv/my "aura" 50%/in box',
    outbox="/srv/other/out$box",
    command=("/opt/my python", "-c", 'print("100 % $HOME")', "--config", "/etc/ä.yaml"),
    state="/data/state",
    models="/data/models",
    network=Network.FULL,
)
PLANS = {
    "cpu": SYSTEM,
    "managed state": changed(state=None),
    "fetching": FETCHING,
    "scraped": SCRAPED,
    "monitored": MONITORED,
    "gpu": WITH_GPU,
    "cluster": JOINED,
    "cluster of its own": changed(network=Network.LOOPBACK, cluster=Cluster.OWN),
    "odd names": ODD,
    "in homes": changed(inbox="/home/me/aura/in", outbox="/home/me/aura/out"),
    "user": USER,
    "user with models": changed(USER, models="/home/me/models", network=Network.FULL),
}
every_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)


@every_plan
def test_every_unit_says_who_wrote_it_and_how_the_daemon_is_watched(plan: ServicePlan) -> None:
    text = unit_text(plan)
    unit = lines_of(text)
    assert WRITTEN_BY in text.splitlines()[0]
    assert (unit["Type"], unit["NotifyAccess"], unit["WatchdogSec"]) == (["notify"], ["main"], ["180s"])
    assert (unit["Restart"], unit["RestartPreventExitStatus"]) == (["on-failure"], ["2"])
    assert (unit["OOMPolicy"], unit["KillMode"], unit["LimitCORE"]) == (["continue"], ["mixed"], ["0"])
    assert "MemoryDenyWriteExecute" not in unit
    assert "ProcSubset" not in unit


def test_inbox_and_outbox_are_one_mount_and_what_is_missing_is_forgiven() -> None:
    assert lines_of(unit_text(SYSTEM))["ReadWritePaths"] == ["-/srv/aura"]
    assert lines_of(unit_text(SYSTEM))["RequiresMountsFor"] == ["/var/lib/aura-daemon"]


def test_what_is_mounted_on_the_way_to_inbox_and_outbox_comes_first_and_may_fail() -> None:
    mounts = "srv.mount srv-aura.mount srv-aura-inbox.mount srv-aura-outbox.mount"
    unit = lines_of(unit_text(SYSTEM))
    assert mounts in unit["Wants"]
    assert mounts in unit["After"]
    assert not any(".mount" in line for line in lines_of(unit_text(USER)).get("Wants", []))


@pytest.mark.parametrize(
    ("state", "folder"),
    [(None, ["aura-daemon"]), ("/var/lib/aura", ["aura"]), ("/var/lib/a/b", ["a/b"]), ("/data/state", None)],
)
def test_the_state_folder_is_made_by_systemd_where_it_can(state: str | None, folder: list[str] | None) -> None:
    unit = lines_of(unit_text(changed(state=state)))
    assert unit.get("StateDirectory") == folder
    assert ("-/data/state" in unit["ReadWritePaths"][0].split()) is (folder is None)


def test_a_socket_below_run_has_a_folder_of_systemds_and_a_textfile_can_be_written() -> None:
    unit = lines_of(unit_text(MONITORED))
    assert (unit["RuntimeDirectory"], unit["RuntimeDirectoryMode"]) == (["aura"], ["0750"])
    assert unit["ReadWritePaths"] == ["-/srv/aura -/var/lib/node_exporter/textfile"]
    assert "RuntimeDirectory" not in lines_of(unit_text(SYSTEM))


def test_home_is_the_cache_and_not_the_state() -> None:
    assert lines_of(unit_text(SYSTEM))["Environment"] == [
        "HOME=/var/cache/aura-daemon",
        "HF_HOME=/var/cache/aura-daemon/huggingface",
        "HF_HUB_OFFLINE=1",
    ]


def test_the_network_is_closed_unless_models_are_fetched_or_metrics_read() -> None:
    closed, loopback, fetching = (lines_of(unit_text(plan)) for plan in (SYSTEM, SCRAPED, FETCHING))
    assert (closed["PrivateNetwork"], closed["RestrictAddressFamilies"]) == (["yes"], ["AF_UNIX"])
    assert (loopback["IPAddressDeny"], loopback["IPAddressAllow"]) == (["any"], ["localhost"])
    assert "PrivateNetwork" not in loopback | fetching
    assert "IPAddressDeny" not in fetching
    assert "HF_HUB_OFFLINE=1" not in fetching["Environment"]
    assert "network-online.target" in fetching["After"]


def test_a_node_of_a_cluster_is_seen_and_spoken_to_and_nothing_else_is_opened() -> None:
    unit, alone = lines_of(unit_text(JOINED)), lines_of(unit_text(FETCHING))
    assert (alone["PrivateTmp"], alone["ProtectProc"]) == (["yes"], ["invisible"])
    differing = {key for key in unit.keys() | alone.keys() if unit.get(key) != alone.get(key)}
    opened = {"PrivateTmp", "ProtectProc", "ReadWritePaths", "RestrictAddressFamilies", "TasksMax", "After"}
    assert differing == opened
    assert "PrivateTmp" not in unit
    assert "ProtectProc" not in unit
    assert unit["ReadWritePaths"] == ["-/srv/aura -/tmp"]
    assert unit["RestrictAddressFamilies"] == ["AF_UNIX AF_INET AF_INET6 AF_NETLINK"]


def test_a_gpu_keeps_its_devices_and_a_cpu_has_none() -> None:
    assert lines_of(unit_text(SYSTEM))["PrivateDevices"] == ["yes"]
    unit = lines_of(unit_text(WITH_GPU))
    assert "PrivateDevices" not in unit
    assert unit["DevicePolicy"] == ["closed"]
    assert {"/dev/nvidiactl rw", "char-nvidia-uvm rw", "/dev/kfd rw", "char-drm rw", "/dev/dxg rw"} <= set(
        unit["DeviceAllow"]
    )
    assert unit["SupplementaryGroups"] == ["render video"]


def test_homes_are_closed_unless_something_lies_there() -> None:
    assert lines_of(unit_text(SYSTEM))["ProtectHome"] == ["yes"]
    assert lines_of(unit_text(PLANS["in homes"]))["ProtectHome"] == ["read-only"]


def test_a_persons_unit_has_no_user_and_no_folders_of_the_machine() -> None:
    unit = lines_of(unit_text(USER))
    assert not {"User", "Group", "StateDirectory", "CacheDirectory", "AmbientCapabilities", "ProtectSystem"} & set(unit)
    assert unit["WantedBy"] == ["default.target"]
    assert lines_of(unit_text(PLANS["user with models"]))["Environment"] == ["HF_HOME=/home/me/models"]


def test_odd_names_are_written_so_that_systemd_reads_them_back() -> None:
    unit = lines_of(unit_text(ODD))
    assert unit["ReadWritePaths"] == [
        '"-/srv/my \\"aura\\" 50%%/in box" "-/srv/other/out$box" -/data/state -/data/models'
    ]
    assert unit["ExecStart"] == ['"/opt/my python" -c "print(\\"100 %% $$HOME\\")" --config /etc/ä.yaml']


def test_reloading_needs_no_program_but_the_shell() -> None:
    assert lines_of(unit_text(SYSTEM))["ExecReload"] == ["/bin/sh -c 'kill -HUP $$MAINPID'"]


@needs_systemd
@every_plan
def test_systemd_has_nothing_to_say_about_it(plan: ServicePlan, tmp_path: Path) -> None:
    unit = tmp_path / "aura-daemon.service"
    text = unit_text(plan)
    program = lines_of(text)["ExecStart"][0]
    unit.write_text(text.replace(f"ExecStart={program}", "ExecStart=/bin/true"))
    manager = ["--user"] if plan is USER or "user" in plan.description else []
    ran = subprocess.run(
        ["systemd-analyze", *manager, "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (ran.returncode, ran.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(
    ("plan", "most"),
    [(SYSTEM, 1.0), (FETCHING, 1.6), (SCRAPED, 1.6), (WITH_GPU, 1.0), (changed(WITH_GPU, network=Network.FULL), 1.8)],
    ids=["cpu", "fetching", "scraped", "gpu", "gpu fetching"],
)
def test_little_is_exposed(plan: ServicePlan, most: float, tmp_path: Path) -> None:
    unit = tmp_path / "aura-daemon.service"
    unit.write_text(unit_text(plan))
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={round(most * 10)}", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout.splitlines()[-1]


@needs_systemd
def test_only_what_is_meant_to_be_open_is(tmp_path: Path) -> None:
    unit = tmp_path / "aura-daemon.service"
    unit.write_text(unit_text(SYSTEM))
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--json=short", str(unit)],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {row["name"] or row["json_field"] for row in json.loads(ran.stdout) if float(row["exposure"] or 0) > 0}
    assert names <= {
        *("MemoryDenyWriteExecute=", "ProcSubset="),  # torch
        *("AmbientCapabilities=", "CapabilityBoundingSet=~CAP_LEASE", "PrivateUsers="),  # leases of others' files
        *("RestrictAddressFamilies=~AF_UNIX", "UMask=", "DeviceAllow=", "RootDirectory=/RootImage="),
    }
