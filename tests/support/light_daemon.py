"""`aura-daemon` itself, with workers that need no torch: `python -m tests.support.light_daemon run`.

`AURA_TEST_DIE_AT=journal.claim:after:3` makes it kill itself at that moment; see `tests.support.dying`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Any, Final

from aura_daemon.cli.app import main
from aura_daemon.workers.cluster.driver import COMMAND as DRIVER
from aura_daemon.workers.local.process import CHILD

DIE_AT: Final = "AURA_TEST_DIE_AT"

LIGHT_WORKER: Final = "tests.support.light_worker"

LIGHT_DRIVER: Final = "tests.support.light_driver"

LIGHT: Final = {CHILD[-1]: LIGHT_WORKER, DRIVER[-1]: LIGHT_DRIVER}
"""What starts in place of what holds the models, or has actors hold them."""


class LightPopen(subprocess.Popen[bytes]):
    """Starts light workers in place of those that hold models."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        super().__init__([LIGHT.get(part, part) for part in command], **options)


if __name__ == "__main__":
    if (moment := os.environ.get(DIE_AT)) is not None:
        from tests.support import dying  # half a second of every other start

        dying.die_at(moment)
    subprocess.Popen = LightPopen  # type: ignore[misc,assignment]
    main()
