"""Options that several commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from aura_daemon.cli.shell import completing


class LogFormat(StrEnum):
    """The form of the log."""

    TEXT = "text"
    JSON = "json"


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Configuration file; docs/configuration.md says where else it is found.",
        autocompletion=completing.files,
    ),
]
LogFormatOption = Annotated[LogFormat | None, typer.Option("--log-format", help="Text for people, JSON for machines.")]
MakeFoldersOption = Annotated[
    bool, typer.Option("--make-folders", help="Make inbox and outbox where they are missing: for the first start.")
]
