"""docs/recipes.md: every recipe is run as it is written, by the tools it names where they are installed.

The slow ones are run by `make recipes-check`.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from tests.support.programs import DEADLINE_S, LIGHT, REAL
from tests.support.recipes import Desk, recipes
from tests.torture.tools import free_port, wait_for_port

RECIPES = recipes()

real = pytest.param(REAL, marks=pytest.mark.slow)


UNFINISHED = (
    ".syncthing.IMG_0001.JPG.tmp",
    "~syncthing~IMG_0001.JPG.tmp",
    ".IMG_0001.JPG.~4f2a",
    "IMG_0001.JPG.part",
    "IMG_0001.JPG.filepart",
    "IMG_0001.JPG.!sync",
    "IMG_0001.JPG.tmp",
)
"""What a photo is called while Syncthing-Fork, Nextcloud, Resilio Sync and others transfer it."""

PHOTO, HEIC = BytesIO(), BytesIO()
Image.new("RGB", (96, 64), "red").save(PHOTO, "JPEG")
pillow_heif.from_pillow(Image.new("RGB", (96, 64), "blue")).save(HEIC)


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def module() -> str:
    """The program that is on the path."""
    return LIGHT


@pytest.fixture
def desk(tmp_path: Path, module: str) -> Iterator[Desk]:
    """A person who has installed it."""
    person = Desk(tmp_path / "home", module)
    yield person
    person.leave()


def test_no_recipe_has_a_block_that_is_not_run() -> None:
    """A block that is added here needs a test that follows it."""
    assert {heading: [block.language for block in blocks] for heading, blocks in RECIPES.items() if blocks} == {
        "Syncthing": ["sh", "yaml", "sh"],
        "rclone bisync": ["sh", "yaml", "sh"],
        "A NAS share": ["fstab", "sh", "yaml"],
        "Two daemons in a chain": ["yaml", "yaml", "sh"],
        "cron": ["cron", "yaml"],
        "A container": ["sh", "sh"],
        "A phone": ["yaml"],
    }


@needs("findmnt")
def test_the_lines_for_fstab_are_such(tmp_path: Path) -> None:
    block, *_ = RECIPES["A NAS share"]
    (tmp_path / "fstab").write_text(block.text)
    asked = ["findmnt", "--tab-file", tmp_path / "fstab", "--noheadings", "--raw", "--output", "SOURCE,TARGET,FSTYPE"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert found.splitlines() == ["//nas/aura /srv/nas cifs", "nas:/aura /srv/nfs nfs"]


@pytest.mark.parametrize("module", [LIGHT, real])
def test_what_one_daemon_draws_the_next_one_captions(desk: Desk, module: str) -> None:
    desk.follow(*RECIPES["Two daemons in a chain"])
    desk.drop("~/aura/inbox/cat.yaml")
    desk.drop("~/aura/inbox/bad.yaml", b"steps: 0\n")
    desk.until_there("~/aura/captions/cat.txt", "~/aura/captions/cat.json", "~/aura/pictures/failed/bad.yaml.json")
    desk.until_there("~/aura/pictures/index.html")
    if module is REAL:
        desk.until(lambda: any(desk.place("~/aura/pictures").rglob("*.webp")), "no thumbnail came")
    desk.drop("~/aura/inbox/dog.yaml")
    desk.until_there("~/aura/captions/dog.json")
    of_pictures = ["cat.json", "cat.txt", "dog.json", "dog.txt"]
    assert results_in(desk, "~/aura/captions") == of_pictures, "the gallery of the first one is nothing to caption"
    desk.type("aura-daemon service print --user --name aura-draw --config ~/aura/draw/aura.yaml > ~/unit")
    assert f"--config {desk.home}/aura/draw/aura.yaml" in (desk.home / "unit").read_text()
    assert {"cat.png", "cat.json", "dog.png", "failed/bad.yaml"} <= set(desk.files("~/aura/pictures"))
    assert json.loads(desk.place("~/aura/captions/health.json").read_bytes())["jobs"]["failed"] == 0


def results_in(desk: Desk, path: str) -> list[str]:
    """The files of an outbox, without those that tell of the daemon."""
    told = ("health.json", "index.html")
    return [name for name in desk.files(path) if name not in told and not name.startswith("aura-gallery/")]


def crontab_line() -> str:
    (block,) = (block for block in RECIPES["cron"] if block.language == "cron")
    (line,) = (line for line in block.text.splitlines() if not line.startswith("#"))
    return line


@pytest.mark.parametrize("module", [LIGHT, real])
def test_cron_drains_the_inbox_with_nothing_but_crons_environment(desk: Desk) -> None:
    desk.follow(*(block for block in RECIPES["cron"] if block.language == "yaml"))
    for folder in ("~/aura/inbox", "~/aura/outbox"):
        desk.place(folder).mkdir(parents=True)
    command = " ".join(crontab_line().split()[5:])
    assert "%" not in command, "cron makes a line feed of it"

    def as_cron() -> subprocess.CompletedProcess[str]:
        bare = {"HOME": str(desk.home), "LOGNAME": "somebody", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            ["/bin/sh", "-c", command], cwd=desk.home, env=bare, capture_output=True, text=True, timeout=DEADLINE_S
        )

    desk.drop("~/aura/inbox/cat.yaml")
    ran = as_cron()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert {"cat.png", "cat.json"} <= set(desk.files("~/aura/outbox"))
    desk.drop("~/aura/inbox/bad.yaml", b"steps: 0\n")
    ran = as_cron()
    assert "bad.yaml" in ran.stdout, "cron mails what went wrong"
    assert len(ran.stdout.splitlines()) <= 5
    desk.drop("~/aura/inbox/dog.yaml")
    with desk.place("~/aura/once.lock").open("ab") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        ran = as_cron()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", ""), "a run that is still busy keeps the next one out"
    assert desk.files("~/aura/inbox") == ["dog.yaml"]


@needs("crontab")
def test_cron_understands_the_line(tmp_path: Path) -> None:
    (block,) = (block for block in RECIPES["cron"] if block.language == "cron")
    (tmp_path / "table").write_text(block.text)
    asked = subprocess.run(["crontab", "-n", tmp_path / "table"], capture_output=True, text=True, check=False)
    if "invalid option" in asked.stderr:
        pytest.skip("this crontab cannot check without installing")
    assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize("module", [LIGHT, real])
def test_what_the_apps_of_phones_write_is_taken_when_it_is_there_under_its_name(desk: Desk) -> None:
    for folder in ("~/aura/inbox", "~/aura/outbox"):
        desk.place(folder).mkdir(parents=True)
    desk.follow(*RECIPES["A phone"])
    for name in UNFINISHED:
        desk.place(f"~/aura/inbox/{name}").write_bytes(PHOTO.getvalue())
    desk.type("aura-daemon once")
    assert desk.files("~/aura/inbox") == sorted(name for name in UNFINISHED if not name.startswith("."))
    assert results_in(desk, "~/aura/outbox") == [], "half a photo was taken"
    for name in UNFINISHED:
        desk.place(f"~/aura/inbox/{name}").rename(desk.place("~/aura/inbox/IMG_0001.JPG"))
    desk.place("~/aura/inbox/IMG_0002.HEIC").write_bytes(HEIC.getvalue())
    desk.place("~/aura/inbox/CAT.TXT").write_bytes(b"a small red circle on a blue background")
    desk.type("aura-daemon once")
    results = set(desk.files("~/aura/outbox"))
    assert {"IMG_0001.txt", "IMG_0001.json", "IMG_0002.txt", "IMG_0002.json", "CAT.png", "CAT.json"} <= results
    assert desk.files("~/aura/inbox") == ["CAT.TXT", "IMG_0001.JPG", "IMG_0002.HEIC"], (
        "nothing disappears from the phone"
    )


# -- with real tools ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs("syncthing")
def test_syncthing_brings_prompts_here_and_pictures_there(tmp_path: Path) -> None:
    *on_the_server, on_the_laptop = RECIPES["Syncthing"]
    server, laptop = Desk(tmp_path / "server"), Desk(tmp_path / "laptop")
    try:
        ids, ports = zip(*(running_syncthing(desk) for desk in (server, laptop)), strict=True)
        server.follow(*on_the_server, LAPTOP=ids[1])
        laptop.follow(on_the_laptop, SERVER=ids[0])
        for desk, other, port in ((server, ids[1], ports[1]), (laptop, ids[0], ports[0])):
            desk.type(f"syncthing cli config devices {other} addresses add tcp://127.0.0.1:{port}")
        server.type("aura-daemon run & echo $! > ~/daemon.pid")
        laptop.drop("~/aura/inbox/cat.yaml")
        laptop.until_there("~/aura/outbox/cat.png", "~/aura/outbox/cat.json")
        assert "sources are treated as `keep`" in server.log()
        assert laptop.files("~/aura/inbox") == ["cat.yaml"], "what was dropped stays"
        assert not laptop.place("~/aura/inbox/.aura").exists(), "the daemon's own files went to the laptop"
        assert not laptop.place("~/aura/outbox/.aura").exists(), "the daemon's own files went to the laptop"
        server.type("kill $(cat ~/daemon.pid); while kill -0 $(cat ~/daemon.pid); do sleep 0.1; done")
        laptop.drop("~/aura/inbox/dog.yaml")
        server.until_there("~/aura/inbox/dog.yaml")
        server.type("aura-daemon once", AURA_SOURCES="archive")
        laptop.until(lambda: "dog.yaml" not in laptop.files("~/aura/inbox"), "what is done did not disappear")
        laptop.until_there("~/aura/outbox/dog.png")
    finally:
        laptop.leave()
        server.leave()


def running_syncthing(desk: Desk) -> tuple[str, int]:
    """An instance as a person has it, but on loopback and with ports of its own; returns its ID and its port."""
    port = free_port()
    desk.type("syncthing generate --no-default-folder")
    file = next(desk.home.rglob("syncthing/config.xml"))
    text = file.read_text()
    for key, value in (
        ("listenAddress", f"tcp://127.0.0.1:{port}"),
        *((key, "false") for key in ("globalAnnounceEnabled", "localAnnounceEnabled", "relaysEnabled", "natEnabled")),
        ("crashReportingEnabled", "false"),
        ("reconnectionIntervalS", "2"),
        ("urAccepted", "-1"),
    ):
        text = re.sub(f"<{key}>.*?</{key}>", f"<{key}>{value}</{key}>", text)
    text = re.sub(r"(<gui [^>]*>\s*<address>)[^<]*", rf"\g<1>127.0.0.1:{free_port()}", text)
    file.write_text(re.sub(r'(<minDiskFree unit="%">)1', r"\g<1>0", text))
    desk.type("syncthing serve --no-browser --no-restart --no-upgrade > ~/syncthing.log 2>&1 &")
    wait_for_port(port)
    desk.type("until syncthing cli show system > ~/system.json; do sleep 0.2; done")
    return json.loads((desk.home / "system.json").read_bytes())["myID"], port


@pytest.mark.slow
@needs("rclone")
def test_rclone_bisync_brings_prompts_here_and_pictures_there(desk: Desk, tmp_path: Path) -> None:
    first, configuration, again = RECIPES["rclone bisync"]
    cloud = tmp_path / "cloud"
    cloud.mkdir()
    (desk.home / "rclone.conf").write_text(f"[cloud]\ntype = alias\nremote = {cloud}\n")
    desk.follow(first, configuration)
    desk.type("aura-daemon run &")
    for name in ("cat", "dog"):
        (cloud / "aura" / "inbox" / f"{name}.yaml").write_bytes(f"prompt: a {name}\n".encode())
        desk.follow(again)
        desk.until_there(f"~/aura/outbox/{name}.json")
    desk.follow(again)
    names = {file.name for file in (cloud / "aura" / "outbox").iterdir()}
    assert {"cat.png", "cat.json", "dog.png", "dog.json", "index.html"} <= names
    there = sorted(file.name for file in (cloud / "aura" / "inbox").iterdir())
    assert there == ["RCLONE_TEST", "cat.yaml", "dog.yaml"], "what was dropped stays, and nothing of ours came along"
    (cloud / "aura" / "inbox" / "cat.yaml").unlink()
    desk.follow(again)
    assert desk.files("~/aura/inbox") == ["RCLONE_TEST", "dog.yaml"]
    assert desk.files("~/aura/outbox/failed") == []
    desk.drop("~/aura/inbox/bird.yaml")
    desk.drop("~/aura/inbox/cow.yaml")
    desk.follow(again)
    for name in ("bird", "cow", "dog"):  # as `sources: archive` would
        desk.place(f"~/aura/inbox/{name}.yaml").unlink()
    with pytest.raises(AssertionError, match="too many deletes"):
        desk.follow(again)


@pytest.mark.slow
@needs("rclone", "smbd", "fusermount3")
def test_a_share_is_polled(desk: Desk, tmp_path: Path) -> None:
    _, mount, configuration = RECIPES["A NAS share"]
    with samba(tmp_path / "nas") as (share, port):
        (desk.home / "rclone.conf").write_text(f"[nas]\ntype = smb\nhost = 127.0.0.1\nport = {port}\nuser = guest\n")
        try:
            desk.follow(mount, configuration)
            desk.type("aura-daemon run &")
            (share / "inbox" / "cat.yaml").write_bytes(b"prompt: a cat\n")
            desk.until((share / "outbox" / "cat.json").exists, "no picture came")
            assert (share / "outbox" / "cat.png").exists()
            health = json.loads((share / "outbox" / "health.json").read_bytes())
            assert health["polls_because"]
        finally:
            desk.leave()
            subprocess.run(["fusermount3", "-u", "-z", desk.place("~/nas")], check=False, capture_output=True)


@contextmanager
def samba(folder: Path) -> Iterator[tuple[Path, int]]:
    """A server whose share `aura` is a folder; gives the folder and the port."""
    share, port = folder / "share", free_port()
    share.mkdir(parents=True)
    places = "".join(
        f"{key} = {folder}\n"
        for key in (
            "lock directory",
            "state directory",
            "cache directory",
            "pid directory",
            "private dir",
            "ncalrpc dir",
        )
    )
    (folder / "smb.conf").write_text(
        f"[global]\nsmb ports = {port}\ninterfaces = 127.0.0.1\nbind interfaces only = yes\nmap to guest = Bad User\n"
        f"disable spoolss = yes\nload printers = no\nlog file = {folder}/log\n{places}"
        f"[aura]\npath = {share}\nguest ok = yes\nread only = no\nforce user = {getpass.getuser()}\n"
    )
    command = ["smbd", "--foreground", "--no-process-group", f"--configfile={folder}/smb.conf", "--debug-stdout"]
    with (
        (folder / "said").open("wb") as said,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True) as server,
    ):
        try:
            wait_for_port(port)
            yield share, port
        finally:
            os.killpg(server.pid, signal.SIGKILL)
