"""What may this account not use? `python -m aura_daemon.service.access_child rPLACE wPLACE …`, run as the account.

In: places to read (`r`) and to write (`w`). Out: a line for each that is closed, as it was given.
"""

from __future__ import annotations

import os
import sys


def main(places: list[str]) -> None:
    """Prints every place that is closed to this process."""
    for place in places:
        what, path = place[0], place[1:]
        needed = os.R_OK
        if os.path.isdir(path):  # noqa: PTH112 - never raises
            needed |= os.X_OK | (os.W_OK if what == "w" else 0)
        if not os.access(path, needed):
            sys.stdout.write(f"{place}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
