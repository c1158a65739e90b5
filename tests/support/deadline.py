"""How long tests wait for what must come: for ever, nearly, as the machine may be busy. No test measures time."""

from typing import Final

DEADLINE_S: Final = 300.0
"""Less than the limit of a whole test (pyproject.toml), so that whoever waits can say for what."""
