"""What `service_check` does inside the booted root, step by step. Out: /results/steps.jsonl, a line a step."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

NAME: Final = "aura-daemon"
UNIT: Final = f"{NAME}.service"
TOP: Final = Path("/srv/aura")
INBOX: Final = TOP / "inbox"
OUTBOX: Final = TOP / "outbox"
STATE: Final = Path("/var/lib/aura-daemon")
CONFIG: Final = Path("/etc/aura-daemon/aura.yaml")
DROP_IN: Final = Path(f"/run/systemd/system/{UNIT}.d/check.conf")
RESULTS: Final = Path("/results")
DEADLINE_S: Final = 120.0

WATCHDOG_S: Final = 4
FASTER: Final = (f"WatchdogSec={WATCHDOG_S}s", "TimeoutAbortSec=2s", "RestartSec=1s")
"""For the check, in place of the unit's 180, 10 and 5 s."""

IS_SHORT: Final = "--short" in sys.argv
"""Whether models are loaded once only."""

LONG_JOB: Final = "prompt: a red circle\nseed: 7\nsteps: 150\n"
SETTINGS: Final = f"inbox: {INBOX}\noutbox: {OUTBOX}\nstate: {STATE}\nretry_first: 1\n"


class StepFailed(Exception):
    """What should have come of a step, and did not."""


def main() -> None:
    """Runs the steps; each is told even where one fails."""
    only = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""
    steps: list[tuple[str, Callable[[], str], bool]] = [
        ("boot", booted, True),
        ("install as a person", refused_to_a_person, False),
        ("install: account, folders, configuration, `service install`", installed, True),
        ("`service status`", asked, True),
        ("hardening, seen from inside", closed, True),
        ("a prompt dropped", picture, True),
        ("a file of another user dropped", leased, False),
        ("left alone for longer than a scan of the inbox", left_alone, False),
        ("hung (SIGSTOP to the main process)", hung, True),
        ("killed in a job (SIGKILL to the main process)", killed, False),
        ("its worker killed in a job", worker_killed, False),
        ("reloaded with a changed configuration", reloaded, True),
        ("reloaded with a wrong configuration", reload_refused, True),
        ("started with a wrong configuration", wrong, False),
        ("installed with --gpu --network", wider, False),
        ("upgraded in a job: `service install` again", upgraded, False),
        ("HOME is the state folder", home_is_state, False),
        ("MemoryDenyWriteExecute=yes", no_code, False),
        ("started before its share can be mounted", mounted_later, False),
        ("the same, where inbox and outbox are shares of their own", mounted_apart, False),
        ("stopped, in a job", stopped, True),
        ("`service uninstall`", removed, True),
        ("a person's service, `--user`", persons, False),
    ]
    failed = False
    for name, step, is_in_short in steps:
        if IS_SHORT and not is_in_short:
            continue
        if only and step.__name__ not in only.split(","):
            continue
        if failed:
            break
        failed = told(name, step)
    with (RESULTS / "journal").open("w") as file:
        subprocess.run(["journalctl", "-u", UNIT, "--no-pager", "-o", "short-monotonic"], stdout=file, check=False)
    if not failed:
        tell({"step": "end", "result": "", "seconds": 0.0, "failed": False})


def told(name: str, step: Callable[[], str]) -> bool:
    """Runs one step and tells of it; True where it failed."""
    began_s = time.monotonic()
    try:
        result, failed = step(), False
    except Exception as error:  # noqa: BLE001 - every end of a step is a row of the table
        time.sleep(3.0)  # what its log says of it
        state = run("systemctl", "show", UNIT, "--property=ActiveState,SubState,Result,MainPID,Job").stdout.split()
        result, failed = f"**failed**: {type(error).__name__}: {error} ({' '.join(state)})", True
    tell({"step": name, "result": result, "seconds": time.monotonic() - began_s, "failed": failed})
    return failed


