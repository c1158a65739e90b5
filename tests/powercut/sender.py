"""Delivers files inside the machine, and says of each when all of its fsyncs have returned.

A program of its own that imports little: in the control of the check the daemon's fsyncs do nothing, these do.
In: a file with a list of name, content in hex and way. Out: a line before each file is written and one when it is
durable, on a serial line whose other end is outside the machine.
"""

import hashlib
import json
import os
import sys
import time

PAUSE_S = 0.02
"""Between two parts of a file."""


def main(inbox: str, place: str) -> None:
    with open(place, encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes as long to import as all of this
        sendings = json.load(file)
    for sending in sendings:
        content = bytes.fromhex(sending["content"])
        digest = hashlib.sha256(content).hexdigest()
        _say("sending", digest)
        if deliver(inbox, sending["name"], content, sending["way"]):
            _say("durable", digest)


def deliver(inbox: str, name: str, content: bytes, way: str) -> bool:
    """Delivers a file; False where nobody has made it durable."""
    target = f"{inbox}/{name}"
    folder, _, last = target.rpartition("/")
    if not os.path.isdir(folder):  # noqa: PTH112
        os.mkdir(folder)  # noqa: PTH102
        _sync_folder(inbox)
    is_renamed = way.startswith("renamed")
    place = f"{folder}/.{last}.tmp" if is_renamed else target
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    half = len(content) // 2
    os.write(descriptor, content[:half])
    time.sleep(PAUSE_S)
    os.write(descriptor, content[half:])
    if way == "unsynced":
        os.close(descriptor)
        return False
    if way == "renamed first":
        os.rename(place, target)  # noqa: PTH104
    os.fsync(descriptor)
    os.close(descriptor)
    if way == "renamed":
        os.rename(place, target)  # noqa: PTH104
    _sync_folder(folder)
    return True


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)


def _say(kind: str, value: str) -> None:
    os.write(1, f'@@ {kind} "{value}"\n'.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
