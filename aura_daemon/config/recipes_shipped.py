"""The recipes that come with the daemon. In: nothing. Out: `_defaults.yaml` files that do one thing each.

config/recipes/ holds them; the first line of each is a comment that says what it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

FOLDER: Final = "recipes"
"""In this package."""

_EXTENSION: Final = ".yaml"


@dataclass(frozen=True, kw_only=True, slots=True)
class ShippedRecipe:
    """A recipe, ready to lie in a folder as its `_defaults.yaml`."""

    name: str
    text: str

    @property
    def summary(self) -> str:
        """What it does, on one line."""
        return self.text.partition("\n")[0].removeprefix("# ")


def shipped() -> tuple[ShippedRecipe, ...]:
    """All of them, by their names."""
    return tuple(sorted(_found(), key=lambda recipe: recipe.name))


def _found() -> Iterator[ShippedRecipe]:
    for file in files(__package__).joinpath(FOLDER).iterdir():
        if file.name.endswith(_EXTENSION):
            yield ShippedRecipe(name=file.name.removesuffix(_EXTENSION), text=file.read_text(encoding="utf-8"))
