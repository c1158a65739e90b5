"""An agent at the house of a test."""

from __future__ import annotations

import pytest

from tests.support.agents import Ask, asking, config_of
from tests.support.house import House


@pytest.fixture
def ask(house: House) -> Ask:
    """Asks one question a session."""
    return asking(config_of(house))
