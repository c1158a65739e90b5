"""Real deliveries by real tools. Each function puts files into the inbox of a running daemon as its tool does."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.support.programs import Program
from tests.torture.ledger import Ledger, place_of

COUNT = 6
NAMES = [f"{number}.yaml" for number in range(COUNT - 2)] + ["picture.png", "sub/deeper.yaml"]

Deliver = Callable[[Program, Ledger], None]


def run(*command: str | Path, **options: object) -> None:
    """Runs a tool to its end."""
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=60, **options)  # type: ignore[call-overload]


def sent(ledger: Ledger, name: str = "sent", *, size_bytes: int = 0) -> Path:
    """Makes a folder of files on the sender's side."""
    folder = place_of(ledger.house.root / name)
    for file in NAMES:
        place_of((folder / file).parent)
        (folder / file).write_bytes(ledger.content(file, size_bytes=size_bytes))
    return folder


def cp(program: Program, ledger: Ledger) -> None:
    run("cp", "-rp", f"{sent(ledger)}/.", ledger.house.inbox)


def mv(program: Program, ledger: Ledger) -> None:
    for place in sorted(sent(ledger).iterdir()):
        run("mv", place, ledger.house.inbox)


def mv_from_another_file_system(program: Program, ledger: Ledger) -> None:
    folder = sent(ledger)
    other = Path("/dev/shm") / f"aura-torture-{os.getpid()}"
    shutil.copytree(folder, other)
    try:
        for place in sorted(other.iterdir()):
            run("mv", place, ledger.house.inbox)
    finally:
        shutil.rmtree(other, ignore_errors=True)


def rsync(*options: str) -> Deliver:
    def deliver(program: Program, ledger: Ledger) -> None:
        run("rsync", "-a", *options, f"{sent(ledger)}/", f"{ledger.house.inbox}/")

    return deliver


def rsync_killed_half_way_and_resumed(program: Program, ledger: Ledger) -> None:
    """--partial leaves the incomplete file under its final name: it must be held until the rest is there."""
    content = ledger.content("big.png", size_bytes=3_000_000)
    source = place_of(ledger.house.root / "big") / "big.png"
    source.write_bytes(content)
    command = ["rsync", "-a", "--partial", "--inplace", "--bwlimit=1000", str(source), f"{ledger.house.inbox}/"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as sending:
        program.until(lambda: (ledger.house.inbox / "big.png").exists(), "rsync began")
        time.sleep(1.0)
        sending.send_signal(signal.SIGINT)
    assert (ledger.house.inbox / "big.png").stat().st_size < len(content), "it was not stopped half way"
    time.sleep(2.0)
    assert not ledger.fates(), "half a picture was taken"
    run("rsync", "-a", "--partial", source, f"{ledger.house.inbox}/")


def rclone(*options: str) -> Deliver:
    def deliver(program: Program, ledger: Ledger) -> None:
        run("rclone", "copy", *options, sent(ledger), ledger.house.inbox, env={**os.environ, "RCLONE_CONFIG": ""})

    return deliver


def unison(program: Program, ledger: Ledger) -> None:
    folder = sent(ledger)
    environment = {**os.environ, "UNISON": str(ledger.house.root / "unison")}
    ignore = ("-ignore", "Name .aura")
    run("unison", folder, ledger.house.inbox, "-batch", "-silent", "-confirmbigdel=false", *ignore, env=environment)


def vim(program: Program, ledger: Ledger) -> None:
    for file in NAMES:
        content = ledger.content(file)
        target = ledger.house.inbox / file
        place_of(target.parent)
        if file.endswith(".png"):
            target.write_bytes(content)
            continue
        script = ledger.house.root / "script.vim"
        script.write_bytes(b"append\n" + content + b".\nwrite\nquit\n")
        with script.open("rb") as keys:
            run("vim.tiny", "-u", "NONE", "-N", "-es", target, stdin=keys, env={**os.environ, "TERM": "dumb"})


def curl(program: Program, ledger: Ledger) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    folder = sent(ledger)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for file in NAMES:
            address = f"http://127.0.0.1:{server.server_port}/{file}"
            run("curl", "-s", "--create-dirs", "-R", "-o", ledger.house.inbox / file, address)
    finally:
        server.shutdown()
        server.server_close()


def scp(program: Program, ledger: Ledger) -> None:
    folder, home = sent(ledger), place_of(ledger.house.root / "ssh")
    for key in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / key)
    shutil.copy(home / "user.pub", home / "authorized")
    place_of(Path("/run/sshd"))
    port = free_port()
    configuration = home / "sshd_config"
    configuration.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host\nAuthorizedKeysFile {home}/authorized\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\nSubsystem sftp internal-sftp\n"
    )
    with subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", str(configuration)], stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for_port(port)
            options = ["-i", str(home / "user"), "-P", str(port), "-p", "-q", "-r"]
            options += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
            for place in sorted(folder.iterdir()):
                run("scp", *options, place, f"127.0.0.1:{ledger.house.inbox}/")
        finally:
            server.terminate()


