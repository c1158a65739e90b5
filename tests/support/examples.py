"""How many examples a property tries: all in `make test`, few where its test runs again as on another system."""

from typing import Final

from hypothesis import settings

FEW: Final = 10
"""Of the profile "few", for `make coverage` and `make elsewhere`: the same ones in every run."""


def examples(count: int) -> int:
    """As many as a test asks for, or few."""
    return min(count, FEW) if settings.default.max_examples == FEW else count
