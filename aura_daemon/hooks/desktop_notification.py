"""A hook that tells the person at this machine: `python -m aura_daemon.hooks.desktop_notification`.

In: the variables of a hook. Out: a notification, by notify-send (Linux), osascript (macOS) or PowerShell (WSL).
Prompts are hostile text: they are passed as arguments or variables, never as a part of a script. Exit codes: 0 shown, 1
not shown.
"""

from __future__ import annotations

import html
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final

from aura_daemon.formats.readable import shortened
from aura_daemon.system.windows import System, this_system

PREFIX: Final = "AURADAEMON_"
MOST_CHARACTERS: Final = 200
PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp")

_APPLE: Final = (
    *("-e", "on run argv"),
    *("-e", "display notification (item 2 of argv) with title (item 1 of argv)"),
    *("-e", "end run"),
)
_WINDOWS: Final = """
$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$page = $manager::GetTemplateContent([Windows.UI.Notifications.ToastTemplateType]::ToastText02)
$texts = $page.GetElementsByTagName('text')
[void]$texts.Item(0).AppendChild($page.CreateTextNode($env:AURADAEMON_TITLE))
[void]$texts.Item(1).AppendChild($page.CreateTextNode($env:AURADAEMON_TEXT))
$manager::CreateToastNotifier('aura-daemon').Show([Windows.UI.Notifications.ToastNotification]::new($page))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notifier:
    """A program that shows a notification."""

    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    mend: str = ""
    """What to do where the program is missing."""


def texts_of(variables: Mapping[str, str]) -> tuple[str, str]:
    """Title and text of the notification about an event."""

    def told(name: str) -> str:
        return variables.get(PREFIX + name, "")

    match told("EVENT"):
        case "done":
            title, text = f"{told('SOURCE')} is done", told("CAPTION") or told("PROMPT")
        case "failed":
            title, text = f"{told('SOURCE')} failed", f"{told('REASON')}. {told('MEND')}"
        case _:
            title, text = "Nothing is left to do", f"{told('DONE')} done, {told('FAILED')} failed"
    return _shortened(title), _shortened(text)


def notifier_for(system: System, title: str, text: str, picture: str = "") -> Notifier:
    """The program for a system."""
    match system:
        case System.MACOS:
            return Notifier(command=("osascript", *_APPLE, title, text))
        case System.WSL2:
            variables = {"AURADAEMON_TITLE": title, "AURADAEMON_TEXT": text}
            variables["WSLENV"] = ":".join(("AURADAEMON_TITLE", "AURADAEMON_TEXT"))
            command = ("powershell.exe", "-NoProfile", "-NonInteractive", "-Command", _WINDOWS)
            mend = "let WSL run Windows programs ([interop] enabled=true in /etc/wsl.conf)"
            return Notifier(command=command, variables=variables, mend=mend)
        case _:
            icon = (f"--icon={picture}",) if picture else ()
            command = ("notify-send", "--app-name=aura-daemon", *icon, "--", title, html.escape(text, quote=False))
            return Notifier(command=command, mend="install it (Debian: libnotify-bin)")


def main() -> int:
    """Shows one event."""
    title, text = texts_of(os.environ)
    first = os.environ.get(PREFIX + "OUTPUTS", "").partition("\n")[0]
    picture = first if PurePath(first).suffix in PICTURES else ""
    notifier = notifier_for(this_system(), title, text, picture)
    program = notifier.command[0]
    if shutil.which(program) is None:
        sys.stderr.write(f"{program} is not there: {notifier.mend}\n")
        return 1
    shown = subprocess.run(notifier.command, env={**os.environ, **notifier.variables}, check=False)
    return 1 if shown.returncode else 0


def _shortened(text: str) -> str:
    return shortened(" ".join(text.split()), MOST_CHARACTERS)


if __name__ == "__main__":
    sys.exit(main())
