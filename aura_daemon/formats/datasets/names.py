"""The names of the files of a set of captioned pictures: a stem, and what comes behind it."""

from __future__ import annotations

from typing import Final

STEM: Final = "metadata"
"""Hugging Face's loader of folders of images looks for `metadata.jsonl`."""

METADATA: Final = ".jsonl"

TABLE: Final = "-table.csv"
"""The loader wants one file of metadata: no `metadata.csv` may lie beside `metadata.jsonl`."""

CONTACT_SHEET: Final = "-sheet.html"