def syncthing(program: Program, ledger: Ledger) -> None:
    """Two instances on loopback; the inbox is the receiver's folder."""
    sender, receiver = place_of(ledger.house.root / "st-a"), place_of(ledger.house.root / "st-b")
    folder = place_of(ledger.house.root / "sent")
    ids, ports = [], [free_port(), free_port()]
    for home in (sender, receiver):
        run("syncthing", "generate", f"--home={home}", "--no-default-folder")
        answer = subprocess.run(
            ["syncthing", f"--home={home}", "--device-id"], capture_output=True, text=True, check=True
        )
        ids.append(answer.stdout.strip())
    place_of(ledger.house.inbox / ".stfolder")
    place_of(folder / ".stfolder")
    (ledger.house.inbox / ".stignore").write_text(".aura\n")
    running: list[subprocess.Popen[bytes]] = []
    try:
        for index, (home, root) in enumerate(((sender, folder), (receiver, ledger.house.inbox))):
            (home / "config.xml").write_text(_syncthing_config(root, ids, ports, index))
            command = ["syncthing", "serve", f"--home={home}", "--no-browser", "--no-restart", "--no-upgrade"]
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_for_port(ports[0])
        sent(ledger)
        ledger.wait(program)
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(20)


def _syncthing_config(root: Path, ids: list[str], ports: list[int], index: int) -> str:
    devices = "".join(f'<device id="{device}"/>' for device in ids)
    addresses = "".join(
        f'<device id="{device}" name="d{number}"><address>tcp://127.0.0.1:{ports[number]}</address></device>'
        for number, device in enumerate(ids)
    )
    return f"""<configuration version="36">
<folder id="torture" path="{root}" type="sendreceive" rescanIntervalS="3" fsWatcherEnabled="true" fsWatcherDelayS="1">
{devices}<minDiskFree unit="%">0</minDiskFree></folder>{addresses}
<gui enabled="false"></gui>
<options><listenAddress>tcp://127.0.0.1:{ports[index]}</listenAddress><globalAnnounceEnabled>false</globalAnnounceEnabled>
<localAnnounceEnabled>false</localAnnounceEnabled><relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled>
<urAccepted>-1</urAccepted><crashReportingEnabled>false</crashReportingEnabled><reconnectionIntervalS>2</reconnectionIntervalS>
<startBrowser>false</startBrowser></options></configuration>"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on port {port}")


QUICK = {"AURA_INCOMPLETE_AFTER": "20", "AURA_SCAN_INTERVAL": "5"}

TOOLS: dict[str, tuple[str, Deliver, dict[str, str]]] = {
    "cp -rp": ("cp", cp, {}),
    "mv": ("mv", mv, {}),
    "mv across file systems": ("mv", mv_from_another_file_system, {}),
    "rsync": ("rsync", rsync(), {}),
    "rsync --inplace": ("rsync", rsync("--inplace"), {}),
    "rsync --delay-updates": ("rsync", rsync("--delay-updates"), {}),
    "rsync --partial, stopped and resumed": ("rsync", rsync_killed_half_way_and_resumed, QUICK),
    "rclone": ("rclone", rclone(), {}),
    "unison": ("unison", unison, {"AURA_SOURCES": "keep"}),
    "syncthing, two instances": ("syncthing", syncthing, {"AURA_SCAN_INTERVAL": "5"}),
    "scp through sshd": ("scp", scp, {}),
    "vim": ("vim.tiny", vim, {}),
    "curl -R -o": ("curl", curl, {}),
}
"""Name -> program, delivery, settings."""
