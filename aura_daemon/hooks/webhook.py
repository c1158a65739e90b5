"""A hook that posts the event to an address: `python -m aura_daemon.hooks.webhook --url URL [--secret-file FILE]`.

In: the variables of a hook, its standard input. Out: a POST of JSON, signed with HMAC-SHA256, tried again where the
receiver is busy or away. Exit codes: 0 taken, 1 not taken, 2 called wrongly.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

from aura_daemon import __version__

PREFIX: Final = "AURADAEMON_"
SCHEMA: Final = "aura-daemon/hook/1"

FIRST_WAIT_S: Final = 1.0
"""Before the second attempt; it doubles."""

PASSING: Final = frozenset({408, 425, 429})
"""Statuses below 500 after which another attempt may succeed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """One event on its way to a receiver."""

    url: str
    event_id: str
    body: bytes
    secret: bytes | None

    def headers(self, now: float) -> dict[str, str]:
        """The headers of an attempt, signed as of now."""
        timestamp = str(int(now))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"aura-daemon/{__version__}",
            "Idempotency-Key": self.event_id,
            "X-Aura-Timestamp": timestamp,
        }
        if self.secret is not None:
            headers["X-Aura-Signature"] = f"sha256={signature(self.secret, timestamp, self.body)}"
        return headers


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over `<timestamp>.<body>`, in hexadecimal."""
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def body_of(variables: Mapping[str, str], content: bytes) -> bytes:
    """The JSON of an event: the variables in small letters, and under `document` what stood on standard input."""
    fields: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value for name, value in variables.items() if name.startswith(PREFIX)
    }
    outputs = fields.pop("outputs", "")
    document = json.loads(content) if content.strip() else None
    whole = {"schema": SCHEMA, **fields, "outputs": outputs.split("\n") if outputs else [], "document": document}
    return json.dumps(whole, ensure_ascii=True).encode()


def send(
    webhook: Webhook,
    *,
    timeout_s: float,
    within_s: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Posts until the receiver has taken it; returns why it has not, or nothing. `within_s`: for all attempts."""
    give_up_s, wait_s, attempts = clock() + within_s, FIRST_WAIT_S, 0
    with httpx2.Client(timeout=timeout_s) as client:
        while True:
            attempts += 1
            after_s: float | None = None
            try:
                answer = client.post(webhook.url, content=webhook.body, headers=webhook.headers(time.time()))
            except httpx2.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if answer.is_success:
                    return ""
                problem = f"the receiver answered {answer.status_code} {answer.reason_phrase}"
                if answer.status_code < 500 and answer.status_code not in PASSING:
                    return problem
                after_s = _seconds(answer.headers.get("Retry-After", ""))
            pause_s = max(wait_s, after_s or 0.0)
            if clock() + pause_s >= give_up_s:
                return f"{problem} ({attempts} attempts)"
            sleep(pause_s)
            wait_s *= 2


def main(arguments: list[str]) -> int:
    """Sends one event."""
    parser = argparse.ArgumentParser(prog="python -m aura_daemon.hooks.webhook", description="Posts a hook's event.")
    parser.add_argument("--url", required=True, help="http:// or https:// address of the receiver")
    parser.add_argument("--secret-file", type=Path, help="a file with the secret that signs the body")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds for one attempt")
    parser.add_argument("--within", type=float, default=25.0, help="seconds for all; less than hooks.time_limit")
    given = parser.parse_args(arguments)
    if urlsplit(given.url).scheme not in ("http", "https"):
        parser.error(f"--url {given.url}: must begin with http:// or https://")
    if PREFIX + "EVENT" not in os.environ:
        parser.error(f"${PREFIX}EVENT is not set: it is run by aura-daemon, see docs/hooks.md")
    secret = None
    if given.secret_file is not None:
        try:
            secret = given.secret_file.read_bytes().strip()
        except OSError as error:
            parser.error(f"--secret-file {given.secret_file}: {error.strerror}")
        if not secret:
            parser.error(f"--secret-file {given.secret_file}: it is empty")
    body = body_of(os.environ, sys.stdin.buffer.read())
    webhook = Webhook(url=given.url, event_id=os.environ[PREFIX + "EVENT_ID"], body=body, secret=secret)
    if problem := send(webhook, timeout_s=given.timeout, within_s=given.within):
        sys.stderr.write(f"{given.url}: {problem}\n")
        return 1
    return 0


def _seconds(retry_after: str) -> float | None:
    """The seconds that a receiver asks for; dates are left to the usual wait."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
