"""Tiny models for the tests of the engines, written once a session. Tests of rules beside them take no torch."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported; see workers/child.py
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the engines take for small work: another number rounds otherwise

from io import BytesIO
from pathlib import Path

import pytest

from tests.support.listening import Listener


@pytest.fixture(scope="session")
def generator_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_models import write_generator

    return write_generator(tmp_path_factory.mktemp("models") / "generator")


@pytest.fixture(scope="session")
def captioner_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_models import write_captioner

    return write_captioner(tmp_path_factory.mktemp("models") / "captioner")


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def png_of_noise() -> bytes:
    import numpy
    from PIL import Image

    content = BytesIO()
    pixels = numpy.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=numpy.uint8)
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()
