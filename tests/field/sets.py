"""Training sets and downloads: whose a text is that lies beside something."""

from __future__ import annotations

from typing import Final

from tests.field.pictures import JPEG, PNG, RED_CIRCLE, as_json
from tests.field.report import Report

REPORTS: Final = (
    Report(
        name="video-captions",
        files={
            "clip001.mp4": b"\0\0\0\x18ftypmp42" + b"\x11" * 200,
            "clip001.txt": b"a man walks through rain\n",
            "clip002.MOV": b"\0\0\0\x14ftypqt  " + b"\x11" * 200,
            "clip002.txt": b"a cat jumps\n",
        },
        left={"clip001.mp4": "mp4", "clip001.txt": "beside", "clip002.MOV": "mov", "clip002.txt": "beside"},
    ),
    Report(
        name="ocr-text-of-a-scan",
        files={"scan.pdf": b"%PDF-1.7\n" + b"%" * 200, "scan.txt": b"Invoice 4711\nTotal 12.50\n\x0c"},
        left={"scan.pdf": "pdf", "scan.txt": "beside"},
    ),
    Report(
        name="raw-and-text",
        files={"IMG_0042.CR2": b"II*\0\x10\0\0\0CR\x02\0" + b"\x11" * 200, "IMG_0042.txt": b"a beach at noon\n"},
        left={"IMG_0042.CR2": "cr2", "IMG_0042.txt": "beside"},
    ),
    Report(
        name="gallery-dl",
        files={
            "5.jpg": JPEG,
            "5.jpg.json": as_json({"category": "danbooru", "tags": ["1girl", "solo"], "prompt": "a girl"}),
            "5.jpg.txt": b"1girl\nsolo\n",
            "info.json": as_json({"gallery_id": 13552, "title": "A Dream", "tags": ["giantess"], "count": 33}),
        },
        captions={"5.jpg": RED_CIRCLE},
        left={"5.jpg.json": "", "5.jpg.txt": "beside an image", "info.json": "JSON"},
    ),
    Report(
        name="img2dataset",
        files={
            "000000001.jpg": JPEG,
            "000000001.txt": b"a red circle\n",
            "000000001.json": as_json(
                {"caption": "a red circle", "url": "https://example.org/1.jpg", "key": "000000001"}
            ),
            "00000_stats.json": as_json({"count": 1, "successes": 1}),
            "00000.parquet": b"PAR1" + b"\x15" * 100 + b"PAR1",
            "00000.tar": b"000000001.jpg" + b"\0" * 499,
        },
        captions={"000000001.jpg": RED_CIRCLE},
        left={
            "000000001.txt": "beside an image",
            "000000001.json": "",
            "00000_stats.json": "JSON",
            "00000.parquet": "parquet",
            "00000.tar": "tar",
        },
    ),
    Report(
        name="onetrainer-masks",
        files={"1.png": PNG, "1.txt": b"photo of gs\n", "1-masklabel.png": PNG},
        captions={"1.png": RED_CIRCLE, "1-masklabel.png": RED_CIRCLE},
        left={"1.txt": "beside an image"},
    ),
    Report(
        name="apple-double",
        files={"1.jpg": JPEG, "1.txt": b"photo of gs\n", "._1.jpg": b"\0\x05\x16\x07", "._1.txt": b"\0\x05\x16\x07"},
        captions={"1.jpg": RED_CIRCLE},
        left={"1.txt": "beside an image", "._1.jpg": "hidden", "._1.txt": "hidden"},
    ),
)