def tell(row: dict[str, Any]) -> None:
    with (RESULTS / "steps.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


# -- the steps -----------------------------------------------------------------------------------------------------


def booted() -> str:
    version = call("systemctl", "--version").splitlines()[0]
    return f"{version}, up after {float(Path('/proc/uptime').read_text().split()[0]) - started_s():.1f} s"


def refused_to_a_person() -> str:
    ran = run(*AURA, "service", "install", "--system", "--config", "/nowhere", user="nobody")
    expect(ran.returncode == 2 and "only root" in ran.stderr, ran.stderr)
    return f"exit 2: {ran.stderr.strip().removeprefix('error: ')}"


def installed() -> str:
    call("useradd", "--system", "--home-dir", str(STATE), "--shell", "/usr/sbin/nologin", "aura")
    for folder in (INBOX, OUTBOX):
        folder.mkdir(parents=True)
        shutil.chown(folder, "aura", "aura")
    INBOX.chmod(0o2777)
    CONFIG.parent.mkdir()
    CONFIG.write_text(SETTINGS)
    overridden(*FASTER)
    said = call(*AURA, "service", "install", "--cpu")
    expect(shown("ActiveState") == "active", said)
    until(lambda: shown("StatusText") == "idle", "idle")
    return f"active, as {shown('User')}: “{shown('StatusText')}”"


def asked() -> str:
    ran = run(*AURA, "service", "status")
    expect(ran.returncode == 0 and "now: idle" in ran.stdout, ran.stdout + ran.stderr)
    expect("install it again" not in ran.stdout, ran.stdout)
    asked = run(*AURA, "status", "--config", str(CONFIG), user="aura")
    expect(asked.returncode == 0, asked.stdout + asked.stderr)
    return "; ".join(line for line in ran.stdout.splitlines()[:3])


def closed() -> str:
    inside = ("nsenter", "-t", shown("MainPID"), "-m", "--")
    expect(run(*inside, "touch", "/etc/x").returncode != 0, "/etc is writable")
    expect(run(*inside, "touch", "/usr/x").returncode != 0, "/usr is writable")
    expect(run(*inside, "touch", str(INBOX / ".x")).returncode == 0, "the inbox is not writable")
    renaming = "import os, sys; os.rename(sys.argv[1], sys.argv[2])"
    renamed = run(*inside, AURA[0], "-c", renaming, str(INBOX / ".x"), str(OUTBOX / ".x"))
    expect(renamed.returncode == 0, renamed.stderr)
    (OUTBOX / ".x").unlink()
    score = call("systemd-analyze", "security", "--no-pager", UNIT).strip().splitlines()[-1]
    return f"/etc and /usr read-only; a file is renamed from inbox to outbox; {score.removeprefix('→ ').strip()}"


def picture() -> str:
    seen: list[str] = []
    drop("first.yaml", "prompt: a red circle\nseed: 7\n")
    until(lambda: watched(seen) and (OUTBOX / "first.json").exists(), "first.json")
    owner = pwd.getpwuid((OUTBOX / "first.png").stat().st_uid).pw_name
    expect(owner == "aura", owner)
    steps = [status for status in seen if "first.yaml" in status]
    expect(bool(steps), str(seen))
    return f"a picture of {(OUTBOX / 'first.png').stat().st_size} bytes, {owner}'s; STATUS: “{steps[-1]}”"


def leased() -> str:
    call(AURA[0], "-c", f"open({str(INBOX / 'guest.yaml')!r}, 'w').write('prompt: a blue square')", user="nobody")
    began_s = time.monotonic()
    until(lambda: not (INBOX / "guest.yaml").exists(), "claimed")
    claimed_s = time.monotonic() - began_s
    until(lambda: (OUTBOX / "guest.json").exists(), "guest.json")
    expect(claimed_s < 1.5, f"claimed after {claimed_s:.2f} s: no lease")
    return f"claimed {claimed_s:.2f} s after its writer closed it, by a lease (CAP_LEASE)"


def left_alone() -> str:
    before, restarts = shown("MainPID"), shown("NRestarts")
    time.sleep(90.0)  # scan_interval is 60 s
    expect(is_active() and (shown("MainPID"), shown("NRestarts")) == (before, restarts), "it ended")
    expect("Traceback" not in journal(), "an exception is in the log")
    return "active, the same process, no exception"


def hung() -> str:
    before, restarts = shown("MainPID"), int(shown("NRestarts"))
    began_s = time.monotonic()
    os.kill(int(before), signal.SIGSTOP)
    until(lambda: int(shown("NRestarts")) > restarts and is_active(), "restarted")
    took_s = time.monotonic() - began_s
    expect("Watchdog timeout" in journal(), "the watchdog did nothing")
    result = f"the watchdog ({WATCHDOG_S} s here) killed it, and it ran again after {took_s:.1f} s"
    if IS_SHORT:
        return result
    drop("after-hang.yaml", "prompt: a green circle\n")
    until(lambda: (OUTBOX / "after-hang.json").exists(), "after-hang.json")
    return f"{result}; the next job is done"


def killed() -> str:
    running("before-kill.yaml")
    restarts, workers = int(shown("NRestarts")), children()
    os.kill(int(shown("MainPID")), signal.SIGKILL)
    until(lambda: int(shown("NRestarts")) > restarts and is_active(), "restarted")
    expect(not any(Path(f"/proc/{pid}").exists() for pid in workers), "the worker outlived its daemon")
    until(lambda: (OUTBOX / "before-kill.json").exists(), "before-kill.json")
    return "restarted; no worker was left; the job under way is done"


def worker_killed() -> str:
    running("worker.yaml")
    before = shown("MainPID")
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    until(lambda: (OUTBOX / "worker.json").exists(), "worker.json")
    expect(shown("MainPID") == before, "the daemon was restarted")
    attempts = json.loads((OUTBOX / "worker.json").read_text())["attempts"]
    return f"the service went on with a new worker; the job is done in attempt {attempts}"


def reloaded() -> str:
    before = shown("MainPID")
    CONFIG.write_text(SETTINGS + "existing: overwrite\n")
    began_s = time.monotonic()
    call("systemctl", "reload", UNIT)
    until(lambda: "changed: existing" in journal() and is_active(), "reloaded")
    expect(shown("MainPID") == before, "another process")
    return f"in force after {time.monotonic() - began_s:.1f} s in the same process, without /bin/kill"


def reload_refused() -> str:
    CONFIG.write_text(SETTINGS + "existing: sometimes\n")
    call("systemctl", "reload", UNIT)
    until(lambda: "the old one stays" in journal() and is_active(), "refused")
    CONFIG.write_text(SETTINGS + "existing: overwrite\n")
    return "refused in the log, the old one stays; active"


def wrong() -> str:
    CONFIG.write_text(SETTINGS + "existing: sometimes\n")
    ran = run("systemctl", "restart", UNIT)
    expect(ran.returncode != 0, "it started")
    restarts = shown("NRestarts")
    time.sleep(4.0)  # longer than RestartSec
    expect(shown("ActiveState") == "failed" and shown("NRestarts") == restarts, "it is restarted for ever")
    expect(shown("ExecMainStatus") == "2", shown("ExecMainStatus"))
    asked = run(*AURA, "service", "status")
    expect(asked.returncode == 1 and "existing:" in asked.stdout, asked.stdout + asked.stderr)
    CONFIG.write_text(SETTINGS)
    call("systemctl", "restart", UNIT)
    return "exit 2, and left alone (RestartPreventExitStatus); `service status` shows the mend; mended, it starts"


def wider() -> str:
    call(*AURA, "service", "install", "--gpu", "--network")
    drop("wider.yaml", "prompt: a red ring\n")
    until(lambda: (OUTBOX / "wider.json").exists(), "wider.json")
    device = json.loads((OUTBOX / "wider.json").read_text())["device"]
    score = call("systemd-analyze", "security", "--no-pager", UNIT).strip().splitlines()[-1]
    call(*AURA, "service", "install", "--cpu")
    return f"a picture, computed on {device}; {score.removeprefix('→ ').strip()}"


def upgraded() -> str:
    running("upgrade.yaml")
    CONFIG.write_text(SETTINGS + "stop_timeout: 12\n")
    stale = run(*AURA, "service", "status").stdout
    expect("install it again" in stale, stale)
    said = call(*AURA, "service", "install", "--cpu")
    expect("Changed:" in said and is_active(), said)
    expect(shown("TimeoutStopUSec") == "42s", shown("TimeoutStopUSec"))
    until(lambda: (OUTBOX / "upgrade.json").exists(), "upgrade.json")
    return "the new unit counts; the job under way is done"


def home_is_state() -> str:
    overridden(*FASTER, f"Environment=HOME={STATE}")
    call("systemctl", "restart", UNIT)
    expect(is_active(), "not active")
    overridden(*FASTER)
    return "it runs: the home folder of a system user may be its state folder"


def no_code() -> str:
    overridden("MemoryDenyWriteExecute=yes")
    call("systemctl", "restart", UNIT)
    drop("no-code.yaml", "prompt: a red circle\n")
    until(lambda: "held up" in shown("StatusText") or (OUTBOX / "no-code.json").exists(), "held up")
    status = shown("StatusText")
    expect(not (OUTBOX / "failed").exists(), "the job failed")
    overridden(*FASTER)
    call("systemctl", "restart", UNIT)
    until(lambda: (OUTBOX / "no-code.json").exists(), "no-code.json")
    return f"the job waits (“{status[:90]}…”); without that line it is done"


def mounted_later() -> str:
    """As after a power cut: the machine is up before its NAS."""
    call("systemctl", "stop", UNIT)
    share, unit = Path("/srv/share"), Path("/run/systemd/system/srv-aura.mount")
    TOP.rename(share)
    TOP.mkdir()
    unit.write_text(f"[Mount]\nWhat=none\nWhere={TOP}\nType=tmpfs\nOptions=size=wrong\n")
    call("systemctl", "daemon-reload")
    call("systemctl", "start", UNIT)
    expect(run("systemctl", "is-failed", unit.name).returncode == 0, "the share was not to be mounted first")
    until(lambda: "paused" in shown("StatusText"), "paused")
    status = shown("StatusText")
    expect(is_active() and not any(TOP.iterdir()), "something was made in the bare mount point")
    (share / "inbox" / "late.yaml").write_text("prompt: a red circle\n")
    unit.write_text(f"[Mount]\nWhat={share}\nWhere={TOP}\nType=none\nOptions=bind\n")
    call("systemctl", "daemon-reload")
    call("systemctl", "start", unit.name)
    until(lambda: (OUTBOX / "late.json").exists(), "late.json")
    call("umount", "--lazy", str(TOP))
    until(lambda: "paused" in shown("StatusText"), "paused again")
    call("systemctl", "start", unit.name)
    drop("later.yaml", "prompt: a red circle\n")
    until(lambda: (OUTBOX / "later.json").exists(), "later.json")
    call("systemctl", "stop", UNIT, unit.name)
    unit.unlink()
    TOP.rmdir()
    share.rename(TOP)
    call("systemctl", "daemon-reload")
    call("systemctl", "start", UNIT)
    return f"active without it (“{status}”), and goes on once it is mounted; the same after it was unmounted"


def mounted_apart() -> str:
    """Each is a mount of its own then, which systemd makes of what is there where no share is."""
    call("systemctl", "stop", UNIT)
    folders = {name: Path("/srv") / name for name in ("in", "out")}
    for name, folder in folders.items():
        folder.mkdir()
        shutil.chown(folder, "aura", "aura")
        share = Path(f"/srv/share-{name}")
        share.mkdir()
        shutil.chown(share, "aura", "aura")
        call("mount", "--bind", str(share), str(folder))
    CONFIG.write_text(f"inbox: {folders['in']}\noutbox: {folders['out']}\nstate: {STATE}\nretry_first: 1\n")
    call(*AURA, "service", "install", "--cpu")
    until(lambda: shown("StatusText") == "idle", "idle")
    call("systemctl", "stop", UNIT)
    call("umount", *(str(folder) for folder in folders.values()))
    Path("/srv/share-in/apart.yaml").write_text("prompt: a red circle\n")
    call("systemctl", "start", UNIT)
    until(lambda: "paused" in shown("StatusText"), "paused")
    expect(not any(place for folder in folders.values() for place in folder.iterdir()), "something was made there")
    for name, folder in folders.items():
        call("mount", "--bind", f"/srv/share-{name}", str(folder))
    until(lambda: Path("/srv/share-out/apart.json").exists(), "apart.json")
    call("systemctl", "stop", UNIT)
    CONFIG.write_text(SETTINGS)
    call(*AURA, "service", "install", "--cpu")
    until(lambda: shown("StatusText") == "idle", "idle again")
    return "active without them, nothing is made in the bare mount points; goes on once they are mounted"


def stopped() -> str:
    CONFIG.write_text(SETTINGS + "stop_timeout: 0\n")
    call("systemctl", "reload", UNIT)
    until(lambda: "stop_timeout" in journal().rsplit("changed: ", 1)[-1].splitlines()[0] and is_active(), "reloaded")
    if not IS_SHORT:
        running("last.yaml")
    workers = children()
    began_s = time.monotonic()
    call("systemctl", "stop", UNIT)
    took_s = time.monotonic() - began_s
    expect(shown("Result") == "success", shown("Result"))
    expect(not any(Path(f"/proc/{pid}").exists() for pid in workers), "a worker was left")
    status = json.loads((STATE / "health.json").read_text())["status"]
    expect(status == "stopped", status)
    if IS_SHORT:
        return f"in {took_s:.1f} s, result success, no worker left"
    call("systemctl", "start", UNIT)
    until(lambda: (OUTBOX / "last.json").exists(), "last.json")
    return f"in {took_s:.1f} s, result success, no worker left; started again, the job is done"


def removed() -> str:
    said = call(*AURA, "service", "uninstall")
    expect(run("systemctl", "is-active", UNIT).returncode != 0, "it runs still")
    expect(not Path(f"/etc/systemd/system/{UNIT}").exists(), "the unit is there")
    expect((STATE / "journal.sqlite3").exists() and (OUTBOX / "first.png").exists(), "files are gone")
    return said.splitlines()[-1]


def persons() -> str:
    call("useradd", "--create-home", "--shell", "/bin/sh", "me")
    home, number = Path("/home/me"), pwd.getpwnam("me").pw_uid
    for name in ("aura/inbox", "aura/outbox", ".config/aura-daemon"):
        (home / name).mkdir(parents=True)
    (home / ".config/aura-daemon/aura.yaml").write_text("inbox: ~/aura/inbox\noutbox: ~/aura/outbox\n")
    call("chown", "-R", "me:", str(home))
    sessions = Path("/run/systemd/system/user@.service.d/check.conf")
    sessions.parent.mkdir(parents=True)
    sessions.write_text("[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n")  # PAM wants a real machine
    call("systemctl", "daemon-reload")
    call("systemctl", "start", f"user@{number}.service")
    session = {"HOME": str(home), "XDG_RUNTIME_DIR": f"/run/user/{number}"}
    said = call(*AURA, "service", "install", "--cpu", user="me", **session)
    expect("loginctl enable-linger" in said, said)
    (home / "aura/inbox/mine.yaml").write_text("prompt: a red circle\n")
    until(lambda: (home / "aura/outbox/mine.json").exists(), "mine.json")
    status = call(*AURA, "service", "status", user="me", **session)
    asked = call(*AURA, "status", user="me", **session)
    expect("1 done" in asked or "done" in asked, asked)
    call(*AURA, "service", "uninstall", user="me", **session)
    return f"a picture made; {status.splitlines()[0]}; removed"


# -- what the steps are made of ------------------------------------------------------------------------------------

AURA: Final = (sys.executable, "-m", "aura_daemon")


def expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise StepFailed(otherwise.strip())


def run(*command: str, user: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    group = pwd.getpwnam(user).pw_gid if user else None
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=user,
        group=group,
        timeout=DEADLINE_S,
        env={**os.environ, **variables},
    )


def call(*command: str, user: str | None = None, **variables: str) -> str:
    ran = run(*command, user=user, **variables)
    expect(ran.returncode == 0, f"{' '.join(command)}: exit {ran.returncode}: {ran.stdout} {ran.stderr}")
    return ran.stdout


def shown(key: str) -> str:
    return call("systemctl", "show", UNIT, f"--property={key}", "--value").strip()


def is_active() -> bool:
    return shown("ActiveState") == "active"


def journal() -> str:
    return call("journalctl", "-b", "--no-pager", "-o", "cat")


def until(is_so: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not is_so():
        expect(time.monotonic() < end_s, f"{what}: not within {DEADLINE_S:g} s; {journal()[-600:]}")
        time.sleep(0.05)


def watched(seen: list[str]) -> bool:
    seen.append(shown("StatusText"))
    return True


def drop(name: str, text: str) -> None:
    beside = INBOX / f".{name}.tmp"
    beside.write_text(text)
    beside.rename(INBOX / name)


def running(name: str) -> None:
    """A job in the middle of its steps."""
    drop(name, LONG_JOB)
    until(lambda: name in shown("StatusText") and "step" in shown("StatusText"), f"{name} runs")


def children() -> list[int]:
    main = shown("MainPID")
    found = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    return [int(pid) for pid in found]


def overridden(*lines: str) -> None:
    """Writes a drop-in, as `systemctl edit` does."""
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text("[Service]\n" + "".join(f"{line}\n" for line in lines))
    call("systemctl", "daemon-reload")


def started_s() -> float:
    """When this root was booted, in seconds since the machine's boot."""
    ticks = int(Path("/proc/1/stat").read_text().rsplit(")", 1)[1].split()[19])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    with suppress(FileExistsError):
        RESULTS.mkdir()
    main()
