"""A benchmark's result with its files."""

from aura_daemon.formats.benchmarks.chart import chart
from aura_daemon.formats.benchmarks.pages import with_pages
from aura_daemon.formats.benchmarks.table import page
from tests.support.benchmark_runs import run
from tests.support.outcomes import measured


def test_a_result_gets_a_table_and_a_chart_that_know_earlier_runs() -> None:
    earlier = (run(id="1"),)
    result = with_pages(measured(run()), earlier)
    assert {payload.extension: payload.content.decode() for payload in result.payloads} == {
        ".md": page(run(), earlier),
        ".svg": chart(run(), earlier),
    }
    assert result.earlier == earlier
