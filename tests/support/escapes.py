"""What code that has taken over a worker would try. Each function does it to what a test has laid out.

It returns where that went well, and raises OSError where it did not: with EPERM, EACCES or EXDEV where it was refused,
with another number where the kernel has at least looked at what was asked. What could do harm is asked for wrongly.
"""

# ruff: noqa: PTH101, PTH102, PTH104, PTH108, PTH110, PTH208

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import fcntl
import os
import resource
import socket
import stat
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aura_daemon.system.sandbox.system_calls import number

LEFT_OPEN: Final = 57
"""A descriptor of the secret that the worker was started with."""

REFUSED: Final = (errno.EPERM, errno.EACCES, errno.EXDEV)
"""EXDEV: how Landlock refuses to link and rename between folders; all lies on one file system here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Laid:
    """What there is to get at."""

    home: str
    """With `secret`, `bait` and nothing else."""
    inbox: str
    outbox: str
    state: str
    """With `journal.sqlite3`, and `control.sock`, on which somebody listens."""
    tcp_port: int
    udp_port: int
    abstract: str
    """Name of a socket without a file, on which somebody listens."""
    victim: int
    """Process id of a program of the same user."""
    channel: int
    """Descriptor of the socket to the daemon."""

    @property
    def secret(self) -> str:
        return f"{self.home}/secret"


Escape = Callable[[Laid], object]

ESCAPES: Final[dict[str, Escape]] = {}
"""Name of a function -> the function."""

FOR_ROOT: Final[set[str]] = set()
"""Those that only root can do where nothing refuses them."""

NOT_EVERYWHERE: Final[set[str]] = set()
"""Those that a system may refuse without a sandbox: old or small kernels, containers, hardened ones."""


OF_A_CHANNEL: Final = ("send_a_descriptor_to_the_daemon", "connect_the_own_channel_elsewhere")
"""Those of a process that is joined to the daemon by a socket."""


def escape(*, root: bool = False, everywhere: bool = True) -> Callable[[Escape], Escape]:
    def add(function: Escape) -> Escape:
        name = function.__name__
        ESCAPES[name] = function
        if root:
            FOR_ROOT.add(name)
        if not everywhere:
            NOT_EVERYWHERE.add(name)
        return function

    return add


def own_file(content: str = "x") -> str:
    """A new file in the worker's folder."""
    file = Path(os.environ["TMPDIR"]) / f"own-{os.urandom(4).hex()}"
    file.write_text(content, encoding="utf-8")
    return str(file)


def call(name: str, *arguments: Any) -> int:
    """A system call by its name; raises OSError."""
    which = number(name, os.uname().machine)
    if which is None:
        raise OSError(errno.EPERM, f"this processor has no {name}")
    given = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(which), *given)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)


# -- files -----------------------------------------------------------------------------------------------------------


@escape()
def read_a_file_of_a_home_folder(laid: Laid) -> object:
    return Path(laid.secret).read_text(encoding="utf-8")


@escape(root=True)
def read_the_hashes_of_passwords(laid: Laid) -> object:
    return Path("/etc/shadow").read_bytes()


@escape()
def list_a_home_folder(laid: Laid) -> object:
    return os.listdir(laid.home)


@escape()
def read_the_inbox(laid: Laid) -> object:
    return (Path(laid.inbox) / "job.yaml").read_bytes()


@escape()
def read_the_outbox(laid: Laid) -> object:
    return (Path(laid.outbox) / "cat.json").read_bytes()


@escape()
def read_the_journal(laid: Laid) -> object:
    return (Path(laid.state) / "journal.sqlite3").read_bytes()


@escape()
def write_into_the_inbox(laid: Laid) -> object:
    return (Path(laid.inbox) / "new.yaml").write_text("x", encoding="utf-8")


@escape()
def write_into_the_outbox(laid: Laid) -> object:
    return (Path(laid.outbox) / "new.png").write_text("x", encoding="utf-8")


@escape()
def write_into_the_state(laid: Laid) -> object:
    return (Path(laid.state) / "new").write_text("x", encoding="utf-8")


@escape()
def write_into_a_home_folder(laid: Laid) -> object:
    return (Path(laid.home) / ".profile").write_text("x", encoding="utf-8")


@escape()
def add_to_the_journal(laid: Laid) -> object:
    with (Path(laid.state) / "journal.sqlite3").open("ab") as file:
        return file.write(b"")


