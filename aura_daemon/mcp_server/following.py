"""`wait`: how a file goes, told as it goes. In: its name. Out: what came of it, or how far it is."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync

from aura_daemon.config.settings import Settings
from aura_daemon.daemon.status import running_health
from aura_daemon.daemon.waiting import LOOK_INTERVAL_S, Outlook, Patience, Stage, outlook
from aura_daemon.errors import Problem, UserError, with_mend
from aura_daemon.file_names import escaped
from aura_daemon.mcp_server.answers import Answer, FailedJob, FileProgress
from aura_daemon.mcp_server.calls import Call
from aura_daemon.mcp_server.names import name_below, result_name
from aura_daemon.mcp_server.questions import WaitQuestion

BEAT_S: Final = 10.0
"""At least so often progress is told: clients give up a call of which they hear nothing."""

NUDGE: Final = 0.001
"""By how much progress grows where only its words have changed: in this protocol every report is more than the last."""


async def wait(call: Call, wanted: WaitQuestion) -> Answer:
    """Waits until a file's jobs have ended, nothing moves, or the time is up; raises UserError for a bad name."""
    file = name_below("file", wanted.file, call.settings.inbox, root="inbox")
    if isinstance(file, Problem):
        raise UserError([file])
    look = partial(_look, file, call.settings)
    patience, telling = Patience(), _Telling(call)
    end_s = anyio.current_time() + wanted.timeout_s
    while True:
        seen = patience.judge(await run_sync(look))
        left_s = end_s - anyio.current_time()
        if seen.is_over or seen.is_stuck or left_s <= 0:
            return _answer(file, seen, call.settings.outbox)
        await telling.tell(seen)
        await anyio.sleep(min(LOOK_INTERVAL_S, left_s))


def _look(file: str, settings: Settings) -> Outlook:
    return outlook(file, settings, running_health(settings.state_folder()))


class _Telling:
    """Tells of progress when there is news, or when it is time for a sign of life."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._done = 0.0
        self._text: str | None = None
        self._told_s = 0.0

    async def tell(self, seen: Outlook) -> None:
        """Reports what was seen, unless that was said just now."""
        now_s = anyio.current_time()
        if seen.text == self._text and now_s - self._told_s < BEAT_S:
            return
        total = float(max(seen.jobs, 1))
        current = seen.current
        part = current.step / current.steps if current is not None and current.steps else 0.0
        # Never all of it before the end, whatever is told how often.
        self._done = min(max(seen.ended + part, self._done + NUDGE), max(total - NUDGE, self._done + NUDGE))
        self._text, self._told_s = seen.text, now_s
        await self._call.report(self._done, total, seen.text)


def _answer(file: str, seen: Outlook, outbox: Path) -> Answer:
    results = [result_name(*places, outbox) for places in zip(seen.outputs, seen.sidecars, strict=True)]
    failures = [FailedJob(id=part.id, reason=part.failure.message, mend=part.failure.mend) for part in seen.failures]
    data = FileProgress(
        file=escaped(file),
        stage=seen.stage,
        text=seen.text,
        is_over=seen.is_over,
        is_stuck=seen.is_stuck,
        jobs=seen.jobs,
        ended=seen.ended,
        results=results,
        failures=failures,
    )
    text = [f"{escaped(file)}: {seen.text}"]
    text += [f"result: {result} (`look` shows it)" for result in results]
    text += [f"failed: {failed.id}: {with_mend(failed.reason, failed.mend)}" for failed in failures]
    if not seen.is_over:
        text.append("it stays in the queue: call `wait` again" + (" when that is mended" if seen.is_stuck else ""))
    elif seen.stage is Stage.GONE:
        text.append("nothing is known of such a file: is its name as `submit_prompt` returned it?")
    return Answer(data=data, text="\n".join(text))
