"""What is fuzzed: every reader of strangers' bytes, with what it promises. In: a name. Out: the reader.

A reader may refuse as it says that it does. Anything else is a finding, and so is an answer that differs from the one
to the same bytes before, or that breaks what the reader's docstring says. Each module imports only what its readers
need: all that is imported below a fuzzer is rewritten first, which takes seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from tests.fuzzing.targets.fuzz_target import FuzzTarget

_MODULES: Final = {
    "job_files": ("job-file", "prompt-text", "prompt-csv", "prompt-json", "sidecar"),
    "settings_in_pictures": ("infotext", "embedded"),
    "captions": ("caption-copy", "xmp"),
    "image_heads": ("image-head",),
    "prompts": ("prompt-syntax",),
    "commands": ("control-socket", "http"),
    "worker_messages": ("worker-message",),
}
"""Module -> its readers."""

NAMES: Final = tuple(name for names in _MODULES.values() for name in names)


def target_of(name: str) -> FuzzTarget:
    """Imports a reader."""
    module = next(module for module, names in _MODULES.items() if name in names)
    found: FuzzTarget = import_module(f"{__name__}.{module}").TARGETS[name]
    return found
