"""A captioned set, put together: thumbnails, what looks alike, and a folder that Hugging Face's loader reads."""

from __future__ import annotations

import csv
import os
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageEnhance

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.dataset import put_together
from aura_daemon.engines.placement.device_memory import PeakMemory
from aura_daemon.engines.placement.devices import processor_device
from aura_daemon.jobs.caption_files import CaptionFile, CaptionPlace
from aura_daemon.jobs.requests import DatasetRequest
from aura_daemon.jobs.results import CANCELLED, Failure, Outcome, Produced, ResolvedDataset
from aura_daemon.jobs.tasks import PictureState, SetPicture, Task
