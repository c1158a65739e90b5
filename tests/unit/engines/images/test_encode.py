"""Pictures as files: what other people's readers find in them."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy
import pytest
import sd_parsers
from PIL import Image, features
from sd_parsers.data import Generators
from sd_parsers.extractors._get_exif_value import get_exif_value
from sd_parsers.parsers import AUTOMATIC1111Parser

from aura_daemon.engines.images.encode import EncodedImage, described, encoded, lacking
from aura_daemon.formats.picture_metadata.infotext import parse
from aura_daemon.formats.picture_metadata.xmp import COMPOSITE, TRAINED
from aura_daemon.jobs.requests import ImageFormat, Metadata
from aura_daemon.jobs.resolved import ResolvedGenerate
from aura_daemon.jobs.results import Failure
from tests.support.deadline import DEADLINE_S
from tests.unit.formats.picture_metadata.test_embedded_texts import embedded_text

EXIFTOOL = shutil.which("exiftool")
needs_exiftool = pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed (libimage-exiftool-perl)")
every_format = pytest.mark.parametrize("image_format", list(ImageFormat))

MADE = ResolvedGenerate(
    prompt="a lighthouse, (dawn:1.2)\nSECRETWORD café 猫 🦊",
    negative_prompt="blurry, low quality",
    steps=25,
    guidance_scale=7.5,
    scheduler="dpm++_2m_karras",
    seed=2**63 - 1,
    width=64,
    height=48,
)


def picture() -> Image.Image:
    pixels = numpy.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=numpy.uint8)
    return Image.fromarray(pixels).resize((64, 48))


def made(image_format: ImageFormat, metadata: Metadata = Metadata.FULL) -> ResolvedGenerate:
    quality = None if image_format is ImageFormat.PNG else 90
    return replace(MADE, format=image_format, quality=quality, metadata=metadata)


def file_of(resolved: ResolvedGenerate) -> EncodedImage:
    text, packet = described(resolved, model="/home/me/models/mine.safetensors", model_sha256="0123456789abcdef")
    found = encoded(picture(), resolved, text, packet)
    assert isinstance(found, EncodedImage), found
    return found


def exiftool(content: bytes, folder: Path, image_format: ImageFormat) -> dict[str, str]:
    """What exiftool says of a file, without complaints."""
    assert EXIFTOOL is not None
    place = folder / f"picture.{image_format}"
    place.write_bytes(content)
    ran = subprocess.run(
        [EXIFTOOL, "-j", "-a", "-G1", "-validate", "-warning", "-error", "-XMP:all", "-EXIF:all", "-PNG:all", place],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    (found,) = json.loads(ran.stdout)
    return {key.rpartition(":")[2]: value for key, value in found.items()}


@every_format
def test_a_file_is_of_its_format_and_as_large_as_the_picture(image_format: ImageFormat) -> None:
    found = file_of(made(image_format))
    assert found.warnings == ()
    with Image.open(BytesIO(found.content)) as read:
        assert read.format == {"jpg": "JPEG"}.get(image_format, image_format.upper())
        assert read.size == (64, 48)
        distance = numpy.abs(numpy.asarray(read, dtype=int) - numpy.asarray(picture(), dtype=int)).mean()
    assert distance < (1 if image_format is ImageFormat.PNG else 8)


@every_format
@pytest.mark.parametrize("metadata", list(Metadata))
def test_the_same_picture_makes_the_same_bytes(image_format: ImageFormat, metadata: Metadata) -> None:
    resolved = made(image_format, metadata)
    assert file_of(resolved) == file_of(resolved)


def test_less_quality_is_a_smaller_file() -> None:
    for image_format in (ImageFormat.JPG, ImageFormat.WEBP, ImageFormat.AVIF):
        poor = replace(made(image_format), quality=10)
        assert len(file_of(poor).content) < len(file_of(made(image_format)).content)


@every_format
def test_an_independent_reader_finds_the_settings(image_format: ImageFormat) -> None:
    content = file_of(made(image_format)).content
    if image_format is ImageFormat.AVIF:  # sd-parsers knows no AVIF, but reads EXIF wherever Pillow finds it
        with Image.open(BytesIO(content)) as read:
            text = get_exif_value(read, "UserComment")
        info = AUTOMATIC1111Parser().parse({"parameters": text})
    else:
        with Image.open(BytesIO(content)) as read:
            found = sd_parsers.ParserManager().parse(read)
        assert found is not None
        info = found
    assert info.generator == Generators.AUTOMATIC1111
    (sampler,) = info.samplers
    assert [prompt.value for prompt in sampler.prompts] == [MADE.prompt]
    assert [prompt.value for prompt in sampler.negative_prompts] == [MADE.negative_prompt]
    assert (sampler.name, sampler.parameters["scheduler"]) == ("DPM++ 2M", "Karras")
    assert (sampler.parameters["seed"], sampler.parameters["cfg_scale"]) == (str(MADE.seed), "7.5")
    assert sampler.parameters["steps"] == "25"
    assert sampler.model is not None
    assert (sampler.model.name, sampler.model.hash) == ("mine", "0123456789")
    assert info.metadata["Size"] == "64x48"


@every_format
def test_our_own_reader_finds_the_same(image_format: ImageFormat) -> None:
    text = embedded_text(file_of(made(image_format)).content)
    assert text is not None
    said = parse(text)
    assert said is not None
    assert (said.keys["prompt"], said.keys["seed"]) == (MADE.prompt, MADE.seed)


def test_a_text_of_latin_letters_is_a_plain_chunk_as_a1111_writes_it() -> None:
    content = file_of(replace(made(ImageFormat.PNG), prompt="café")).content
    assert b"tEXtparameters\0caf\xe9\n" in content
    assert b"iTXtparameters\0" in file_of(made(ImageFormat.PNG)).content


@needs_exiftool
@every_format
def test_exiftool_reads_where_a_picture_comes_from(tmp_path: Path, image_format: ImageFormat) -> None:
    found = exiftool(file_of(made(image_format)).content, tmp_path, image_format)
    assert found["DigitalSourceType"] == TRAINED
    assert found["AISystemUsed"] == "aura-daemon, model mine"
    assert found["AIPromptInformation"] == f"{MADE.prompt}\nNegative prompt: {MADE.negative_prompt}"
    assert "AISystemVersionUsed" in found
    if image_format is ImageFormat.PNG:
        assert found["Parameters"].startswith("a lighthouse, (dawn:1.2)")
    else:
        assert found["UserComment"].startswith("a lighthouse, (dawn:1.2)")
    assert not [
        value for key, value in found.items() if key in ("Error", "Warning") and "Missing required" not in value
    ]


@needs_exiftool
@every_format
def test_a_picture_made_from_another_is_a_composite(tmp_path: Path, image_format: ImageFormat) -> None:
    resolved = replace(made(image_format, Metadata.MINIMAL), image="sketch.png", strength=0.5)
    found = exiftool(file_of(resolved).content, tmp_path, image_format)
    assert found["DigitalSourceType"] == COMPOSITE


@needs_exiftool
@every_format
def test_minimal_is_the_origin_alone(tmp_path: Path, image_format: ImageFormat) -> None:
    content = file_of(made(image_format, Metadata.MINIMAL)).content
    found = exiftool(content, tmp_path, image_format)
    assert found["DigitalSourceType"] == TRAINED
    assert not {"Parameters", "UserComment", "AISystemUsed", "AIPromptInformation"} & found.keys()
    assert_says_nothing(content)


@every_format
def test_none_is_nothing_at_all(image_format: ImageFormat) -> None:
    content = file_of(made(image_format, Metadata.NONE)).content
    assert_says_nothing(content)
    for word in (b"trainedAlgorithmicMedia", b"xmp", b"Exif", b"aura"):
        assert word not in content


def assert_says_nothing(content: bytes) -> None:
    """Neither the prompt nor what else the settings hold, in any encoding."""
    assert embedded_text(content) is None
    for word in ("SECRETWORD", "lighthouse", "blurry", "DPM++", "mine"):
        for encoding in ("utf-8", "utf-16-be", "utf-16-le"):
            assert word.encode(encoding) not in content


def test_settings_that_a_jpeg_has_no_room_for_are_said_and_a_png_holds_them() -> None:
    long = {"prompt": "🦊" * 10_000, "negative_prompt": "🐕" * 10_000}
    found = file_of(replace(made(ImageFormat.JPG), **long))
    (warning,) = found.warnings
    assert "too long for a JPEG" in warning
    assert embedded_text(found.content) is None
    assert TRAINED.encode() in found.content
    for image_format in (ImageFormat.PNG, ImageFormat.WEBP, ImageFormat.AVIF):
        whole = file_of(replace(made(image_format), **long))
        assert whole.warnings == ()
        assert (embedded_text(whole.content) or "").startswith("🦊" * 10_000 + "\nNegative prompt: 🐕🐕")


def test_a_codec_that_is_missing_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda name: name != "avif")
    failure = lacking(ImageFormat.AVIF)
    assert isinstance(failure, Failure)
    assert "cannot write avif" in failure.message
    assert "format: png" in failure.mend
    assert encoded(picture(), made(ImageFormat.AVIF), "", "") == failure
    assert lacking(ImageFormat.PNG) is None
    assert lacking(ImageFormat.WEBP) is None
