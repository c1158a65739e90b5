"""A child process and the socket to it. In: a command, messages to send. Out: its messages, and how it ended.

Nothing that it sends can run anything here: see `reports`.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from aura_daemon.system.processes.child_processes import started
from aura_daemon.system.processes.oom_kills import oom_kills
from aura_daemon.system.processes.stop_signals import KILL, signal_of
from aura_daemon.workers.channel import MessageReceiver, order
from aura_daemon.workers.reports.decoding import MOST_FRAME_BYTES, ReportReader

REAP_S: Final = 1.0
"""Seconds in which a child that has closed its socket must end, before it is killed."""


class Child:
    """A running child process and its end of the socket pair."""

    def __init__(
        self,
        command: Sequence[str],
        options: Sequence[str],
        environment: Mapping[str, str | None],
        *,
        reads: ReportReader,
        oom_kills: Callable[[], int | None] = oom_kills,
    ) -> None:
        """`reads`: what it may say."""
        self._process, self.channel = started(command, options, environment)
        self._receiver = MessageReceiver(self.channel, reads, most_bytes=MOST_FRAME_BYTES)
        self._oom_kills = oom_kills
        self._oom_kills_before = oom_kills()
        self._sender: threading.Thread | None = None
        self._was_killed_here = False

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def ended(self) -> bool:
        """True once the child has closed its socket and all its messages were received."""
        return self._receiver.ended

    @property
    def fault(self) -> str:
        """Why it is not heard any further, where it has sent what is no message; empty: it is."""
        return self._receiver.fault

    def send(self, messages: Iterable[object]) -> None:
        """Sends messages after the earlier ones, in a thread that ends afterwards, or with the child.

        A message that an iterator has yet to make is made there, when it is its turn.
        """
        self._sender = threading.Thread(
            target=_send_all, args=(self.channel, messages, self._sender), name="to the worker", daemon=True
        )
        self._sender.start()

    def receive(self) -> list[object]:
        """The complete messages that have arrived, each of a kind that it may say."""
        return self._receiver.take()

    @property
    def killed_by(self) -> signal.Signals | None:
        """The signal of others that killed the child; None while it runs, and where it ended otherwise."""
        if self._was_killed_here:
            return None
        return signal_of(self._process.poll())

    @property
    def was_oom_killed(self) -> bool:
        """Whether the kernel killed the child because the machine or its control group had run out of memory.

        The kernel counts such kills for the whole machine; where the counter is missing, any SIGKILL is taken for one.
        """
        if self.killed_by not in KILL:
            return False
        before, now = self._oom_kills_before, self._oom_kills()
        return before is None or now is None or now > before

    def ending(self) -> str:
        """How the child ended, in words; kills a child that has only closed its socket."""
        try:
            code = self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            self.end(0.0)
            return "closed its connection without ending, and was killed"
        if code >= 0:
            return f"ended by itself with exit code {code}"
        number = signal_of(code)
        return f"was killed by signal {-code} ({number.name if number is not None else 'unknown'})"

    def end(self, timeout_s: float) -> None:
        """Ends the child: shuts the socket, after `timeout_s` SIGKILL; returns when it has ended."""
        if timeout_s > 0:
            self._shut_socket()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        if self.runs:
            self._was_killed_here = True
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(REAP_S)

    def close(self) -> None:
        """Closes the socket once no thread writes to it, as its descriptor may soon belong to another file."""
        self._shut_socket()
        if self._sender is not None:
            self._sender.join()
        self.channel.close()

    def _shut_socket(self) -> None:
        with suppress(OSError):  # not connected any more
            self.channel.shutdown(socket.SHUT_RDWR)


def _send_all(channel: socket.socket, messages: Iterable[object], before: threading.Thread | None) -> None:
    if before is not None:
        before.join()
    with suppress(OSError):  # the child died: `ProcessWorker.poll` notices that
        for message in messages:
            order(channel, message)
