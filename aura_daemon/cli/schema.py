"""`schema`: the JSON Schema of a document."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aura_daemon.config.loading import config_schema
from aura_daemon.formats.sidecars.schema import Sidecar
from aura_daemon.health.document import Health
from aura_daemon.jobfile.folder_defaults import defaults_schema
from aura_daemon.jobfile.schema import job_schema


def schema(name: str) -> int:
    """Prints the JSON Schema of a document."""
    schemas: dict[str, Callable[[], dict[str, Any]]] = {
        "job": job_schema,
        "config": config_schema,
        "defaults": defaults_schema,
        "sidecar": lambda: Sidecar.model_json_schema(by_alias=True),
        "health": lambda: Health.model_json_schema(by_alias=True),
    }
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schemas[name]()}
    print(json.dumps(document, indent=2))
    return 0
