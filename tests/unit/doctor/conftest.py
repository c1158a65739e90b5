"""The tiny generator of the engines' tests, for what torch finds of a model."""

from tests.unit.engines.conftest import generator_folder as generator_folder
