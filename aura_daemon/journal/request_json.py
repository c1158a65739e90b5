"""A request as the journal holds it, and back; apart from the parser, so that reading a journal needs none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aura_daemon.jobs.requests import (
    CaptionRequest,
    EmbeddedSettings,
    GenerateRequest,
    GridRequest,
    Hires,
    ImageFormat,
    JobKind,
    Lora,
    Metadata,
    Request,
    kind_of,
)


def request_to_dict(request: Request) -> dict[str, object]:
    """For the journal."""
    return {"task": kind_of(request).value, **asdict(request)}


def request_from_dict(fields: Mapping[str, Any]) -> Request:
    """From the journal; what an older version did not know yet has its default."""
    values = {key: value for key, value in fields.items() if key != "task"}
    if fields["task"] == JobKind.CAPTION:
        return CaptionRequest(**values)
    if fields["task"] == JobKind.GRID:
        return GridRequest(
            cells=tuple(values["cells"]),
            columns=values["columns"],
            column_labels=tuple(values["column_labels"]),
            row_labels=tuple(values["row_labels"]),
            cell_labels=tuple(values.get("cell_labels", ())),
        )
    values["loras"] = tuple(Lora(**lora) for lora in values.get("loras", ()))
    values["tags"] = tuple(values.get("tags", ()))
    values["hires"] = Hires(**values["hires"]) if values.get("hires") else None
    if values.get("embedded"):
        values["embedded"] = EmbeddedSettings(**{**values["embedded"], "lost": tuple(values["embedded"]["lost"])})
    for key, choice in (("format", ImageFormat), ("metadata", Metadata)):
        values[key] = choice(values[key]) if values.get(key) else None
    return GenerateRequest(**values)