@escape()
def cut_a_file_by_its_path(laid: Laid) -> object:
    return os.truncate(laid.secret, 100)


@escape()
def delete_a_file(laid: Laid) -> object:
    return os.unlink(f"{laid.home}/bait")


@escape()
def make_a_folder_in_the_inbox(laid: Laid) -> object:
    return os.mkdir(f"{laid.inbox}/made")


@escape()
def rename_out(laid: Laid) -> object:
    return os.rename(own_file(), f"{laid.outbox}/renamed.png")


@escape()
def link_out(laid: Laid) -> object:
    return os.link(own_file(), f"{laid.outbox}/linked.png")


@escape()
def link_in(laid: Laid) -> object:
    place = f"{own_file()}-in"
    os.link(laid.secret, place)
    return Path(place).read_bytes()


@escape()
def follow_a_link_out_of_the_own_folder(laid: Laid) -> object:
    link = Path(f"{own_file()}-link")
    link.symlink_to(laid.secret)
    return link.read_bytes()


@escape()
def go_up_from_the_own_folder(laid: Laid) -> object:
    own = Path(os.environ["TMPDIR"])
    return (own.joinpath(*[".."] * len(own.parts)) / laid.secret.lstrip("/")).read_bytes()


@escape()
def read_through_the_own_root(laid: Laid) -> object:
    return Path(f"/proc/self/root{laid.secret}").read_bytes()


@escape(everywhere=False)
def read_through_the_root_of_the_daemon(laid: Laid) -> object:
    return Path(f"/proc/{os.getppid()}/root{laid.secret}").read_bytes()


@escape(everywhere=False)
def read_the_environment_of_the_daemon(laid: Laid) -> object:
    return Path(f"/proc/{os.getppid()}/environ").read_bytes()


@escape(everywhere=False)
def open_the_memory_of_the_daemon(laid: Laid) -> object:
    return os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR))


@escape(everywhere=False)
def list_the_descriptors_of_the_daemon(laid: Laid) -> object:
    return os.listdir(f"/proc/{os.getppid()}/fd")


@escape()
def read_the_command_line_of_another(laid: Laid) -> object:
    return Path(f"/proc/{laid.victim}/cmdline").read_bytes()


@escape()
def read_a_descriptor_left_open(laid: Laid) -> object:
    try:
        return os.pread(LEFT_OPEN, 100, 0)
    except OSError as error:
        raise PermissionError(errno.EPERM, "it was closed") from error


@escape()
def find_other_descriptors(laid: Laid) -> object:
    folder = os.open("/proc/self/fd", os.O_RDONLY)
    others = {int(name) for name in os.listdir(folder)} - {0, 1, 2, laid.channel, folder}
    os.close(folder)
    found = {one for one in others if os.path.exists(f"/proc/self/fd/{one}")}
    if not found:
        raise PermissionError(errno.EPERM, "there is none")
    return found


@escape()
def change_the_mode_of_a_file(laid: Laid) -> object:
    return os.chmod(laid.secret, 0o644)


@escape()
def change_the_times_of_a_file(laid: Laid) -> object:
    return os.utime(laid.secret, (1, 1))


@escape(everywhere=False)
def change_an_attribute_of_a_file(laid: Laid) -> object:
    return os.setxattr(laid.secret, "user.x", b"x")


@escape()
def make_a_program_that_runs_as_its_owner(laid: Laid) -> object:
    return os.chmod(own_file(), 0o4755)


@escape(root=True, everywhere=False)
def make_a_device(laid: Laid) -> object:
    return os.mknod(f"{own_file()}-disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))


@escape()
def make_a_pipe_with_a_name(laid: Laid) -> object:
    return os.mkfifo(f"{own_file()}-pipe")


@escape()
def watch_the_inbox(laid: Laid) -> object:
    watcher = call("inotify_init1", 0)
    try:
        return call("inotify_add_watch", watcher, os.fsencode(laid.inbox), 0x100)
    finally:
        os.close(watcher)


@escape(everywhere=False)
def open_a_file_by_its_handle(laid: Laid) -> object:
    handle, mount = ctypes.create_string_buffer(b"\x80\0\0\0" + bytes(132)), ctypes.c_int()
    return call("name_to_handle_at", -100, os.fsencode(laid.secret), handle, ctypes.byref(mount), 0)


@escape(root=True)
def open_a_library_for_writing(laid: Laid) -> object:
    return os.close(os.open(os.__file__, os.O_WRONLY))


@escape()
def be_spared_when_memory_runs_out(laid: Laid) -> object:
    return Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


@escape(root=True, everywhere=False)
def open_a_setting_of_the_kernel_for_writing(laid: Laid) -> object:
    return os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))


