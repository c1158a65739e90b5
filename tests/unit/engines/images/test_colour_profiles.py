"""Which colours the models see: those of sRGB, whatever profile a picture carries."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image, ImageCms

from aura_daemon.config.engine import EngineSettings
from aura_daemon.engines.images.decode import ReadPicture, read_picture
from tests.support.icc_profiles import cmyk_profile, grey_profile, rgb_profile
from tests.support.image_files import encoded

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PHOTO = Image.merge("RGB", [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.new("L", (256, 256), 90)])


def read(content: bytes) -> ReadPicture:
    picture = read_picture(content, "p.png", EngineSettings())
    assert isinstance(picture, ReadPicture), picture
    return picture


def colour(picture: Image.Image, kind: str, **options: object) -> tuple[int, ...]:
    found = read(encoded(picture, kind, **options)).image.getpixel((1, 1))
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF", "JPEG", "HEIC"])
def test_a_wide_colour_is_seen_as_what_it_is_in_every_format(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100}
    red, green, blue = colour(Image.new("RGB", (16, 16), (200, 40, 40)), kind, icc_profile=rgb_profile(), **options)
    assert red > 210  # as far out as sRGB has it
    assert green < 30
    assert blue < 40


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_counts_in_every_mode_of_colours(mode: str) -> None:
    picture = Image.new("RGB", (4, 4), (200, 40, 40)).convert(mode)
    assert colour(picture, "PNG", icc_profile=rgb_profile())[0] > 210


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
@pytest.mark.parametrize("profile", [SRGB, SRGB.replace(b"sRGB", b"Adob")])
def test_a_profile_that_is_srgb_leaves_every_bit_alone_whatever_it_calls_itself(mode: str, profile: bytes) -> None:
    picture = PHOTO.convert(mode)
    untouched, profiled = (read(encoded(picture, "PNG", icc_profile=given)) for given in (None, profile))
    assert profiled.image.tobytes() == untouched.image.tobytes()
    assert profiled.warnings == ()


def test_a_profile_that_calls_itself_srgb_and_is_not_counts_by_what_it_does() -> None:
    lies = rgb_profile(gamma=1.0).replace(b"a profile of the tests", b"sRGB IEC61966-2.1     ")
    assert colour(Image.new("RGB", (4, 4), (55, 55, 55)), "PNG", icc_profile=lies)[0] > 120


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_has_profiles_too(mode: str) -> None:
    grey = Image.new("I;16", (4, 4), 55 * 256) if mode == "I;16" else Image.new("L", (4, 4), 55).convert(mode)
    found = colour(grey, "PNG", icc_profile=grey_profile(1.0))
    assert found[0] == pytest.approx(128, abs=3)


def test_inks_are_seen_as_their_profile_says() -> None:
    cyan = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    assert colour(cyan, "TIFF") == (0, 255, 255)
    for kind in ("TIFF", "JPEG"):
        red, green, blue = colour(cyan, kind, icc_profile=cmyk_profile())
        assert blue > 240 > red > green


def test_the_inks_of_a_jpeg_of_adobe_are_not_turned_into_their_opposite() -> None:
    assert colour(Image.new("CMYK", (16, 16), (0, 0, 255, 0)), "JPEG", quality=100) == pytest.approx(
        (255, 255, 0), abs=3
    )


def test_lab_is_read_without_any_profile() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    picture = ImageCms.profileToProfile(
        Image.new("RGB", (4, 4), (200, 40, 40)), ImageCms.createProfile("sRGB"), lab, outputMode="LAB"
    )
    assert picture is not None
    assert colour(picture, "TIFF") == pytest.approx((200, 40, 40), abs=4)


@pytest.mark.parametrize(
    ("mode", "profile", "told"),
    [
        ("RGB", b"no profile at all" * 20, "p.png: its colour profile is damaged; its colours are read as sRGB"),
        ("RGB", rgb_profile()[:200], "p.png: its colour profile is damaged; its colours are read as sRGB"),
        ("RGB", cmyk_profile(), "p.png: its colour profile is for CMYK, and the picture is RGB; its colours are read"),
        ("RGB", grey_profile(1.0), "p.png: its colour profile is for GRAY, and the picture is RGB; its colours are"),
    ],
)
def test_a_profile_that_cannot_be_used_is_told_and_ignored(mode: str, profile: bytes, told: str) -> None:
    picture = read(encoded(PHOTO.convert(mode), "PNG", icc_profile=profile))
    assert picture.image.tobytes() == PHOTO.tobytes()
    assert len(picture.warnings) == 1
    assert picture.warnings[0].startswith(told)


@pytest.mark.parametrize("length", [0, 3, 127])
def test_a_profile_that_is_cut_within_its_header_spoils_no_picture(length: int) -> None:
    content = BytesIO()
    PHOTO.save(content, "JPEG", icc_profile=rgb_profile()[:length])
    assert read(content.getvalue()).image.size == PHOTO.size
