"""Pictures that come after their texts were taken for prompts. In: a claimed image. Out: its text, back in the inbox.

A text whose job has not begun goes back to where it lay, and is the picture's caption. One that was drawn already is
not lost: it lies where done sources go, and the caption of the picture takes its name (`outbox/delivery.py`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from loguru import logger

from aura_daemon import file_names
from aura_daemon.intake.claims import Claims
from aura_daemon.jobs.lifecycle import JobState
from aura_daemon.jobs.sources import SourceKind
from aura_daemon.journal.journal import Journal
from aura_daemon.journal.records import Source


class LatePictures:
    """The pictures of one inbox whose texts came before them."""

    def __init__(self, claims: Claims, journal: Journal) -> None:
        self._claims = claims
        self._journal = journal

    def came(self, image: Source) -> list[Source]:
        """Puts the text of an image back that is queued as a prompt, and says so of one that was drawn.

        Returns texts without jobs, which are to be disposed of.
        """
        put_back = []
        for path in texts_of(image.path):
            text = self._journal.latest_source(path)
            if text is None or text.kind is not SourceKind.PROMPT_TEXT:
                continue
            states = {job.state for job in self._journal.jobs_of(text.id)}
            name, picture = file_names.escaped(path), file_names.escaped(image.path)
            if states == {JobState.QUEUED} and self._take_back(text):
                logger.info("{} is no prompt: its picture {} has come, and it is put back", name, picture)
                put_back.append(text)
            elif states - {JobState.FAILED}:
                logger.warning("{} came when {} had been taken for a prompt: see `pair_wait`", picture, name)
        return put_back

    def _take_back(self, text: Source) -> bool:
        """Withdraws the jobs of a text; the file goes first, so that a crash in between loses nothing.

        It goes as a companion, so that nothing is drawn twice either, however late the next start is.
        """
        self._journal.add_companion(text.path, text.size_bytes, text.modified_ns)
        try:
            file = self._claims.file_of(text)
            if not self._claims.is_copy(file):
                self._claims.put_back(file, text.path)
        except OSError as error:  # the text is drawn, as if the picture had come later still
            logger.warning("{} cannot be put back: {}", file_names.escaped(text.path), error.strerror)
            return False
        self._journal.withdraw(text.id)
        return True


def texts_of(image: str) -> Iterator[str]:
    """The paths of the texts that belong to an image, its accents stored in either way."""
    for stem in (image, image.rpartition(".")[0]):
        text = f"{stem}.txt"
        yield from dict.fromkeys((text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)))
