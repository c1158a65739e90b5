"""The process that converts models is shut in: it reads models, writes converted ones, and gets at nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from aura_daemon.config.engine import EngineSettings
from aura_daemon.config.settings import WORKERS
from aura_daemon.workers.converting.conversions import ModelConversions
from aura_daemon.workers.converting.convert_main import NOT_SHUT_IN
from aura_daemon.workers.local.reach import reach_of_conversions
from tests.support.escapes import ESCAPES, OF_A_CHANNEL
from tests.support.escaping_conversion import SAID
from tests.support.escaping_worker import LAID
from tests.unit.workers.converting.test_conversions import WISH
from tests.unit.workers.local.test_worker_sandbox import ROOT, lay_out, needs_a_sandbox, sandbox_of, settings_in

WITHOUT_LANDLOCK = """
import sys
from aura_daemon.system.sandbox import landlock
landlock.version = lambda: 0
from aura_daemon.workers.converting import convert_main
convert_main.LOWEST = 0
sys.exit(convert_main.main(int(sys.argv[1])))
"""


def carried_out(folder: Path, command: Sequence[str], laid: dict[str, object]) -> int:
    """The exit code of a process that got a wish."""
    sandbox = sandbox_of(settings_in(folder), name="conversions", reaches=reach_of_conversions)
    environment = {"PYTHONPATH": str(ROOT), "CACHE_DIRECTORY": str(folder / "cache"), LAID: json.dumps(laid)}
    conversions = ModelConversions(EngineSettings(), environment=environment, sandbox=sandbox, command=command)
    conversions.convert(WISH)
    try:
        return conversions.wait()
    finally:
        conversions.stop()
        assert list((folder / "state" / WORKERS).iterdir()) == []


@needs_a_sandbox
def test_what_a_conversion_that_was_taken_over_tries_is_refused(tmp_path: Path) -> None:
    with ExitStack() as stack:
        laid = lay_out(tmp_path, stack)
        command = (sys.executable, "-P", "-m", "tests.support.escaping_conversion")
        assert carried_out(tmp_path, command, laid) == 0
    said = json.loads((tmp_path / "cache" / "openvino" / SAID).read_text(encoding="utf-8"))
    assert said == dict.fromkeys(ESCAPES.keys() - set(OF_A_CHANNEL), "refused")
    there = {str(place.relative_to(tmp_path)) for place in tmp_path.glob("[hio]*/*")}
    assert there == {"in/job.yaml", "out/cat.json", "home/bait", "home/secret"}


def test_where_strict_cannot_be_kept_nothing_is_converted(tmp_path: Path) -> None:
    assert carried_out(tmp_path, (sys.executable, "-P", "-c", WITHOUT_LANDLOCK), {}) == NOT_SHUT_IN
    assert list((tmp_path / "cache" / "openvino").iterdir()) == []
