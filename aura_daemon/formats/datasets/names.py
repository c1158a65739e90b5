"""The names of the files of a set of captioned pictures: what comes behind the stem `metadata`."""

from __future__ import annotations

from typing import Final

TABLE: Final = "-table.csv"
"""Hugging Face's loader wants one file of metadata: no `metadata.csv` may lie beside `metadata.jsonl`."""

CONTACT_SHEET: Final = "-sheet.html"
