"""The file extensions of job files, images and all else that has captions; the schema names in what we write."""

from __future__ import annotations

from typing import Final

SIDECAR_SCHEMA: Final = "aura-daemon/sidecar/1"
HEALTH_SCHEMA: Final = "aura-daemon/health/1"
FAILURE_SCHEMA: Final = "aura-daemon/failure/1"
JOB_FILE_EXTENSIONS: Final = (".yaml", ".yml")
SIDECAR_EXTENSION: Final = ".json"
CAPTION_SIDECAR_EXTENSION: Final = ".txt.json"
"""Of a caption beside a picture that was drawn from a text of the same name, which came before its own picture."""
TABLE_EXTENSIONS: Final = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
"""Of tables of prompts; a `.json` may be a sidecar instead."""
LINE_EXTENSIONS: Final = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson")
"""Of files to which programs add line by line."""
IMAGE_EXTENSIONS: Final = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif"),
    *(".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif"),
    *(".pnm", ".ppm", ".pgm", ".pbm"),
)

SUBMITTED_EXTENSIONS: Final = frozenset((*JOB_FILE_EXTENSIONS, *TABLE_EXTENSIONS, *IMAGE_EXTENSIONS, ".txt"))
"""Of all files that ask for jobs."""

FURTHER_IMAGES: Final = (
    ".jif .jxl .jp2 .j2k .apng .ico .tga .dds .psd .psb .xcf .kra .clip .svg .exr .hdr .pcx .qoi .eps .ai .icns .wmf"
    " .emf"
)
RAW_PHOTOS: Final = (
    ".raw .dng .cr2 .cr3 .crw .nef .nrw .arw .sr2 .srf .orf .raf .rw2 .pef .srw .x3f .3fr .erf .kdc .mrw .mef .iiq .rwl"
)
FILMS: Final = ".mov .mp4 .m4v .webm .mkv .avi .3gp .mpg .mpeg .mts .wmv .flv"
_SCANS: Final = ".pdf .djvu"

PICTURE_EXTENSIONS: Final = frozenset((*IMAGE_EXTENSIONS, *f"{FURTHER_IMAGES} {RAW_PHOTOS} {FILMS} {_SCANS}".split()))
"""All that people keep a text beside, whether it can be read here or not: training sets hold films too, and beside a
scan lies what a program has read in it."""


def extension_of(name: str) -> str:
    """The extension in lower case with its dot; empty where there is none."""
    stem, dot, extension = name.rpartition(".")
    return dot + extension.lower() if stem else ""