# -- the network -----------------------------------------------------------------------------------------------------


@escape()
def connect_to_a_port(laid: Laid) -> object:
    with socket.socket() as opened:
        return opened.connect(("127.0.0.1", laid.tcp_port))


@escape()
def send_a_datagram(laid: Laid) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        return opened.sendto(b"secret", ("127.0.0.1", laid.udp_port))


@escape(everywhere=False)
def open_a_socket_of_ipv6(laid: Laid) -> object:
    return socket.socket(socket.AF_INET6).close()


@escape(root=True, everywhere=False)
def open_a_raw_socket(laid: Laid) -> object:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


@escape(root=True, everywhere=False)
def listen_to_the_wire(laid: Laid) -> object:
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


@escape(everywhere=False)
def ask_the_kernel_for_the_network(laid: Laid) -> object:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()


@escape()
def serve_on_a_port(laid: Laid) -> object:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.listen()


@escape()
def speak_to_the_control_socket(laid: Laid) -> object:
    with socket.socket(socket.AF_UNIX) as opened:
        return opened.connect(f"{laid.state}/control.sock")


@escape()
def speak_to_a_socket_without_a_file(laid: Laid) -> object:
    with socket.socket(socket.AF_UNIX) as opened:
        return opened.connect(f"\0{laid.abstract}")


@escape()
def send_from_a_pair_to_a_name(laid: Laid) -> object:
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        return one.sendto(b"x", f"{laid.state}/control.sock")


@escape()
def send_a_descriptor_to_the_daemon(laid: Laid) -> object:
    with socket.socket(fileno=os.dup(laid.channel)) as channel:
        return channel.sendmsg([b""], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [2]))])


@escape()
def connect_the_own_channel_elsewhere(laid: Laid) -> object:
    with socket.socket(fileno=os.dup(laid.channel)) as channel:
        return channel.connect(f"{laid.state}/control.sock")


# -- other processes -------------------------------------------------------------------------------------------------


@escape()
def fork(laid: Laid) -> object:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)


@escape()
def start_a_program(laid: Laid) -> object:
    return subprocess.run(["/bin/true"], check=True)


@escape()
def spawn_a_program(laid: Laid) -> object:
    return os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


@escape()
def become_another_program(laid: Laid) -> object:
    return os.execv("/nowhere/program", ["program"])


@escape()
def become_a_program_in_memory(laid: Laid) -> object:
    return call("execveat", -1, b"", None, None, 0x1000)


@escape(everywhere=False)
def trace_another_process(laid: Laid) -> object:
    return call("ptrace", 0x4206, laid.victim, 0, 0)  # PTRACE_SEIZE, which does not stop it


@escape(everywhere=False)
def read_the_memory_of_the_daemon(laid: Laid) -> object:
    return call("process_vm_readv", os.getppid(), None, 0, None, 0, 0)


@escape()
def signal_another_process(laid: Laid) -> object:
    return os.kill(laid.victim, 0)


@escape()
def signal_the_daemon(laid: Laid) -> object:
    return os.kill(os.getppid(), 0)


@escape()
def signal_all_processes(laid: Laid) -> object:
    return os.kill(-1, 0)


@escape()
def signal_a_thread_of_another_process(laid: Laid) -> object:
    return call("tgkill", laid.victim, laid.victim, 0)


@escape()
def queue_a_signal(laid: Laid) -> object:
    return call("rt_sigqueueinfo", laid.victim, 0, struct.pack("iii116x", 0, 0, -1))


@escape()
def hold_another_process(laid: Laid) -> object:
    return os.close(os.pidfd_open(laid.victim))


@escape()
def have_the_kernel_signal_another_process(laid: Laid) -> object:
    reading, writing = os.pipe()
    try:
        return fcntl.fcntl(reading, fcntl.F_SETOWN, laid.victim)
    finally:
        os.close(reading)
        os.close(writing)


@escape()
def read_the_limits_of_the_daemon(laid: Laid) -> object:
    return resource.prlimit(os.getppid(), resource.RLIMIT_CORE)


@escape()
def choose_the_cores_of_another(laid: Laid) -> object:
    return os.sched_setaffinity(laid.victim, os.sched_getaffinity(laid.victim))


