"""A daemon's whole state is its owner's alone; whoever else asks is told so."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

import pytest

from aura_daemon.system import private_state
from tests.support.house import PNG, House
from tests.support.programs import Program

NOBODY = 65534


def modes(folder: Path) -> dict[str, str]:
    """Path -> octal mode, of a folder and all below it."""
    places = [folder, *folder.rglob("*")]
    return {place.relative_to(folder.parent).as_posix(): oct(stat.S_IMODE(place.lstat().st_mode)) for place in places}


@pytest.mark.parametrize("sources", ["archive", "keep"])
def test_whatever_the_umask_nobody_else_reads_or_writes_it(house: House, sources: str) -> None:
    house.state.rmdir()
    house.drop("cat.yaml")
    house.drop("say.yaml", b"task: caption\nimage: sea.png\n")
    house.drop("sea.png", PNG)
    before = os.umask(0)
    try:
        with house.daemon(lambda task: None, drain=False, sources=sources) as daemon:
            daemon.start()
            daemon.turn()
            daemon.turn()
            found = modes(house.state)
            with closing(house.journal()):
                pass
            daemon.shut_down()
    finally:
        os.umask(before)
    assert {"state/journal.sqlite3", "state/journal.sqlite3-wal", "state/lock", "state/health.json"} <= found.keys()
    assert any(name.startswith("state/inputs/") for name in found)
    assert any(name.startswith("state/work/") for name in found) == (sources == "keep")
    for name, mode in found.items():
        assert mode == ("0o700" if (house.root / name).is_dir() else "0o600"), name
    for name in {name.split("/")[1] for name in found if "/" in name}:
        assert any(fnmatch(name, glob) for glob in private_state.OURS), name


def test_results_are_for_those_whom_the_umask_lets_in(house: House) -> None:
    house.drop("cat.yaml")
    before = os.umask(0o002)
    try:
        house.drain()
    finally:
        os.umask(before)
    assert stat.S_IMODE((house.outbox / "cat.png").stat().st_mode) == 0o664
    assert stat.S_IMODE((house.inbox / ".aura" / "done").stat().st_mode) == 0o775


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="takes root to act as another user")
@pytest.mark.parametrize(("mode", "file_mode"), [(0o700, 0o600), (0o755, 0o600)])
def test_another_user_is_told_whose_it_is(house: House, mode: int, file_mode: int) -> None:
    house.drop("cat.yaml")
    house.drain()
    for place in [*house.state.rglob("*"), house.state]:
        place.chmod(mode if place == house.state else file_mode if place.is_file() else 0o700)
        os.chown(place, NOBODY, NOBODY)
    as_other = Program(house, under=("setpriv", "--bounding-set=-dac_override,-dac_read_search"))
    owner = subprocess.run(["id", "-nu", str(NOBODY)], capture_output=True, text=True, check=False).stdout.strip()
    told = f"{house.state} is {owner or f'user {NOBODY}'}'s alone: ask as that user"
    for command in (("status",), ("why", "cat.yaml")):
        ran = as_other.call(*command)
        assert told in ran.stdout + ran.stderr, ran
        assert ran.returncode == 1
        assert "nothing has run here" not in ran.stdout + ran.stderr
