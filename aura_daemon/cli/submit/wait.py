"""`submit --wait`: how files go, on stderr, and what came of them. In: paths below the inbox. Out: an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from aura_daemon.daemon.waiting import START_IT, Outlook, Stage
from aura_daemon.errors import with_mend
from aura_daemon.file_names import escaped

FAILED = 1
WAITING = 3
STOPPED = 130

MOST_BARS: Final = 8
"""Files with a bar of their own; of more files there is one bar for all."""

Show: TypeAlias = Callable[[Mapping[str, Outlook]], None]


def wait_for(paths: Sequence[str], looks: Iterable[Mapping[str, Outlook]], *, as_json: bool) -> int:
    """Shows how it goes on stderr, where that is a terminal, and prints the paths of the results, or a document a file.

    `looks`: as `waiting.outlooks` gives them.
    Returns 0; 1 where something failed, 3 where something cannot be done now, 130 after Ctrl-C.
    """
    last: Mapping[str, Outlook] = {}
    try:
        with _bars(paths) as show:
            for last in looks:
                show(last)
    except KeyboardInterrupt:
        names = " ".join(path for path in paths if path not in last or not last[path].is_over)
        message = f"not waiting any longer; what is not done stays in the queue: {names}"
        print(escaped(f"{message} (`aura-daemon cancel` takes it out)"), file=sys.stderr)
        return STOPPED
    for path, outlook in last.items():
        if as_json:
            print(json.dumps(_document(path, outlook)))
            continue
        for output in outlook.outputs:
            print(output)
        for line in _reasons(path, outlook):
            print(line, file=sys.stderr)
    if any(outlook.stage in (Stage.FAILED, Stage.GONE) for outlook in last.values()):
        return FAILED
    return WAITING if any(outlook.is_stuck for outlook in last.values()) else 0


def _reasons(path: str, outlook: Outlook) -> Iterator[str]:
    name = escaped(path)
    if outlook.is_stuck:
        yield f"waits: {name}: {outlook.text} (it stays in the queue)"
    elif outlook.stage is Stage.GONE:
        yield f"failed: {name}: {outlook.text}"
    for part in outlook.failures:
        number = part.id.rpartition("-")[2] if len(outlook.failures) > 1 or outlook.jobs > 1 else ""
        which = f"{name} [{number}]" if number else name
        yield f"failed: {which}: {with_mend(part.failure.message, part.failure.mend)}"


def _document(path: str, outlook: Outlook) -> dict[str, Any]:
    return {
        "file": escaped(path),
        "outcome": "waiting" if outlook.is_stuck else outlook.stage,
        "reason": "" if outlook.stage is Stage.DONE else outlook.text,
        "jobs": outlook.jobs,
        "outputs": [escaped(str(output)) for output in outlook.outputs],
        "failures": [
            {
                "id": part.id,
                "kind": part.failure.kind,
                "message": part.failure.message,
                "mend": part.failure.mend,
                "report": escaped(str(part.report)),
            }
            for part in outlook.failures
        ],
    }


@contextmanager
def _bars(paths: Sequence[str]) -> Iterator[Show]:
    """Shows outlooks: a bar for each of a few files, one for many; no bar where stderr is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield _Notice()
        return
    with Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=console.width // 3)),
        BarColumn(bar_width=console.width // 6),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
        transient=True,
    ) as progress:
        groups = [[path] for path in paths] if len(paths) <= MOST_BARS else [list(paths)]
        bars = {
            progress.add_task(
                escaped(group[0]) if len(group) == 1 else f"{len(group)} files", total=None, text="handed in"
            ): group
            for group in groups
        }

        def show(looks: Mapping[str, Outlook]) -> None:
            for bar, group in bars.items():
                seen = [looks[path] for path in group]
                progress.update(bar, **_bar_of(seen))

        yield show


class _Notice:
    """Says once that no daemon runs, where there is no bar that would say it."""

    def __init__(self) -> None:
        self._is_said = False

    def __call__(self, looks: Mapping[str, Outlook]) -> None:
        if not self._is_said and any(not (outlook.is_daemon_running or outlook.is_over) for outlook in looks.values()):
            self._is_said = True
            print(START_IT, file=sys.stderr, flush=True)


def _bar_of(seen: Sequence[Outlook]) -> dict[str, Any]:
    """How far a bar is: ended jobs and the part of the running ones."""
    total = sum(max(outlook.jobs, 1) for outlook in seen)
    done = sum(float(max(outlook.ended, outlook.is_over)) for outlook in seen)
    done += sum(
        outlook.current.step / outlook.current.steps for outlook in seen if outlook.current and outlook.current.steps
    )
    going = next((outlook for outlook in seen if outlook.stage is Stage.RUNNING), None)
    going = going or next((outlook for outlook in seen if not outlook.is_over), seen[-1])
    of_all = [f"{sum(outlook.ended for outlook in seen)} of {total} done"] if total > 1 else []
    rest = [] if of_all and going.stage is Stage.DONE else [going.text]
    is_moving = done > 0 or going.stage is Stage.RUNNING
    return {"total": total if is_moving else None, "completed": done, "text": ", ".join(of_all + rest)}