@escape()
def slow_another_process_down(laid: Laid) -> object:
    return os.setpriority(os.PRIO_PROCESS, laid.victim, 5)


@escape()
def slow_the_disk_of_another_down(laid: Laid) -> object:
    return call("ioprio_set", 1, laid.victim, 2 << 13)


@escape(everywhere=False)
def share_memory_by_a_number(laid: Laid) -> object:
    segment = call("shmget", 0, 4096, 0o1600)
    return call("shmctl", segment, 0, None)


@escape(everywhere=False)
def open_a_queue_of_messages(laid: Laid) -> object:
    return call("mq_open", b"nobody", 0, 0, None)


@escape()
def outlive_the_daemon(laid: Laid) -> object:
    return call("prctl", 1, 0, 0, 0, 0)


@escape()
def type_into_the_terminal(laid: Laid) -> object:
    return fcntl.ioctl(2, 0x5412, b"x")


# -- the kernel ------------------------------------------------------------------------------------------------------


@escape(root=True, everywhere=False)
def mount(laid: Laid) -> object:
    return call("mount", b"none", b"/nowhere", b"tmpfs", 0, None)


@escape(root=True, everywhere=False)
def unmount(laid: Laid) -> object:
    return call("umount2", b"/nowhere", 0)


@escape()
def enter_new_namespaces(laid: Laid) -> object:
    return call("unshare", 0)


@escape()
def enter_the_namespaces_of_another(laid: Laid) -> object:
    return call("setns", -1, 0)


@escape()
def start_a_process_in_new_namespaces(laid: Laid) -> object:
    return call("clone", 0x1000_0000 | 0x200, 0, 0, 0, 0)  # not with a shared root: EINVAL


@escape()
def change_the_root(laid: Laid) -> object:
    return call("chroot", b"/nowhere")


@escape(root=True, everywhere=False)
def swap_the_root(laid: Laid) -> object:
    return call("pivot_root", b"/nowhere", b"/nowhere")


@escape(root=True, everywhere=False)
def load_a_program_into_the_kernel(laid: Laid) -> object:
    return call("bpf", 0, None, 0)


@escape(everywhere=False)
def measure_the_machine(laid: Laid) -> object:
    return call("perf_event_open", None, 0, -1, -1, 0)


@escape(everywhere=False)
def read_a_keyring(laid: Laid) -> object:
    return call("keyctl", 0, -3, 0, 0, 0)


@escape(everywhere=False)
def add_a_key(laid: Laid) -> object:
    return call("add_key", None, None, None, 0, 0)


@escape(everywhere=False)
def have_the_kernel_work_in_a_ring(laid: Laid) -> object:
    return call("io_uring_setup", 0, None)


@escape(everywhere=False)
def handle_faults_of_memory(laid: Laid) -> object:
    return call("userfaultfd", -1)


@escape(root=True, everywhere=False)
def load_another_kernel(laid: Laid) -> object:
    return call("kexec_load", 0, 1000, None, 0)


@escape(root=True, everywhere=False)
def load_a_module(laid: Laid) -> object:
    return call("finit_module", -1, None, 0)


@escape(root=True, everywhere=False)
def read_the_log_of_the_kernel(laid: Laid) -> object:
    return call("syslog", 10, None, 0)


@escape()
def change_the_personality(laid: Laid) -> object:
    return call("personality", 0xFFFF_FFFF)


@escape()
def change_the_user(laid: Laid) -> object:
    return os.setuid(os.getuid())


@escape(root=True, everywhere=False)
def join_a_group(laid: Laid) -> object:
    return os.setgroups(os.getgroups())


@escape(root=True)
def set_the_clock(laid: Laid) -> object:
    return call("clock_settime", 100, None)  # no such clock


@escape(root=True, everywhere=False)
def lift_a_limit(laid: Laid) -> object:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        return resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard + 1))
    except ValueError as error:  # what Python makes of EPERM
        raise PermissionError(errno.EPERM, str(error)) from error


def tried(name: str, laid: Laid) -> str:
    """What came of one: `refused`, `reached` the kernel, or `escaped`."""
    try:
        found = ESCAPES[name](laid)
    except OSError as error:
        return "refused" if error.errno in REFUSED else f"reached: {error}"
    with contextlib.suppress(TypeError):
        return f"escaped: {found!r:.60}"
    return "escaped"
