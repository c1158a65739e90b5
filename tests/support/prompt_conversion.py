"""The child that converts for OpenVINO, at a test's own priority: `python -m tests.support.prompt_conversion PARENT`.

At the lowest one it gets what is left of the processors, which is nothing beside other work: no test would end.
"""

import sys
from typing import Final

from aura_daemon.engines.openvino import conversion_child
from aura_daemon.system.processes.running import niceness

CHILD: Final = (sys.executable, "-m", "tests.support.prompt_conversion")

if __name__ == "__main__":
    conversion_child.LOWEST = niceness()
    sys.exit(conversion_child.main(int(sys.argv[1])))
