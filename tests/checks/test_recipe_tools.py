"""docs/recipes.md with the real tools, where they are installed: what they bring becomes pictures, at both ends."""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.recipes import Desk, needs, recipes
from tests.torture.tools import free_port, wait_for_port

pytestmark = pytest.mark.slow

RECIPES = recipes()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A person who has installed it."""
    person = Desk(tmp_path / "home")
    yield person
    person.leave()


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
