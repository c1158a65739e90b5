"""The list of commands in `aura-daemon --help`: under headings, those that one needs first at the top, a line each."""

from __future__ import annotations

from typing import Any, Final

from typer.core import TyperGroup

SECTIONS: Final = {
    "Setting up": ("init", "demo", "doctor", "fetch", "service", "recipe", "completion"),
    "Running": ("run", "once"),
    "Handing jobs in": ("submit", "check"),
    "Asking": ("status", "history", "open", "why"),
    "Changing jobs": ("cancel", "retry"),
    "Keeping the journal": ("backup", "restore"),
    "Measuring, and other programs": ("bench", "mcp", "schema"),
}
"""Each command stands in one of them; docs/commands.md has the same."""


class SectionedGroup(TyperGroup):
    """The group of all commands, with its help under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes what each command does."""
        longest = max(map(len, self.commands))
        for heading, names in SECTIONS.items():
            rows = [(name.ljust(longest), self.commands[name].get_short_help_str(limit=200)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(rows)
