"""Something short is done again and again, in a thread of its own, while something long runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(act: Callable[[], object], every_s: float, *, name: str, most_s: float = float("inf")) -> Iterator[None]:
    """Calls `act` every so many seconds meanwhile, the first time after as many, and no more after `most_s` seconds.

    `name`: of the thread. No call runs any more when this returns.
    """
    over = threading.Event()

    def repeat() -> None:
        passed_s = every_s
        while passed_s <= most_s and not over.wait(every_s):
            act()
            passed_s += every_s

    thread = threading.Thread(target=repeat, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
