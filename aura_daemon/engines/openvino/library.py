"""openvino without its telemetry. Everything here imports the library from this module.

openvino and nncf would report each conversion to Intel by way of Google Analytics, and leave an identity in the home
folder. Both do without where the package that does it cannot be imported.
"""

from __future__ import annotations

import sys
from typing import Any, Final, cast

TELEMETRY: Final = "openvino_telemetry"

cast(dict[str, Any], sys.modules).setdefault(TELEMETRY, None)  # None: importing it raises ModuleNotFoundError

import openvino  # noqa: E402 - it asks for its telemetry while it is imported
from openvino import opset13  # noqa: E402

__all__ = ["openvino", "opset13"]
