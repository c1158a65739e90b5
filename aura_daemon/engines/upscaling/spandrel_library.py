"""spandrel without torchvision: two of its architectures import it, for faces and for filling in, which are refused.

torchvision is a library in C++ that has to fit torch's build, and transformers prepares pictures otherwise beside it.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any, Final

_STOOD_IN: Final = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
_NAMES: Final = ("InterpolationMode", "rotate", "normalize")


def is_installed() -> bool:
    """Whether spandrel is there."""
    return importlib.util.find_spec("spandrel") is not None


def spandrel() -> Any:
    """The library; raises ImportError where it or einops is not installed."""
    if "spandrel" in sys.modules or any(name in sys.modules for name in _STOOD_IN):
        return importlib.import_module("spandrel")
    modules = {name: ModuleType(name) for name in _STOOD_IN}
    for name in _NAMES:
        setattr(modules[_STOOD_IN[-1]], name, None)
    sys.modules.update(modules)
    try:
        return importlib.import_module("spandrel")
    finally:
        for name in _STOOD_IN:
            sys.modules.pop(name, None)
