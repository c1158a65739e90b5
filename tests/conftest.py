"""Fixtures that several packages' tests share. `House` is imported only by the fixtures that need the daemon."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from loguru import logger

from tests.support.examples import FEW

if TYPE_CHECKING:
    from tests.support.house import Door, House

# How fast a machine draws examples, and tries them, says nothing of what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", settings.get_profile("any machine"), max_examples=FEW, derandomize=True)
settings.load_profile("any machine")

Mount = Callable[..., Path]

TOGETHER = ("tests/unit/engines/openvino/",)
"""Folders whose files run in one process: what they share takes as long as the tests themselves."""

LONG = (
    "tests/unit/engines/openvino/test_faulty.py",
    "tests/unit/engines/placement/test_rungs.py",
    "tests/behaviour/test_crashes.py",
    "tests/unit/cli/setup/test_fetch.py",
    "tests/behaviour/test_torture.py",
    "tests/unit/cli/test_commands.py",
    "tests/behaviour/test_contract.py",
    "tests/unit/daemon/test_loop.py",
    "tests/behaviour/test_stopping.py",
    "tests/browser/test_gallery_pages.py",
    "tests/unit/engines/stable_diffusion/test_fields.py",
    "tests/unit/engines/stable_diffusion/guidance/regions/test_regions.py",
    "tests/unit/engines/stable_diffusion/guidance/controls/test_controlled_unet.py",
    "tests/unit/engines/stable_diffusion/guidance/test_picture_prompts.py",
    "tests/behaviour/test_meaning.py",
    "tests/unit/bench/test_captions.py",
    "tests/unit/engines/stable_diffusion/test_prompts_in_turn.py",
    "tests/unit/engines/model_files/test_hub.py",
    "tests/unit/engines/stable_diffusion/loras/test_lora.py",
    "tests/unit/test_elsewhere.py",
    "tests/behaviour/test_reloading.py",
    "tests/unit/system/test_mount_guard.py",
    "tests/unit/workers/test_real_child.py",
    "tests/unit/workers/local/test_process.py",
    "tests/unit/engines/stable_diffusion/test_speeds.py",
    "tests/unit/engines/stable_diffusion/test_generator.py",
    "tests/unit/engines/test_library_imports.py",
    "tests/behaviour/test_service.py",
    "tests/behaviour/test_recipes.py",
    "tests/behaviour/test_hooks_through_crashes.py",
    "tests/behaviour/test_benchmarking.py",
    "tests/unit/gallery/test_gallery.py",
    "tests/unit/engines/model_files/test_looking.py",
    "tests/unit/training/test_distilling.py",
    "tests/behaviour/test_living.py",
    "tests/unit/daemon/test_commands.py",
    "tests/unit/cli/setup/test_doctor.py",
    "tests/field/test_field.py",
    "tests/behaviour/test_old_journal.py",
)
"""Test files that take 7 s or more with what they wait for, the longest first; one stands for its folder."""


IN_MEMORY = Path("/dev/shm")
"""A file system that waits for no disk: every durable write syncs a file and its folder, thousands of times a run."""

LEAST_FREE_BYTES = 2 << 30
"""What the tests' folders may need: a tenth of it is usual."""


def pytest_configure() -> None:
    """Puts the tests' folders into memory, unless PYTEST_DEBUG_TEMPROOT names a place, and shares out the cores.

    Each of several test processes, and its children, has one core; torch reads the variable at import.
    """
    with suppress(OSError):
        if sys.platform == "linux" and shutil.disk_usage(IN_MEMORY).free >= LEAST_FREE_BYTES:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    gc.disable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deals out files, and the folders of `TOGETHER` whole."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _unit_of(nodeid)

    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs the long files first where several processes share the tests: none starts one when the others are done."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = {_unit_of(file): number for number, file in enumerate(LONG)}
        items.sort(key=lambda item: place.get(_unit_of(item.nodeid), len(LONG)))


def _unit_of(nodeid: str) -> str:
    """The file of a test, or the folder whose files stay together."""
    file = nodeid.split("::", 1)[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def pytest_collection_finish() -> None:
    """Exempts everything imported and collected so far from garbage collection."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """Empty folders, and an environment without settings of ours."""
    for name in [name for name in os.environ if name.startswith("AURA_")]:
        monkeypatch.delenv(name)
    from tests.support.house import House

    return House(tmp_path)


@pytest.fixture
def door(house: House) -> Iterator[Door]:
    """The parts between inbox and outbox on those folders, with a journal that is closed after the test."""
    from tests.support.house import Door

    opened = Door(house)
    yield opened
    opened.close()


@pytest.fixture
def no_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the kernel refuse leases, as on a network share or for files of other users: writers remain unknown."""
    import fcntl

    def refuse(*_: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(fcntl, "fcntl", refuse)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of the log, each `LEVEL message`."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message).strip()), level="DEBUG", format="{level} {message}")
    yield lines
    with suppress(ValueError):
        logger.remove(sink)


@pytest.fixture
def place_for_all() -> Iterator[Path]:
    """A folder that everybody may enter, though pytest's own belong to one user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts real file systems; skips the test where the process may not mount."""
    with ExitStack() as mounted:

        def do(place: Path, *arguments: str) -> Path:
            ran = subprocess.run(["mount", *arguments, str(place)], capture_output=True, text=True, check=False)
            if ran.returncode != 0:
                pytest.skip(f"cannot mount here: {ran.stderr.strip()}")
            mounted.callback(subprocess.run, ["umount", "-l", str(place)], check=False, capture_output=True)
            return place

        try:
            yield do
        finally:
            mounted.close()


@pytest.fixture
def small_disk(mount: Mount, tmp_path: Path) -> Path:
    """A file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    return mount(place, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
