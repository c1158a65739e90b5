"""The child of a worker with what belongs to it: its questions, what shuts it in. In: settings. Out: a child, or none.

Whoever runs one, the daemon or an actor of Ray, starts and drops it alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aura_daemon.config.engine import EngineSettings
from aura_daemon.system.processes.child_processes import environment_with
from aura_daemon.workers.local.answering import AnsweredQuestions
from aura_daemon.workers.local.child import Child
from aura_daemon.workers.local.worker_sandbox import WorkerSandbox
from aura_daemon.workers.protocol import Configure
from aura_daemon.workers.reports.decoding import ReportReader


class ShutInChild:
    """Holds one child at a time."""

    def __init__(
        self,
        settings: EngineSettings,
        command: Sequence[str],
        options: Sequence[str],
        environment: Mapping[str, str | None],
        *,
        reads: ReportReader,
        questions: AnsweredQuestions,
        sandbox: WorkerSandbox | None,
        oom_kills: Callable[[], int | None],
    ) -> None:
        """`environment`: changes to that of this process. `sandbox`: None: the child is not shut in."""
        self._settings = settings
        self._command, self._options = tuple(command), tuple(options)
        self._environment = dict(environment)
        self._reads = reads
        self._questions = questions
        self._sandbox = sandbox
        self._oom_kills = oom_kills
        self.held: Child | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None while none is running."""
        return self.held.pid if self.held is not None and self.held.runs else None

    def start(self) -> Child:
        """One in place of the last; raises OSError. On Linux it is killed when the thread ends that calls this."""
        self.drop()
        plan, environment = None, self._environment
        if self._sandbox is not None:
            plan = self._sandbox.begin(environment_with(environment))
            environment = {**environment, **self._sandbox.variables}
        self.held = Child(self._command, self._options, environment, reads=self._reads, oom_kills=self._oom_kills)
        self.held.send([Configure(settings=self._settings, sandbox=plan)])
        return self.held

    def drop(self) -> None:
        """Forgets it, and what it had asked for and left on the disk."""
        self._questions.leave()
        if self.held is not None:
            self.held.close()
            self.held = None
        if self._sandbox is not None:
            self._sandbox.end()
