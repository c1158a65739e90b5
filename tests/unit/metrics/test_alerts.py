"""The shipped alert rules: each fires when it should, and not before; each says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from tests.support import promtool

ROOT: Final = Path(__file__).parents[3]
RULES: Final = ROOT / "contrib" / "prometheus" / "alerts.yml"
PAGE: Final = ROOT / "docs" / "monitoring.md"

UP: Final = 'up{job="aura-daemon"}'
BEAT: Final = "aura_daemon_heartbeat_timestamp_seconds"
STATUS: Final = 'aura_daemon_status{{status="{}"}}'.format
HELD: Final = 'aura_daemon_holdups{{what="{}"}}'.format
JOBS: Final = 'aura_daemon_jobs_total{{kind="generate",outcome="{}"}}'.format
REFUSED: Final = 'aura_daemon_refused_files_total{kind="job_file"}'
OOM: Final = 'aura_daemon_out_of_memory_total{rung="cpu"}'
DIED: Final = 'aura_daemon_worker_restarts_total{reason="died"}'
LOST: Final = "aura_daemon_event_losses_total"
OLDEST: Final = "aura_daemon_queue_oldest_seconds"
QUEUE: Final = "aura_daemon_queue_jobs"
START: Final = "aura_daemon_start_time_seconds"

BEATS: Final = "0+60x300"
"""A heartbeat a minute, for five hours: the clock of the rules begins at 0."""


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


CASES: Final = [
    # alert, series, minute, whether it fires
    ("AuraDaemonDown", {UP: "1x5 0x10"}, 9, True),
    ("AuraDaemonDown", {UP: "1x5 0x10"}, 7, False),
    ("AuraDaemonDown", {'up{job="node"}': "0x10"}, 9, False),
    ("AuraDaemonSilent", {BEAT: "0+60x5 300x20", STATUS("ok"): "1x30"}, 9, True),
    ("AuraDaemonSilent", {BEAT: BEATS}, 60, False),
    ("AuraDaemonSilent", {BEAT: "0+60x5 300x200", STATUS("stopped"): "1x200"}, 60, False),
    ("AuraDaemonSilent", {BEAT: "0+60x5 300x20", STATUS("stopped"): "0x30"}, 9, True),
    ("AuraDaemonStopped", {STATUS("stopped"): "0x10 1x100"}, 72, True),
    ("AuraDaemonStopped", {STATUS("stopped"): "0x10 1x100"}, 65, False),
    ("AuraDaemonPaused", {STATUS("paused"): "0x10 1x10"}, 16, True),
    ("AuraDaemonPaused", {STATUS("paused"): "0x10 1x3 0x10"}, 16, False),
    ("AuraDaemonDegraded", {STATUS("degraded"): "1x100"}, 61, True),
    ("AuraDaemonDegraded", {STATUS("degraded"): "1x50 0x5 1x50"}, 61, False),
    ("AuraModelHeldUp", {HELD("model"): "1x20"}, 16, True),
    ("AuraModelHeldUp", {HELD("memory"): "1x20"}, 16, False),
    ("AuraDiskHeldUp", {HELD("outbox"): "1x3 0x20", HELD("journal"): "0x3 1x20"}, 6, True),
    ("AuraDiskHeldUp", {HELD("model"): "1x20"}, 6, False),
    ("AuraMemoryHeldUp", {HELD("memory"): "1x40"}, 31, True),
    ("AuraMemoryHeldUp", {HELD("memory"): "1x20 0x1 1x20"}, 31, False),
    ("AuraNoWorker", {HELD("workers"): "1x40"}, 31, True),
    ("AuraNoWorker", {HELD("workers"): "1x20 0x1 1x20"}, 31, False),
    ("AuraQueueOld", {OLDEST: BEATS}, 136, True),
    ("AuraQueueOld", {OLDEST: BEATS}, 130, False),
    ("AuraNothingDone", {QUEUE: "4x200", JOBS("done"): "7x200", START: "0x200"}, 95, True),
    ("AuraNothingDone", {QUEUE: "4x200", JOBS("done"): "0+1x200", START: "0x200"}, 95, False),
    ("AuraNothingDone", {QUEUE: "0x200", JOBS("done"): "7x200", START: "0x200"}, 95, False),
    ("AuraNothingDone", {QUEUE: "4x200", JOBS("done"): "7x200", START: "3000x200"}, 95, False),
    ("AuraFailures", {JOBS("done"): "0+1x60", JOBS("crashed"): "0+1x60", REFUSED: "0x60"}, 60, True),
    ("AuraFailures", {JOBS("done"): "0+1x60", JOBS("crashed"): "0x60", REFUSED: "0+1x60"}, 60, True),
    ("AuraFailures", {JOBS("done"): "0+10x60", JOBS("crashed"): "0+1x60", REFUSED: "0x60"}, 60, False),
    ("AuraFailures", {JOBS("done"): "0x60", JOBS("crashed"): "0x10 2x50", REFUSED: "0x60"}, 60, False),
    ("AuraFailures", {JOBS("done"): "0+1x60", JOBS("cancelled"): "0+9x60", REFUSED: "0x60"}, 60, False),
    ("AuraOutOfMemoryStorm", {OOM: "0+1x60"}, 40, True),
    ("AuraOutOfMemoryStorm", {OOM: "0x30 5x30"}, 40, False),
    ("AuraWorkerRestarts", {DIED: "0+1x60"}, 40, True),
    ("AuraWorkerRestarts", {DIED: "0x10 1x50"}, 40, False),
    ("AuraWorkerRestarts", {DIED.replace("died", "idle"): "0+1x60"}, 40, False),
    ("AuraEventLosses", {LOST: "0+1x60"}, 40, True),
    ("AuraEventLosses", {LOST: "0x10 1x50"}, 40, False),
]  # fmt: skip


def test_each_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    """In one run of promtool, on the rules without their texts, which it would compare too."""
    document, labels = yaml.safe_load(RULES.read_text(encoding="utf-8")), {}
    for rule in document["groups"][0]["rules"]:
        del rule["annotations"]
        labels[rule["alert"]] = rule["labels"] | _kept(rule["alert"])
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    tests = [
        {
            "name": f"{alert} {series}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [
                {
                    "eval_time": f"{minute}m",
                    "alertname": alert,
                    "exp_alerts": [{"exp_labels": labels[alert]}] if fires else [],
                }
            ],
        }
        for alert, series, minute, fires in CASES
    ]
    place = tmp_path / "tests.yml"
    place.write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}))
    code, said = promtool.said("test", "rules", place)
    assert code == 0, said


def _kept(alert: str) -> dict[str, str]:
    """The labels of the series that an alert keeps."""
    kept = {
        "AuraDaemonDown": {"job": "aura-daemon"},
        "AuraDaemonStopped": {"status": "stopped"},
        "AuraDaemonPaused": {"status": "paused"},
        "AuraDaemonDegraded": {"status": "degraded"},
        "AuraModelHeldUp": {"what": "model"},
        "AuraMemoryHeldUp": {"what": "memory"},
        "AuraNoWorker": {"what": "workers"},
        "AuraWorkerRestarts": {"reason": "died"},
    }
    return kept.get(alert, {})


def test_every_alert_is_tried_out_both_ways() -> None:
    for fires in (True, False):
        assert {alert for alert, _, _, is_tried in CASES if is_tried is fires} == {rule["alert"] for rule in rules()}


def test_every_alert_says_what_to_do_and_has_its_place_in_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert f"| `{rule['alert']}` |" in page


def test_promtool_finds_no_fault_in_the_rules_and_the_scrape_configuration() -> None:
    for command in (("check", "rules", RULES), ("check", "config", RULES.with_name("scrape.yml"))):
        code, said = promtool.said(*command)
        assert code == 0, said
