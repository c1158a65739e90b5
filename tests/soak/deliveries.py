"""Mixed jobs, as users drop them: drawings, captions, lists, sets, files that are no jobs, the same file again."""

from __future__ import annotations

import io
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from tests.soak.fates import Fates
from tests.soak.worker import PROMPT_FOR_THE_ENGINE
from tests.support.house import PNG

SET: Final = 4
"""Pictures of a set."""

SLOW: Final = 4
"""Pieces in which a slow writer writes."""

SLOW_S: Final = 0.05
"""Between two of them."""


class Sender:
    """Drops files into an inbox."""

    def __init__(self, inbox: Path, fates: Fates, *, seed: int, engine: bool) -> None:
        """`inbox`: where it lies on the disk, mounted or not. `engine`: one job in ten is for aura-mini."""
        self._inbox = inbox
        self._fates = fates
        self._dice = random.Random(seed)
        self._number = 0
        kinds: dict[Callable[[str], int], int] = {
            self._drawing: 30,
            self._picture: 14,
            self._lines: 4,
            self._table: 3,
            self._documents: 3,
            self._several: 3,
            self._set: 2,
            self._wrong_key: 4,
            self._no_picture: 4,
            self._twins: 3,
        }
        if engine:
            kinds |= {self._drawn: 6, self._photo: 6}
        self._kinds, self._weights = list(kinds), list(kinds.values())
        self.dropped: list[str] = []
        """Names of files, in their order."""

    def drop(self) -> int:
        """Drops something; returns how many jobs it is."""
        self._number += 1
        (kind,) = self._dice.choices(self._kinds, self._weights)
        return kind(f"{self._number:05}")

    def tidy(self) -> None:
        """Removes folders of sets that are empty now."""
        for folder in self._inbox.glob("*-set"):
            with suppress(OSError):
                folder.rmdir()

    # -- kinds ---------------------------------------------------------------------------------------------------------

    def _drawing(self, name: str) -> int:
        return self._put(f"{name}-drawing.yaml", f"prompt: a sheep, number {name}\n".encode())

    def _drawn(self, name: str) -> int:
        prompt = f"{PROMPT_FOR_THE_ENGINE}{self._dice.choice(('blue', 'white', 'black'))} background"
        settings = f"steps: 4\nseed: {int(name)}\n"
        return self._put(f"{name}-drawn.yaml", f"prompt: {prompt}\n{settings}".encode())

    def _picture(self, name: str) -> int:
        return self._put(f"{name}-picture.png", self._scripted_picture(name))

    def _photo(self, name: str) -> int:
        image, told, content = Image.new("RGB", (64, 64), "blue"), PngInfo(), io.BytesIO()
        ImageDraw.Draw(image).ellipse((16, 16, 48, 48), fill="red")
        told.add_text("Title", name)
        image.save(content, "PNG", pnginfo=told)
        return self._put(f"{name}-photo.png", content.getvalue())

    def _lines(self, name: str) -> int:
        return self._put(f"{name}-lines.txt", b"".join(b"%s line %d\n" % (name.encode(), n) for n in (1, 2, 3)), 3)

    def _table(self, name: str) -> int:
        return self._put(f"{name}-table.csv", f"prompt,steps\n{name} a,4\n{name} b,5\n{name} c,6\n".encode(), 3)

    def _documents(self, name: str) -> int:
        documents = "---\n".join(f"prompt: {name} document {number}\n" for number in (1, 2, 3))
        return self._put(f"{name}-documents.yaml", documents.encode(), 3)

    def _several(self, name: str) -> int:
        return self._put(f"{name}-several.yaml", f"prompt: {name}\ncount: 2\n".encode(), 2)

    def _set(self, name: str) -> int:
        """The job file first: pictures that a waiting job file names are no jobs of their own."""
        content = f'task: caption\nimages: "{name}-set/**"\n'.encode()
        staged = self._inbox / f".{name}-set.tmp"
        staged.mkdir()
        for number in range(SET):
            (staged / f"{number}.png").write_bytes(self._scripted_picture(f"{name} {number}"))
        jobs = self._put(f"{name}-set.yaml", content, SET + 1)
        staged.rename(self._inbox / f"{name}-set")
        return jobs

    def _wrong_key(self, name: str) -> int:
        return self._put(f"{name}-wrong.yaml", f"prompt: {name}\nstepz: 3\n".encode())

    def _no_picture(self, name: str) -> int:
        return self._put(f"{name}-broken.png", f"no picture {name}".encode())

    def _twins(self, name: str) -> int:
        content = f"prompt: twins {name}\n".encode()
        return self._put(f"{name}-one.yaml", content) + self._put(f"{name}-other.yaml", content)

    # -- below ---------------------------------------------------------------------------------------------------------

    def _scripted_picture(self, name: str) -> bytes:
        return PNG[:8] + json.dumps(name).encode() + PNG[-12:]

    def _put(self, name: str, content: bytes, documents: int = 1) -> int:
        """Delivers a file by rename, in place, or slowly in place; returns how many jobs it is."""
        self._fates.expect(name, content, range(1, documents + 1) if documents > 1 else (None,))
        self.dropped.append(name)
        place = self._inbox / name
        match self._dice.randrange(3):
            case 0:
                place.write_bytes(content)
            case 1:
                temp = self._inbox / f".{name}.tmp"
                temp.write_bytes(content)
                temp.rename(place)
            case _:
                with place.open("wb", buffering=0) as file:
                    for number in range(SLOW):
                        file.write(content[number * len(content) // SLOW : (number + 1) * len(content) // SLOW])
                        time.sleep(SLOW_S)
        return documents
