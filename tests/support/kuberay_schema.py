"""Makes the JSON Schema that the manifest of a RayCluster is checked with, of the operator's own definition.

`python -m tests.support.kuberay_schema ray.io_rayclusters.yaml >tests/data/kuberay/raycluster.json`; the file lies in
the operator's repository, ray-project/kuberay, below helm-chart/kuberay-operator/crds.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import yaml

LEAST_CHARACTERS: Final = 200
"""Of what stands once below `$defs` where it is used several times."""

SAID_TO_PEOPLE: Final = frozenset(["description", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"])


def strict(schema: Any) -> Any:
    """The schema without its descriptions, refusing keys that it does not know."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: strict(part) for name, part in value.items()} if key == "properties" else strict(value)
        for key, value in schema.items()
        if key not in SAID_TO_PEOPLE and not key.startswith("x-kubernetes-") and key != "format"
    }
    if schema.get("x-kubernetes-int-or-string"):
        kept.pop("type", None)
        kept["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if "properties" in kept and "additionalProperties" not in kept:
        kept["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    return kept


def said_once(schema: Any) -> dict[str, Any]:
    """The schema, with what stands in it several times below `$defs`."""
    counted: Counter[str] = Counter()

    def count(part: Any) -> None:
        if isinstance(part, dict):
            is_schema = isinstance(part.get("type"), str) or isinstance(part.get("anyOf"), list)
            counted[json.dumps(part, sort_keys=True)] += is_schema
            for inner in part.values():
                count(inner)

    count(schema)
    names: dict[str, str] = {}
    definitions: dict[str, Any] = {}

    def shortened(part: Any, *, is_definition: bool = False) -> Any:
        if not isinstance(part, dict):
            return part
        text = json.dumps(part, sort_keys=True)
        if is_definition or counted[text] < 2 or len(text) < LEAST_CHARACTERS:
            return {key: shortened(value) for key, value in part.items()}
        if text not in names:
            names[text] = f"d{len(names)}"
            definitions[names[text]] = shortened(part, is_definition=True)
        return {"$ref": f"#/$defs/{names[text]}"}

    return {**shortened(schema, is_definition=True), "$defs": definitions}


def main(path: str) -> None:
    """Prints the schema of version v1."""
    definition = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    (version,) = (one for one in definition["spec"]["versions"] if one["name"] == "v1")
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"].pop("status")
    schema["properties"]["metadata"] = {"type": "object"}
    print(json.dumps(said_once(strict(schema)), separators=(",", ":"), sort_keys=True))


if __name__ == "__main__":
    main(sys.argv[1])
