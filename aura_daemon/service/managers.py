"""Installs a service, removes it, and asks how it is: by systemctl or launchctl. In: a plan. Out: lines, exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from aura_daemon.errors import Problem, UserError
from aura_daemon.service.launchd_plist import label, plist_text
from aura_daemon.service.plan import WRITTEN_BY, Scope, ServicePlan
from aura_daemon.service.systemd_unit import unit_text
from aura_daemon.system import accounts
from aura_daemon.system.files.xdg_folders import xdg_folder
from aura_daemon.system.permissions import user_id
from aura_daemon.system.windows import System, needs_wsl2, this_system

BOOTED: Final = Path("/run/systemd/system")
"""Is there where systemd is the first process: sd_booted(3)."""

SHOWN: Final = (
    "ActiveState,SubState,UnitFileState,StatusText,MainPID,NRestarts,Result,ExecMainStatus,ActiveEnterTimestamp,"
    "FragmentPath,DropInPaths"
)


class ServiceManager(Protocol):
    """What each system's manager of services can do."""

    def text(self, plan: ServicePlan) -> str:
        """What `install` writes."""

    def file(self) -> Path:
        """Where `install` writes it."""

    def check(self, *, changes: bool = True) -> None:
        """Raises UserError where the manager cannot be asked, or this user may change nothing."""

    def install(self, plan: ServicePlan) -> tuple[list[str], int]:
        """Writes, enables and starts; raises UserError. Returns lines for people, and an exit code."""

    def uninstall(self) -> list[str]:
        """Stops and removes; raises UserError."""

    def status(self, wanted: str | None) -> tuple[list[str], int]:
        """How it is, in lines; 0 where it runs, else 1. `wanted`: what `install` would write now."""


def manager_of(name: str, scope: Scope) -> ServiceManager:
    """This system's manager; raises UserError where none is known."""
    match this_system():
        case System.LINUX | System.WSL2:
            return Systemd(name, scope)
        case System.MACOS:
            return Launchd(name, scope)
        case System.WINDOWS:
            raise needs_wsl2()
        case System.OTHER:
            raise UserError([Problem(key="service", message="no manager of services is known on this system")])


@dataclass(frozen=True, slots=True)
class Systemd:
    """systemd, the machine's or a person's."""

    name: str
    scope: Scope

    def text(self, plan: ServicePlan) -> str:
        """The unit."""
        return unit_text(plan)

    def file(self) -> Path:
        """The place for units of this machine's owner, or of this person."""
        if self.scope is Scope.SYSTEM:
            return Path("/etc/systemd/system") / f"{self.name}.service"
        folder = xdg_folder("XDG_CONFIG_HOME", ".config")
        if folder is None:
            raise UserError([Problem(key="--user", message="there is no home folder to put the unit in")])
        return folder / "systemd" / "user" / f"{self.name}.service"

    def install(self, plan: ServicePlan) -> tuple[list[str], int]:
        """Starts anew where it runs already, so that a new release or unit counts."""
        self.check()
        is_there = self.file().exists()
        _write(self.file(), self.text(plan))
        self._do("daemon-reload")
        self._do("enable", self._unit)
        started = self._run("restart", self._unit)
        lines = [f"{'Changed' if is_there else 'Written'}: {self.file()}"]
        if started.returncode != 0:
            lines += [started.stderr.strip(), *self._log(), f"More: {self._journal}"]
            return lines, 1
        lines += [f"It runs, and starts {'with the machine' if self.scope is Scope.SYSTEM else 'when you log in'}."]
        if self.scope is Scope.USER and not self._lingers():
            lines.append("It ends when you log out; to keep it: `loginctl enable-linger`.")
        lines += [f"Its log: {self._journal}", "How it is: aura-daemon service status" + self._named]
        return lines, 0

    def uninstall(self) -> list[str]:
        """Folders, journal and configuration stay."""
        self.check()
        if not self.file().exists():
            return [f"Nothing to remove: {self.file()} is not there."]
        _check_ours(self.file())
        self._do("disable", "--now", self._unit)
        self.file().unlink()
        self._do("daemon-reload")
        self._run("reset-failed", self._unit)
        return [f"Stopped and removed: {self.file()}", "Inbox, outbox, journal and configuration stay as they are."]

    def status(self, wanted: str | None) -> tuple[list[str], int]:
        """From `systemctl show`."""
        self.check(changes=False)
        shown = dict(
            line.split("=", 1)
            for line in self._do("show", self._unit, f"--property={SHOWN}").splitlines()
            if "=" in line
        )
        if not shown.get("FragmentPath"):
            return [f"{self.name} is not installed: aura-daemon service install --{self.scope}{self._named}"], 1
        is_active = shown.get("ActiveState") in ("active", "reloading")
        lines = [f"{self.name}: {shown.get('ActiveState')} ({shown.get('SubState')}), {shown.get('UnitFileState')}"]
        lines.append(f"unit: {shown['FragmentPath']}" + _after(" with ", shown.get("DropInPaths", "")))
        if is_active:
            lines.append(f"since: {shown.get('ActiveEnterTimestamp')}, process {shown.get('MainPID')}")
        if shown.get("StatusText"):
            lines.append(f"now: {shown['StatusText']}")
        if shown.get("NRestarts", "0") != "0":
            lines.append(f"restarted by systemd: {shown['NRestarts']} times")
        if not is_active and shown.get("Result", "success") != "success":
            lines.append(f"ended by: {shown['Result']}, exit code {shown.get('ExecMainStatus')}")
            lines += self._log()
        if wanted is not None and self.file().exists() and self.file().read_text(encoding="utf-8") != wanted:
            lines.append("The unit is not the one that this release and configuration want: install it again.")
        lines.append(f"log: {self._journal}")
        return lines, 0 if is_active else 1

    @property
    def _unit(self) -> str:
        return f"{self.name}.service"

    @property
    def _named(self) -> str:
        return "" if self.name == "aura-daemon" else f" --name {self.name}"

    @property
    def _options(self) -> list[str]:
        return ["--user"] if self.scope is Scope.USER else []

    @property
    def _journal(self) -> str:
        return " ".join(["journalctl", *self._options, "-u", self.name])

    def _log(self) -> list[str]:
        """The last lines of its log."""
        if shutil.which("journalctl") is None:
            return []
        asked = _call(["journalctl", *self._options, "-u", self._unit, "-n", "10", "--no-pager", "-q", "-o", "cat"])
        return [f"  {line}" for line in asked.stdout.splitlines()]

    def _lingers(self) -> bool:
        own = accounts.own_account()
        return own is not None and (Path("/var/lib/systemd/linger") / own.name).exists()

    def check(self, *, changes: bool = True) -> None:
        """Raises UserError where systemd cannot be asked, or this user may not."""
        key = f"--{self.scope}"
        if shutil.which("systemctl") is None or not BOOTED.is_dir():
            message = (
                "systemd does not run here: `aura-daemon service print` shows the unit for a machine where it does; in "
                "WSL2 put `[boot]` and `systemd=true` into /etc/wsl.conf; in a container run `aura-daemon run` itself"
            )
            raise UserError([Problem(key=key, message=message)])
        if changes:
            _require_root(self.scope)
        if self.scope is Scope.USER and not os.environ.get("XDG_RUNTIME_DIR"):
            message = "there is no session of this user ($XDG_RUNTIME_DIR is not set): log in as that user, not by su"
            raise UserError([Problem(key=key, message=message)])

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _call(["systemctl", *self._options, *arguments])

    def _do(self, *arguments: str) -> str:
        """The output; raises UserError where systemctl fails."""
        return _done(self._run(*arguments))


