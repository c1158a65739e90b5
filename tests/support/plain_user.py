"""The rights of a user for whom the modes of files count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NOBODY: Final = 65534
"""The id of the user without rights, on every Linux."""


@contextmanager
def as_a_plain_user(*, owning: Path | None = None) -> Iterator[None]:
    """Lets a test that root runs act as `nobody`, who gets all below `owning`; any other user is plain enough."""
    before = os.geteuid()
    if before == 0:
        for place in (owning, *owning.rglob("*")) if owning is not None else ():
            os.chown(place, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)
