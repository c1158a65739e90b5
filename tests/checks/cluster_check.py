"""`python -m tests.checks.cluster_check`: the daemon on Ray clusters of several nodes, under faults and at speed.

The nodes are processes of this machine, in a network of their own; takes root, Ray, openssl, memory control groups, and
redis-server for one row. The daemon is the real one, and its actors run scripts instead of models. Out: tables, as in
BENCHMARKS.md; exit code 1 where a job was lost, doubled, or blamed for what a machine did, or where the daemon did not
say what had happened, or where nodes did not come and go with the jobs.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support import ray_clusters

if TYPE_CHECKING:
    from tests.checks.cluster_autoscaler import Moment
    from tests.checks.cluster_scale import Flow
    from tests.support.cluster_trial import Fault, Row
    from tests.support.ray_nodes import Nodes


PARTS: Final = ("faults", "tls", "autoscaler", "scale")


def main() -> int:
    """Runs itself again where it is alone, and prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.checks.cluster_check")
    parser.add_argument("--only", default="", help="faults whose name matches this pattern")
    parser.add_argument("--short", action="store_true", help="three faults after another under one daemon: a minute")
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--faults", action="store_true", help="only faults")
    parts.add_argument("--tls", action="store_true", help="only nodes that speak TLS")
    parts.add_argument("--autoscaler", action="store_true", help="only nodes that come and go with the jobs")
    parts.add_argument("--scale", action="store_true", help="only figures of speed")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--queued", type=int, default=10_000, help="jobs of the long queue; 0: none")
    asked = parser.parse_args()
    if reason := ray_clusters.why_not():
        print(f"not tried: {reason}")
        return 0
    if not ray_clusters.is_alone():
        arguments = ["-m", "tests.checks.cluster_check", *sys.argv[1:]]
        return subprocess.run(ray_clusters.python(*arguments, **ray_clusters.NODES), check=False).returncode
    from tests.support.script_runner import WITNESS

    complaints: list[str] = []
    with tempfile.TemporaryDirectory(prefix="aura-cluster-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ[WITNESS] = str(folder / "witness")
        chosen = [part for part in PARTS if getattr(asked, part)] or PARTS
        if asked.short:
            rows, complaints = in_short(folder)
            show_faults(rows)
            chosen = ()
        if "faults" in chosen:
            rows, complaints = faults(folder, asked.only)
            show_faults(rows)
        if "tls" in chosen:
            complaints += encrypted(folder / "tls")
        if "autoscaler" in chosen:
            complaints += autoscaled(folder / "autoscaler")
        if "scale" in chosen:
            show_flows(scale(folder, asked.workers, asked.queued))
    print("\n".join(complaints), file=sys.stderr)
    return int(bool(complaints))


def faults(folder: Path, only: str) -> tuple[list[Row], list[str]]:
    """Tries those whose name matches `only`."""
    from tests.checks.cluster_faults import WITH_REDIS, WITHOUT_REDIS, everyday
    from tests.support.ray_nodes import nodes

    rows: list[Row] = []
    complaints: list[str] = []
    usual = [fault for fault in everyday(folder) if re.search(only, fault.name)]
    if usual:
        with nodes(folder, 3) as cluster:
            for fault in usual:
                cluster.fill(3)
                try_fault(fault, cluster, folder, rows, complaints)
    for fault, redis in ((WITH_REDIS, True), (WITHOUT_REDIS, False)):
        if not re.search(only, fault.name):
            continue
        if redis and shutil.which("redis-server") is None:
            print(f"{fault.name}: not tried: redis-server is not installed", file=sys.stderr)
            continue
        with nodes(folder, fault.workers, redis=redis) as cluster:
            try_fault(fault, cluster, folder, rows, complaints)
    return rows, complaints


def encrypted(folder: Path) -> list[str]:
    """The same with certificates, in a process whose Ray has known them from its start; what it complains of."""
    from tests.checks import cluster_tls
    from tests.support.script_runner import WITNESS

    folder.mkdir()
    # Its trials have the names of those before: they are witnessed apart.
    environment = {**os.environ, **cluster_tls.variables(folder), WITNESS: str(folder / "witness")}
    command = [sys.executable, "-m", "tests.checks.cluster_tls", str(folder)]
    ran = subprocess.run(command, env=environment, check=False)
    return [] if ran.returncode == 0 else ["TLS: see above"]


def autoscaled(folder: Path) -> list[str]:
    """Nodes from none to all and back; what there is to complain of."""
    from tests.checks.cluster_autoscaler import moments

    folder.mkdir()
    try:
        show_moments(moments(folder))
    except Exception as error:  # noqa: BLE001 - the figures of speed are wanted all the same
        traceback.print_exc()
        return [f"the autoscaler: {str(error)[:300]}"]
    return []


def in_short(folder: Path) -> tuple[list[Row], list[str]]:
    """The short version of the suite."""
    from tests.checks.cluster_faults import IN_SHORT
    from tests.support.ray_nodes import nodes

    rows: list[Row] = []
    complaints: list[str] = []
    with nodes(folder, IN_SHORT.workers) as cluster:
        try_fault(IN_SHORT, cluster, folder, rows, complaints)
    return rows, complaints


def try_fault(fault: Fault, cluster: Nodes, folder: Path, rows: list[Row], complaints: list[str]) -> None:
    """Adds what came of it to the rows, and what there is to complain of."""
    from tests.support.cluster_trial import Trial

    began_s = time.monotonic()
    try:
        row = Trial(fault, cluster, folder / f"trial{len(rows) + len(complaints)}").run()
    except Exception as error:  # noqa: BLE001 - one fault must not keep the others from being tried
        traceback.print_exc()
        complaints.append(f"{fault.name}: broke: {type(error).__name__}: {str(error)[:200]}")
    else:
        rows.append(row)
        complaints += row.complaints
    print(f"{fault.name}: {time.monotonic() - began_s:.0f} s, {rows[-1:]}"[:1500], file=sys.stderr, flush=True)


def scale(folder: Path, workers: Sequence[int], queued: int) -> dict[str, Flow]:
    """Jobs of half a second over ever more workers; many jobs of none; two daemons."""
    from tests.checks.cluster_scale import Load, flows
    from tests.support.ray_nodes import nodes

    found: dict[str, Flow] = {}
    most = max(workers, default=0)
    with nodes(folder, 0) as cluster:
        cluster.add(cpus=max(most, 16))
        for count in workers:
            jobs = 30 * count + 2 * count * count
            load = Load(folder / f"scale{count}", cluster, workers=count, jobs=jobs, job_s=0.5)
            (found[f"{count} workers"],) = flows([load])
            print(found, file=sys.stderr, flush=True)
        if queued:
            load = Load(folder / "queued", cluster, workers=16, jobs=queued, job_s=0.0)
            (found[f"{queued:,} queued"],) = flows([load])
            print(found, file=sys.stderr, flush=True)
        pair = [Load(folder / f"pair{one}", cluster, workers=8, jobs=400, job_s=0.5) for one in "ab"]
        found |= {f"two daemons: {name}": flow for name, flow in zip("ab", flows(pair), strict=True)}
    return found


def show_faults(rows: Sequence[Row]) -> None:
    """The table of what happened."""
    titles = (
        "what happens | jobs | done | failed | lost | doubled | drawn | counted | said after | in these words | took"
    )
    print(f"| {titles} |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|")
    for row in rows:
        said = f"{row.said_s:.1f} s" if row.said_s is not None else "-"
        counts = (row.jobs, row.done, row.failed, row.lost, row.doubled, row.drawn, row.counted)
        cells = [row.name, *map(str, counts), said, row.words[:160] or "-", f"{row.seconds:.0f} s"]
        print(f"| {' | '.join(cells)} |")


def show_moments(found: Sequence[Moment]) -> None:
    """The table of how many nodes there were when."""
    print("\n| what | after | nodes |\n|---|---:|---:|")
    for moment in found:
        print(f"| {moment.what} | {moment.after_s:.0f} s | {moment.nodes} |")


def show_flows(found: dict[str, Flow]) -> None:
    """The table of what went through."""
    print("\n| workers | jobs | each takes | jobs a second | of linear | daemon | driver | first tenth | last tenth |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, flow in found.items():
        share = f"{100 * flow.share:.0f} %" if flow.share else "-"
        times = [f"{value:.1f} ms" for value in (flow.daemon_ms, flow.driver_ms, flow.first_ms, flow.last_ms)]
        cells = [name, f"{flow.done:,} of {flow.jobs:,}", f"{flow.job_s:g} s", f"{flow.per_s:.1f}", share, *times]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(main())
