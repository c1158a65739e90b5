"""The shipped dashboard: Grafana reads it, its queries are right, and what dashboard, alerts and page name exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from aura_daemon.health.listener import HealthWritten
from aura_daemon.metrics.daemon_metrics import DaemonMetrics
from tests.support import promtool
from tests.support.health_documents import health_document, worker
from tests.unit.metrics.test_alerts import PAGE, ROOT, rules

FILE: Final = ROOT / "contrib" / "grafana" / "aura-daemon.json"
COLUMNS: Final = 24

UNKNOWN_TO_THE_SDK: Final = {"definition", "titleFormat", "textFormat", "useValueForTime"}
"""Keys that Grafana writes itself for variables and annotations of Prometheus."""

_METRIC: Final = re.compile(r"\baura_daemon_[a-z_]+\b")
_MATCHER: Final = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')


@cache
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboard()["panels"]
    return found


def queries() -> list[str]:
    """Every query of the dashboard, as Prometheus gets it."""
    found = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    found += [one["expr"] for one in dashboard()["annotations"]["list"]]
    told = {"$__rate_interval": "5m", "$__range": "6h", "$instance": ".*"}
    return [re.sub("|".join(map(re.escape, told)), lambda hit: told[hit[0]], query) for query in found]


@cache
def metrics() -> dict[str, set[tuple[str, str]]]:
    """Name of a series -> its labels and their values; those of a histogram without its bounds."""
    registry = DaemonMetrics()
    registry.on_event(HealthWritten(document=health_document(workers=[worker("1")])))
    found: dict[str, set[tuple[str, str]]] = {}
    for family in text_string_to_metric_families(registry.render().decode()):
        names = {sample.name for sample in family.samples} or {family.name}
        if family.type == "histogram":
            names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
        for name in names:
            labels = {label for sample in family.samples for label in sample.labels.items()}
            found.setdefault(name, set()).update(labels)
    return found


def test_panels_have_ids_of_their_own_and_lie_beside_each_other() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    areas = {}
    for panel in panels():
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS
        areas[panel["title"]] = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
    assert [(one, two) for one, two in combinations(areas, 2) if areas[one] & areas[two]] == []
    lines = {y for area in areas.values() for _, y in area}
    assert lines == set(range(len(lines))), "Grafana would close the gap"


def test_every_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in panels() if panel["type"] != "row" and not panel["description"]] == []


def test_there_is_one_data_source_and_everything_asks_it() -> None:
    variables = dashboard()["templating"]["list"]
    assert [one["name"] for one in variables if one["type"] == "datasource"] == ["datasource"]
    text = FILE.read_text(encoding="utf-8")
    assert {json.dumps(one, sort_keys=True) for one in sources(dashboard())} == {
        '{"type": "prometheus", "uid": "${datasource}"}'
    }
    assert "__inputs" not in text


def sources(part: object) -> Iterator[object]:
    """Every data source that a part of the dashboard names."""
    if isinstance(part, dict):
        if isinstance(part.get("datasource"), dict):
            yield part["datasource"]
        for inner in part.values():
            yield from sources(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from sources(inner)


def test_every_query_takes_the_chosen_daemons_and_rates_over_what_grafana_says() -> None:
    for panel in panels():
        for target in panel.get("targets", ()):
            query = target["expr"]
            names, ranges = _METRIC.findall(query), re.findall(r"\[([^\]]+)\]", query)
            assert query.count('{instance=~"$instance"') == len(names), query
            assert set(ranges) <= {"$__rate_interval", "$__range"}, query
            assert all(name.endswith(("_total", "_bucket", "_sum", "_count")) for name in names) or not ranges, query


def test_grafana_s_own_types_read_it_and_lose_nothing() -> None:
    register_default_plugins()
    read = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dashboard())))
    assert set(lost(dashboard(), read)) <= UNKNOWN_TO_THE_SDK


def lost(before: Any, after: Any, key: str = "") -> Iterator[str]:
    """The keys that are not there, or are otherwise, afterwards."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, value in before.items():
            yield from lost(value, after.get(name), name)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from lost(one, other, key)
    elif before != after:
        yield key


def test_promtool_finds_no_fault_in_any_query(tmp_path: Path) -> None:
    recorded = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    place = tmp_path / "queries.yml"
    place.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    code, said = promtool.said("check", "rules", place)
    assert code == 0, said


@pytest.mark.parametrize("of", ["dashboard", "alerts", "page"])
def test_every_metric_that_is_named_exists(of: str) -> None:
    texts = {
        "dashboard": FILE.read_text(encoding="utf-8"),
        "alerts": str([rule["expr"] for rule in rules()]),
        "page": PAGE.read_text(encoding="utf-8"),
    }
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics()}
    assert set(_METRIC.findall(texts[of])) - set(metrics()) - families == set()


def test_every_metric_has_its_row_in_the_page_and_a_place_in_the_dashboard() -> None:
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in metrics()}
    page, shown = PAGE.read_text(encoding="utf-8"), " ".join(queries())
    assert {name for name in families if f"| `{name}` |" not in page} == set()
    untold = {name for name in families if not re.search(rf"\b{name}(_bucket|_sum|_count)?\b", shown)}
    assert untold == {"aura_daemon_journal_jobs", "aura_daemon_failed_attempts_total"}  # totals; what follows is shown


def test_every_label_that_dashboard_and_alerts_ask_for_has_such_a_value() -> None:
    values = {label for labels in metrics().values() for label in labels}
    asked = {
        (label, value)
        for query in (*queries(), *(rule["expr"] for rule in rules()))
        for label, alternatives in _MATCHER.findall(query)
        for value in alternatives.split("|")
        if label not in ("instance", "job")
    }
    assert asked
    assert asked - values == set()
