"""The file extensions of job files and images, and the schema names in the documents that we write."""

from __future__ import annotations

from typing import Final

SIDECAR_SCHEMA: Final = "aura-daemon/sidecar/1"
HEALTH_SCHEMA: Final = "aura-daemon/health/1"
FAILURE_SCHEMA: Final = "aura-daemon/failure/1"
JOB_FILE_EXTENSIONS: Final = (".yaml", ".yml")
SIDECAR_EXTENSION: Final = ".json"
TABLE_EXTENSIONS: Final = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
"""Of tables of prompts; a `.json` may be a sidecar instead."""
LINE_EXTENSIONS: Final = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson")
"""Of files to which programs add line by line."""
IMAGE_EXTENSIONS: Final = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif"),
    *(".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif"),
)


def extension_of(name: str) -> str:
    """The extension in lower case with its dot; empty where there is none."""
    stem, dot, extension = name.rpartition(".")
    return dot + extension.lower() if stem else ""
