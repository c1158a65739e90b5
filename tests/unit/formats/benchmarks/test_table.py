"""The page of a benchmark."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon.formats.benchmarks.table import page
from aura_daemon.jobs.benchmarks import BenchmarkRun, SizeNotRun
from tests.support.benchmark_runs import CAPTIONED, run, seconds, size
from tests.support.examples import examples
from tests.unit.formats.benchmarks.any_run import RUNS

BUSY = "the machine was busy before"


def cells(text: str, name: str) -> list[str]:
    """The cells of the first row with a name."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} ".replace("  ", " ")))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_its_first_line_is_the_model_and_the_machine() -> None:
    lines = page(run(), []).splitlines()
    assert lines[0] == "# sd-1.4 on A Fine CPU"
    assert lines[2] == (
        "float32 on `cpu`, AVX2, 4 threads · 25 steps of `euler` · guidance 9 · batch 1 · 2026-11-27 08:00 UTC"
    )


def test_each_size_has_a_column_and_each_figure_a_row() -> None:
    text = page(run(size(512, 512, 2.0), size(768, 512, 4.0, rung="sequential")), [])
    assert cells(text, "") == ["512×512", "768×512"]
    assert cells(text, "**images a minute**") == ["**30.0**", "**15.0**"]
    assert cells(text, "time of one image") == ["2.00 s", "4.00 s"]
    assert cells(text, "steps") == ["1.50 s", "3.00 s"]
    assert cells(text, "one step") == ["60.0 ms", "120 ms"]
    assert cells(text, "safety check") == ["60.0 ms", "120 ms"]
    assert cells(text, "peak memory") == ["3.00 GiB", "3.00 GiB"]
    assert cells(text, "rung") == ["`cpu`", "`sequential`"]


def test_of_a_batch_it_tells_the_time_of_one_picture_and_how_many_went_at_once() -> None:
    text = page(run(size(512, 512, 4.0, batch=4, together=2)), [])
    assert cells(text, "time of one image") == ["1.00 s"]
    assert cells(text, "drawn at once") == ["2"]
    assert "First run and stages are of 4 images together." in text
    assert "- 512×512: memory was enough for 2 of 4 images at once" in text


def test_captions_are_called_captions_and_have_no_steps() -> None:
    caption = size(0, 0, 0.5, runs=(seconds(0.5, steps_s=0, check_s=0, file_s=0, step_s=0),))
    text = page(run(caption, of="caption", settings=CAPTIONED, repeats=1, threads=1, cores=1), [])
    assert cells(text, "**captions a minute**") == ["**120**"]
    assert "| steps" not in text
    assert "at most 16 tokens" in text
    assert "1 thread " in text
    assert "Medians of 1 run, after" in text


def test_on_a_gpu_no_threads_are_told() -> None:
    text = page(run(device="cuda:0", processor="", threads=0), [])
    assert "float32 on `cuda:0` · 25 steps" in text


def test_it_names_the_versions_that_its_figures_depend_on() -> None:
    assert "Versions: aura-daemon `0.1.0`, torch `2.9.1`." in page(run(), [])
    assert "Versions" not in page(run(versions=()), [])


def test_nothing_is_remarked_on_where_all_was_quiet() -> None:
    assert "Before you compare" not in page(run(), [])


def test_what_speaks_against_the_figures_is_said() -> None:
    text = page(
        run(
            size(512, 512, 1.0, 2.0, 3.0),
            not_run=(SizeNotRun(width=2048, height=2048, reason="not enough memory"),),
            notes=("768x768: memory ran out on rung cpu",),
            load_average=3.5,
        ),
        [],
    )
    assert "- 2048×2048 was not measured: not enough memory" in text
    assert "- 768x768: memory ran out on rung cpu" in text
    assert "- 512×512: fastest and slowest run are 100 % apart" in text
    assert BUSY in text


def test_the_first_run_has_nothing_to_compare_with() -> None:
    text = page(run(), [])
    assert "Since the last run" not in text
    assert "Earlier runs" not in text


def test_since_the_last_run_it_says_what_changed_and_by_how_much() -> None:
    before = run(
        size(512, 512, 2.0, rung="resident"), finished="2026-11-20T07:30:00+00:00", versions=(("torch", "2.8"),)
    )
    text = page(run(size(512, 512, 1.0), size(768, 768, 5.0)), [before])
    assert "## Since the last run, 2026-11-20 07:30 UTC" in text
    assert (
        "Changed: aura-daemon `unknown` → `0.1.0`; torch `2.8` → `2.9.1`; rung at 512×512 `resident` → `cpu`." in text
    )
    assert cells(text, "images a minute") == ["30.0 → 60.0: up 100 %, faster"]
    since = text.partition("## Since")[2]
    assert cells(since, "steps") == ["1.50 s → 750 ms: down 50 %, faster"]
    assert cells(since, "peak memory") == ["3.00 GiB → 3.00 GiB: as before"]


def test_where_nothing_is_known_to_have_changed_it_says_so() -> None:
    assert "Nothing that is known of has changed." in page(run(), [run(id="before")])


def test_earlier_runs_stand_below_the_latest_first_each_with_what_changed_before_it() -> None:
    old = run(size(512, 512, 4.0), id="1", finished="2026-11-01T08:00:00+00:00")
    new = run(size(512, 512, 3.0), id="2", finished="2026-11-02T08:00:00+00:00", versions=(("torch", "2.10"),))
    text = page(run(size(512, 512, 2.0), size(768, 512, 3.0), versions=new.versions), [old, new])
    rows = [line for line in text.partition("## Earlier runs")[2].splitlines() if line.startswith("| 2026")]
    assert [[cell.strip() for cell in row.strip("|").split("|")] for row in rows] == [
        ["2026-11-27 08:00", "30.0", "20.0", ""],
        ["2026-11-02 08:00", "20.0", "", "aura-daemon `0.1.0` → `unknown`; torch `2.9.1` → `2.10`"],
        ["2026-11-01 08:00", "15.0", "", ""],
    ]


def test_where_nothing_ever_changed_no_column_says_so() -> None:
    assert "changed |" not in page(run(), [run(id="1")])


def test_a_run_with_other_settings_is_compared_with_but_stands_in_no_list() -> None:
    text = page(run(), [run(settings=(("steps", "30"), *run().settings[1:]))])
    assert "Changed: steps `30` → `25`." in text
    assert "Earlier runs" not in text


def test_markup_in_names_stays_text() -> None:
    evil = "<img src=x onerror=alert(1)>|[x](y)*"
    text = page(run(model=evil, device_name=evil, notes=(evil * 20,)), [run(settings=(("prompt", f"{evil}`"),))])
    prose = re.sub(r"`[^`]*`", "", text).replace("**", "")
    assert not re.search(r"(?<!\\)[<>\[\]*]", prose)
    assert "prompt `<img src=x onerror=alert(1)>\\|[x](y)*'` → `none`" in text


def rows_of_tables(text: str) -> list[list[str]]:
    """The lines of tables, table by table."""
    tables: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    return [table for table in tables if table]


@given(RUNS, st.lists(RUNS, max_size=4))
@settings(max_examples=examples(25))
def test_of_any_run_every_row_of_a_table_has_as_many_cells_as_its_head(
    one: BenchmarkRun, earlier: list[BenchmarkRun]
) -> None:
    text = page(one, earlier)
    for table in rows_of_tables(text):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
        assert len({len(line) for line in table}) == 1
    assert text.encode().startswith(b"# ")
