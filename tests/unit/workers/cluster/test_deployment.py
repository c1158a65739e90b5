"""The files below `contrib/` that start a cluster: by the operator's and Ray's schemas, and their parts together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from aura_daemon.config.settings import Settings

ROOT: Final = Path(__file__).parents[4]
MANIFEST: Final = ROOT / "contrib" / "kubernetes" / "aura-on-ray.yaml"
RAY_UP: Final = ROOT / "contrib" / "ray" / "cluster.yaml"
DATA: Final = ROOT / "tests" / "data"

MADE_BY_OPERATOR: Final = "aura"
"""The secret with the token, called like the cluster."""

HEAD_SERVICE: Final = "aura-head-svc:6379"
"""The service that the operator makes, called like the cluster, at Ray's own port."""


@cache
def parts() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8")))


def part(kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in parts() if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def cluster() -> dict[str, Any]:
    return part("RayCluster", "aura")


def pods() -> dict[str, dict[str, Any]]:
    """Every template of a pod, by what it is."""
    spec = cluster()["spec"]
    groups = {"head": spec["headGroupSpec"], **{group["groupName"]: group for group in spec["workerGroupSpecs"]}}
    sets = {one["metadata"]["name"]: one["spec"] for one in parts() if one["kind"] == "StatefulSet"}
    return {name: group["template"] for name, group in (groups | sets).items()}


def settings() -> Settings:
    return Settings(**yaml.safe_load(part("ConfigMap", "aura-config")["data"]["aura.yaml"]))


@cache
def operators_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((DATA / "kuberay" / "raycluster.json").read_text(encoding="utf-8"))
    return schema


def faults(document: Any, *, below: tuple[str, ...] = ()) -> list[str]:
    """What the operator's schema, or a part of it, says of a document."""
    schema = operators_schema()
    wanted = schema
    for name in below:
        wanted = wanted["properties"][name]
        if "$ref" in wanted:
            wanted = schema["$defs"][wanted["$ref"].rpartition("/")[2]]
    validator = Draft202012Validator({**wanted, "$defs": schema["$defs"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]


def values_of(key: str, document: Any) -> Iterator[Any]:
    """Every value of a key, however deep."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name == key:
                yield value
            yield from values_of(key, value)
    elif isinstance(document, list):
        for value in document:
            yield from values_of(key, value)


def test_the_cluster_is_valid_by_the_operators_schema() -> None:
    assert faults(cluster()) == []


def misspelt_worker(spec: dict[str, Any]) -> None:
    spec["workerGroupSpecs"][0]["maxReplica"] = 8


def misspelt_container(spec: dict[str, Any]) -> None:
    spec["headGroupSpec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"


def wrong_mode(spec: dict[str, Any]) -> None:
    spec["authOptions"]["mode"] = "tokens"


def no_head(spec: dict[str, Any]) -> None:
    del spec["headGroupSpec"]


def number_as_parameter(spec: dict[str, Any]) -> None:
    spec["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0


@pytest.mark.parametrize("spoil", [misspelt_worker, misspelt_container, wrong_mode, no_head, number_as_parameter])
def test_the_operators_schema_refuses_what_is_wrong(spoil: Callable[[dict[str, Any]], None]) -> None:
    spoilt = deepcopy(cluster())
    spoil(spoilt["spec"])
    assert len(faults(spoilt)) == 1


@pytest.mark.parametrize("name", sorted(pods()))
def test_every_pod_is_valid_and_mounts_only_what_it_has(name: str) -> None:
    pod = pods()[name]
    template = ("spec", "headGroupSpec", "template")
    assert faults(pod, below=template) == []
    assert faults({**pod, "spec": {**pod["spec"], "volume": []}}, below=template) != []
    sets = {one["metadata"]["name"]: one["spec"] for one in parts() if one["kind"] == "StatefulSet"}
    claims = {claim["metadata"]["name"] for claim in sets.get(name, {}).get("volumeClaimTemplates", ())}
    volumes = claims | {volume["name"] for volume in pod["spec"].get("volumes", ())}
    mounted = {mount["name"] for container in pod["spec"]["containers"] for mount in container.get("volumeMounts", ())}
    assert mounted == volumes


def test_what_is_named_is_there() -> None:
    text = MANIFEST.read_text(encoding="utf-8")
    by_hand = set(re.findall(r"create secret generic (\S+)", text))
    secrets = {*values_of("secretName", parts()), *(one["name"] for one in values_of("secretKeyRef", parts()))}
    assert secrets == by_hand | {MADE_BY_OPERATOR}
    assert cluster()["metadata"]["name"] == MADE_BY_OPERATOR
    for pod in pods().values():
        for volume in pod["spec"].get("volumes", ()):
            if "configMap" in volume:
                part("ConfigMap", volume["configMap"]["name"])
            if "persistentVolumeClaim" in volume:
                part("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
    for one in parts():
        if one["kind"] == "StatefulSet":
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
            assert part("Service", one["spec"]["serviceName"])["spec"]["selector"].items() <= labels.items()


def test_only_pods_of_the_cluster_reach_its_ports_and_redis() -> None:
    own = {"aura-network": "ray"}
    for name in ("aura-ray", "aura-redis"):
        (rule,) = part("NetworkPolicy", name)["spec"]["ingress"]
        assert rule["from"] == [{"podSelector": {"matchLabels": own}}]
    assert part("NetworkPolicy", "aura-ray")["spec"]["podSelector"] == {"matchLabels": own}
    of_ray = {name for name, pod in pods().items() if own.items() <= pod["metadata"]["labels"].items()}
    assert of_ray == {"head", "gpu", "aura-daemon"}
    opened = [key for key in ("type", "nodePort", "hostPort", "hostNetwork") for _ in values_of(key, parts())]
    assert opened == [], "no port is to be had from outside"


def test_the_cluster_asks_for_a_token_and_outlives_its_head_and_has_no_gpu_node_without_jobs() -> None:
    spec = cluster()["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["autoscalerOptions"]["version"] == "v2"
    assert spec["autoscalerOptions"]["idleTimeoutSeconds"] >= 60
    assert spec["gcsFaultToleranceOptions"]["redisAddress"] == "aura-redis:6379"
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    (group,) = spec["workerGroupSpecs"]
    assert (group["minReplicas"], group["replicas"]) == (0, 0)
    assert group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_daemon_fits_its_cluster() -> None:
    workers, spec = settings().workers, cluster()["spec"]
    (group,) = spec["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert (workers.kind, workers.address) == ("ray", HEAD_SERVICE)
    assert workers.count == group["maxReplicas"]
    assert workers.gpus <= int(limits["nvidia.com/gpu"])
    assert workers.cpus <= int(limits["cpu"])
    daemon = part("StatefulSet", "aura-daemon")["spec"]
    assert daemon["replicas"] == 1
    containers = {one["name"]: one for one in daemon["template"]["spec"]["containers"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in containers["daemon"]["volumeMounts"]}
    assert f"{mounts['token']}/auth_token" == str(workers.token_file)
    assert daemon["template"]["spec"]["shareProcessNamespace"] is True
    assert {"name": "tmp", "mountPath": "/tmp"} in containers["ray"]["volumeMounts"]
    assert mounts["tmp"] == "/tmp"
    assert containers["ray"]["command"][:3] == ["ray", "start", f"--address={HEAD_SERVICE}"]
    assert "--num-cpus=0" in containers["ray"]["command"]


def test_all_run_one_image_and_the_pinned_ray() -> None:
    images = {
        container["image"]
        for name, pod in pods().items()
        if name != "aura-redis"
        for container in pod["spec"]["containers"]
    }
    assert len(images) == 1
    pinned = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned is not None
    assert cluster()["spec"]["rayVersion"] == pinned[1]
    assert f'"ray[default]=={pinned[1]}"' in RAY_UP.read_text(encoding="utf-8")


@cache
def rays_schema() -> Any:
    return json.loads((DATA / "ray" / "ray-schema.json").read_text(encoding="utf-8"))


def test_the_file_for_ray_up_is_valid_by_rays_schema() -> None:
    described = yaml.safe_load(RAY_UP.read_text(encoding="utf-8"))
    validator = Draft7Validator(rays_schema())
    assert [error.message for error in validator.iter_errors(described)] == []
    assert [error.message for error in validator.iter_errors({**described, "max_worker": 2})] != []
    assert described["max_workers"] == len(described["provider"]["worker_ips"])
    commands = [*described["head_start_ray_commands"], *described["worker_start_ray_commands"]]
    starts = [command for command in commands if "ray start" in command]
    assert len(starts) == 2
    for line in starts:
        assert "RAY_AUTH_MODE=token" in line
        assert "RAY_worker_niceness=0" in line
    assert "RAY_enable_autoscaler_v2=0" in starts[0], "or the last worker is never started"


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")
def test_the_schema_is_that_of_the_installed_ray() -> None:
    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent / "autoscaler" / "ray-schema.json"
    assert rays_schema() == json.loads(installed.read_text(encoding="utf-8"))
