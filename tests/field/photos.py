"""Photos and scans: files that other programs opened wrongly."""

from __future__ import annotations

from typing import Final

from tests.field.pictures import RED_CIRCLE, WHITE_CIRCLE, circle, cmyk_jpeg, grey_16_png, saved
from tests.field.report import Report

REPORTS: Final = (
    Report(
        name="scanimage-pnm",
        files={
            "out1.pnm": saved(circle(), "PPM"),
            "out2.pgm": saved(circle("white", "black").convert("L"), "PPM"),
            "out3.pbm": saved(circle("white", "black").convert("1"), "PPM"),
        },
        captions={"out1.pnm": RED_CIRCLE, "out2.pgm": WHITE_CIRCLE, "out3.pbm": WHITE_CIRCLE},
    ),
    Report(
        name="photoshop-cmyk",
        files={"print.jpg": cmyk_jpeg()},
        captions={"print.jpg": RED_CIRCLE},
    ),
    Report(
        name="grey-16-bit",
        files={"scan.png": grey_16_png()},
        captions={"scan.png": WHITE_CIRCLE},
    ),
    Report(
        name="fax-tiff",
        files={"fax.tif": saved(circle("white", "black").convert("1"), "TIFF", compression="group4")},
        captions={"fax.tif": WHITE_CIRCLE},
    ),
)