@dataclass(frozen=True, slots=True)
class Launchd:
    """launchd of macOS. Experimental: we have never run it."""

    name: str
    scope: Scope

    def text(self, plan: ServicePlan) -> str:
        """The property list."""
        return plist_text(plan)

    def file(self) -> Path:
        """The place for daemons of the machine, or for agents of this person."""
        folder = Path("/Library/LaunchDaemons") if self.scope is Scope.SYSTEM else Path.home() / "Library/LaunchAgents"
        return folder / f"{label(self.name)}.plist"

    def install(self, plan: ServicePlan) -> tuple[list[str], int]:
        """Loads the property list; launchd starts it at once."""
        self.check()
        is_there = self.file().exists()
        _write(self.file(), self.text(plan))
        if is_there:
            self._run("bootout", self._target)
        _done(self._run("bootstrap", self._domain, str(self.file())))
        return [
            f"{'Changed' if is_there else 'Written'}: {self.file()}",
            f"How it is: launchctl print {self._target}",
        ], 0

    def uninstall(self) -> list[str]:
        """Folders, journal and configuration stay."""
        self.check()
        if not self.file().exists():
            return [f"Nothing to remove: {self.file()} is not there."]
        _check_ours(self.file())
        self._run("bootout", self._target)
        self.file().unlink()
        return [f"Stopped and removed: {self.file()}", "Inbox, outbox, journal and configuration stay as they are."]

    def status(self, wanted: str | None) -> tuple[list[str], int]:
        """What launchctl prints of it."""
        if not self.file().exists():
            return [f"{self.name} is not installed: aura-daemon service install --{self.scope}"], 1
        asked = self._run("print", self._target)
        known = ("state =", "pid =", "last exit code =", "runs =")
        lines = [line.strip() for line in asked.stdout.splitlines() if line.strip().startswith(known)]
        if wanted is not None and self.file().read_text(encoding="utf-8") != wanted:
            lines.append("The list is not the one that this release and configuration want: install it again.")
        is_running = "state = running" in lines
        return [f"{self.name}: {self.file()}", *lines], 0 if is_running else 1

    @property
    def _domain(self) -> str:
        return "system" if self.scope is Scope.SYSTEM else f"gui/{user_id()}"

    @property
    def _target(self) -> str:
        return f"{self._domain}/{label(self.name)}"

    def check(self, *, changes: bool = True) -> None:
        """Only root may change the machine's."""
        if changes:
            _require_root(self.scope)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _call(["launchctl", *arguments])


def _require_root(scope: Scope) -> None:
    """Raises UserError where this user may not change such services."""
    if scope is Scope.SYSTEM and not accounts.is_root():
        message = "only root may change the machine's services: say it again with sudo, or --user for your own"
        raise UserError([Problem(key="--system", message=message)])


def _write(file: Path, text: str) -> None:
    """Writes a unit for everybody to read; raises UserError where another's file of that name is there."""
    _check_ours(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.new")
        beside.write_text(text, encoding="utf-8")
        beside.chmod(0o644)
        beside.rename(file)
    except OSError as error:
        raise UserError([Problem(file=str(file), message=f"cannot be written: {error.strerror}")]) from None


def _check_ours(file: Path) -> None:
    """Raises UserError for a file that `install` did not write."""
    if file.exists() and WRITTEN_BY not in file.read_text(encoding="utf-8", errors="replace"):
        message = "was not written by aura-daemon: move it away, or give this service another name with --name"
        raise UserError([Problem(file=str(file), message=message)])


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"{command[0]}: {error.strerror}")


def _done(ran: subprocess.CompletedProcess[str]) -> str:
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip() or f"exit code {ran.returncode}"
        raise UserError([Problem(key=" ".join(map(str, ran.args)), message=said)])
    return ran.stdout


def _after(words: str, text: str) -> str:
    return f"{words}{text}" if text else ""
