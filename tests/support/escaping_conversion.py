"""The process that converts models, taken over by one: `python -m tests.support.escaping_conversion PARENT_PID`.

Everything but the conversion is the product's code. It tries every escape and writes into the store what came of them.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Final

from aura_daemon.config.workers.services import WantedConversion
from aura_daemon.engines.openvino.store import ConversionStore
from aura_daemon.engines.openvino.wishes.orders import WishOrder
from aura_daemon.system.processes.running import niceness
from aura_daemon.workers.converting import convert_main
from tests.support.escapes import ESCAPES, LEFT_OPEN, OF_A_CHANNEL, Laid, tried
from tests.support.escaping_worker import LAID

SAID: Final = "said.json"


def escaping(store: ConversionStore, order: WishOrder, wish: WantedConversion) -> int:
    laid = Laid(**json.loads(os.environ[LAID]), channel=0)
    came_of = {name: tried(name, laid) for name in ESCAPES if name not in OF_A_CHANNEL}
    (store.folder / SAID).write_text(json.dumps(came_of), encoding="utf-8")
    return 0


if __name__ == "__main__":
    os.dup2(os.open(json.loads(os.environ[LAID])["home"] + "/secret", os.O_RDONLY), LEFT_OPEN)
    convert_main._convert = escaping
    convert_main.LOWEST = niceness()  # else it never comes to its turn on a busy machine
    sys.exit(convert_main.main(int(sys.argv[1])))
