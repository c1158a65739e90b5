"""A systemd of its own: a root without a disk image, whose programs are this machine's, booted by systemd-nspawn.

/usr is this machine's, read-only; /etc and /var are new. So nothing is downloaded but nspawn, where it is missing:
Debian's package would replace this machine's systemd, so it is only unpacked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

GROUPS: Final = Path("/sys/fs/cgroup")
BOOTED: Final = Path("/run/systemd/system")

PACKAGES: Final = ("systemd", "systemd-container", "libsystemd-shared")

COPIED: Final = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "nsswitch.conf", "alternatives", "pam.d", "login.defs")
"""What programs of this machine want from /etc."""

ACCOUNTS: Final = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    "messagebus:x:100:100::/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\nnogroup:x:65534:\nmessagebus:x:100:\nadm:x:4:\ntty:x:5:\nutmp:x:43:\n",
    "shadow": "root:*:19000:0:99999:7:::\n",
    "hostname": "aura-check\n",
    "machine-id": "",
    "os-release": "ID=aura-check\nNAME=aura-check\nVERSION_ID=1\n",
}

SYSTEMD: Final = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")


def obstacle() -> str:
    """Why no systemd can be booted here; empty where one can, as far as is known beforehand."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "booting a systemd takes Linux and root"
    if not any(Path(program).exists() for program in SYSTEMD):
        return "systemd is not installed"
    if shutil.which("systemd-nspawn") is None and shutil.which("dpkg-deb") is None:
        return "systemd-nspawn is not installed (package systemd-container)"
    return ""


