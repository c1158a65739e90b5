"""What transformers offers where its names are found out late: the same as else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.deadline import DEADLINE_S

ROOT = Path(__file__).parents[3]

PLAIN = "import transformers"

LATE = """
from aura_daemon.engines.transformers_names import names_when_asked
with names_when_asked():
    import transformers
known = len(transformers._class_to_module)
assert transformers.CLIPConfig and transformers.AutoConfig and transformers.models.clip
from transformers import initialization
assert not transformers._class_to_module.keys() & {"LlamaConfig", "LlamaModel"}
assert len(transformers._class_to_module) == known
assert not hasattr(transformers, "no_such_name")
"""

TOLD = """
import json
from transformers.models import llama
assert transformers.LlamaConfig is llama.LlamaConfig
print(json.dumps([
    {
        "modules": dict(sorted(package._class_to_module.items())),
        "lacking": {name: sorted(lacking) for name, lacking in sorted(package._object_missing_backend.items())},
        "all": sorted(set(package.__all__)),
        "folders": sorted(package._modules),
    }
    for package in (transformers, transformers.models)
]))
"""


def test_all_names_are_found_out_once_another_is_asked_for() -> None:
    assert _told(LATE) == _told(PLAIN)


def _told(imported: str) -> Any:
    command = [sys.executable, "-W", "ignore", "-c", imported + TOLD]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])
