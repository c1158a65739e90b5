"""The bytes of a document that we publish."""

from __future__ import annotations

import json

from pydantic import BaseModel

from aura_daemon.formats.json_document import json_document


class Report(BaseModel):
    reason: str


def test_a_document_is_readable_and_ends_with_a_newline() -> None:
    assert json_document(Report(reason="schön")) == '{\n  "reason": "schön"\n}\n'.encode()


def test_half_a_character_does_not_keep_a_report_from_being_written() -> None:
    content = json_document(Report(reason="caf\udce9: no such file"))
    assert json.loads(content.decode("utf-8")) == {"reason": "caf?: no such file"}