@dataclass(kw_only=True, eq=False)
class BootedSystemd:
    """A root below a folder, and what of this machine is seen in it."""

    folder: Path
    seen: Mapping[str, str] = field(default_factory=dict)
    """Place in the root -> place on this machine, read-only."""
    _groups: list[Path] = field(init=False, default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def results(self) -> Path:
        """/results in the root."""
        return self.folder / "results"

    def make(self) -> None:
        """Makes the root."""
        for name in ("usr", "etc/systemd/system", "var/log/journal", "var/lib", "var/cache", "srv", "opt", "root"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for name in ("home", "tmp", "run", "dev", "proc", "sys", "results"):
            (self.root / name).mkdir(exist_ok=True)
        (self.root / "tmp").chmod(0o1777)
        self.results.mkdir(exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64", "lib32", "libx32"):
            if (Path("/") / name).is_symlink():
                (self.root / name).symlink_to(f"usr/{name}")
        for name in COPIED:
            place = Path("/etc") / name
            if place.is_dir():
                shutil.copytree(place, self.root / "etc" / name, symlinks=True)
            elif place.exists():
                shutil.copy2(place, self.root / "etc" / name)
        for name, text in ACCOUNTS.items():
            (self.root / "etc" / name).write_text(text)
        (self.root / "etc" / "shadow").chmod(0o600)

    def start_at_boot(self, name: str, command: str) -> None:
        """A program that runs once the machine is up, and after which the machine ends."""
        unit = self.root / "etc/systemd/system" / f"{name}.service"
        unit.write_text(
            f"[Unit]\nAfter=dbus.service\nSuccessAction=poweroff-force\nFailureAction=poweroff-force\n"
            f"[Service]\nType=oneshot\nExecStartPre=-/sbin/ldconfig\nExecStart={command}\nWorkingDirectory=/\n"
            f"StandardOutput=file:/results/output\nStandardError=file:/results/errors\n"
        )
        wants = unit.parent / "multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / unit.name).symlink_to(f"../{unit.name}")

    def run(self, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Boots it, and waits for its end; raises TimeoutExpired."""
        program, variables = self._nspawn()
        command = [program, "--quiet", f"--directory={self.root}", "--boot", "--register=no", "--private-network"]
        command += ["--link-journal=no", "--console=pipe", "--bind-ro=/usr", f"--bind={self.results}:/results"]
        command += [f"--bind-ro={outside}:{inside}" for inside, outside in self.seen.items()]
        prefix: list[str] = []
        if not BOOTED.is_dir():
            command.append("--keep-unit")
            prefix = self._in_groups_of_our_own()
        if _has_version_1():
            variables["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1"
        process = subprocess.Popen(
            [*prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **variables},
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        finally:
            process.kill()
            process.wait()
            self._end_groups()
        return subprocess.CompletedProcess(command, process.returncode, output, "")

    def _nspawn(self) -> tuple[str, dict[str, str]]:
        """The program, and the variables that it needs."""
        found = shutil.which("systemd-nspawn")
        if found is not None:
            return found, {}
        tools = self.folder / "tools"
        if not tools.is_dir():
            debs = self.folder / "debs"
            debs.mkdir()
            subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=debs, check=True, capture_output=True)
            for deb in debs.glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(deb), str(tools)], check=True)
        (library,) = tools.rglob("libsystemd-shared-*.so")
        return str(tools / "usr/bin/systemd-nspawn"), {"LD_LIBRARY_PATH": str(library.parent)}

    def _in_groups_of_our_own(self) -> list[str]:
        """A shell that enters new control groups, so that the new systemd manages those alone, then runs its words."""
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            top = GROUPS / (controllers.removeprefix("name=") or "unified")
            if not top.is_dir():
                top = GROUPS
            group = top / path.strip("/") / f"aura-service-check-{os.getpid()}"
            with suppress(OSError):
                group.mkdir()
                if controllers == "cpuset":
                    for name in ("cpuset.cpus", "cpuset.mems"):
                        (group / name).write_text((group.parent / name).read_text())
                self._groups.append(group)
        entering = "".join(f"echo $$ > {group}/cgroup.procs; " for group in self._groups)
        return ["/bin/sh", "-c", f'{entering}exec "$@"', "sh"]

    def _end_groups(self) -> None:
        for group in self._groups:
            for folder in sorted(_folders(group), key=lambda place: len(place.parts), reverse=True):
                with suppress(OSError):
                    folder.rmdir()
        self._groups.clear()


def _has_version_1() -> bool:
    return not (GROUPS / "cgroup.controllers").exists()


def _folders(top: Path) -> Iterator[Path]:
    for place, _, _ in os.walk(top):
        yield Path(place)


def python_of(root: BootedSystemd, *, sources: Path, place: str = "/opt/aura-daemon") -> Sequence[str]:
    """Installs this program into a root as into an environment of its own; returns the command of its interpreter."""
    seen = dict(root.seen)
    home = Path(sys.executable).resolve()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not home.is_relative_to("/usr"):
        seen["/opt/python"] = sys.base_prefix
        (root.root / "etc/ld.so.conf.d").mkdir(exist_ok=True)
        (root.root / "etc/ld.so.conf.d/0-python.conf").write_text("/opt/python/lib\n")
        home = Path("/opt/python") / home.relative_to(sys.base_prefix)
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    for number, path in enumerate(packages):
        seen[f"/opt/packages-{number}"] = path
    root.seen = seen
    for name in ("aura_daemon", "tests"):  # copied: a checkout may be closed to every other account
        ignored = shutil.ignore_patterns("__pycache__", "corpus", "field")
        shutil.copytree(sources / name, root.root / "opt/source" / name, ignore=ignored)
    subprocess.run(["chmod", "-R", "a+rX", str(root.root / "opt/source")], check=True)
    folder = root.root / place.strip("/")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(home)
    (folder / "pyvenv.cfg").write_text(f"home = {home.parent}\n")
    own = folder / "lib" / version / "site-packages"
    own.mkdir(parents=True)
    lines = ["/opt/source", *(f"/opt/packages-{number}" for number in range(len(packages)))]
    (own / "aura.pth").write_text("".join(f"{line}\n" for line in lines))
    return (f"{place}/bin/python",)
