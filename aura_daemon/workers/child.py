"""A child process and the line to it. In: a command, messages for it. Out: its messages, and how it ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

from aura_daemon.system.oom_kills import oom_kills
from aura_daemon.workers.channel import MessageReceiver, send
from aura_daemon.workers.protocol import Up

REAP_S: Final = 1.0
"""How long a child that has closed its socket may take to be gone before it is killed."""


class Child:
    """A running child process and its end of the socket pair."""

    def __init__(
        self,
        command: Sequence[str],
        options: Sequence[str],
        environment: Mapping[str, str],
        *,
        oom_kills: Callable[[], int | None] = oom_kills,
    ) -> None:
        self.channel, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(os.getpid()), *options],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )
        except OSError:
            self.channel.close()
            raise
        finally:
            theirs.close()
        self._receiver = MessageReceiver(self.channel)
        self._oom_kills = oom_kills
        self._oom_kills_before = oom_kills()
        self._sender: threading.Thread | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def silent_for_ever(self) -> bool:
        """True once it is gone and all it said was received."""
        return self._receiver.ended

    def send(self, messages: Sequence[object]) -> None:
        """Copies messages down, after those before, in a thread that ends with them, or with the child."""
        self._sender = threading.Thread(
            target=_send_all, args=(self.channel, messages, self._sender), name="to the worker", daemon=True
        )
        self._sender.start()

    def receive(self) -> list[Up]:
        """Every message that has arrived whole."""
        return cast(list[Up], self._receiver.take())

    @property
    def was_taken_for_its_memory(self) -> bool:
        """Whether the kernel killed it because memory, the machine's or its control group's, had run out.

        The kernel counts such kills, of the whole machine; where it does not tell, SIGKILL is taken for one.
        """
        if self._process.poll() != -signal.SIGKILL:
            return False
        before, now = self._oom_kills_before, self._oom_kills()
        return before is None or now is None or now > before

    def ending(self) -> str:
        """How it ended, in words; kills it where only its socket is closed."""
        try:
            code = self._process.wait(REAP_S)
        except subprocess.TimeoutExpired:
            self.end(0.0)
            return "closed its connection without ending, and was killed"
        if code >= 0:
            return f"ended by itself with exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
        return f"was killed by signal {-code} ({name})"

    def end(self, timeout_s: float) -> None:
        """SIGTERM, then SIGKILL; returns when it is gone."""
        if timeout_s > 0:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        if self.runs:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(REAP_S)

    def close(self) -> None:
        """Closes the socket once no thread writes to it: its number may be another file's a moment later."""
        with suppress(OSError):  # not connected any more
            self.channel.shutdown(socket.SHUT_RDWR)
        if self._sender is not None:
            self._sender.join()
        self.channel.close()


def _send_all(channel: socket.socket, messages: Sequence[object], before: threading.Thread | None) -> None:
    if before is not None:
        before.join()
    with suppress(OSError):  # the child died: `poll` tells
        for message in messages:
            send(channel, message)
