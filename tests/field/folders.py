"""Phones, scanners, other systems and sync tools: names and companions of what they put into a folder."""

from __future__ import annotations

from typing import Final

from tests.field.pictures import JPEG, PNG, RED_CIRCLE, as_json, motion_photo
from tests.field.prompts import CIRCLE
from tests.field.report import Report

ZONE: Final = b"[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=https://example.org/x.png\r\n"
NARROW: Final = "Screenshot 2026-05-12 at 4.42.48\u202fPM.png"
CZECH: Final = "Snímek obrazovky 2026-05-15 v\u00a013.05.05.png"

_TEXT: Final = f"{CIRCLE}\n".encode()
_CONFLICTS: Final = (
    "2026-03-12 (Conflicted copy ThinkPad-T14-G5 202603121129).txt",
    "myfile (Sam's conflicting copy 2022-08-30).txt",
    "notes (conflicting copy).txt",
    "plan (Conflict anna 2018-03-28 101112).txt",
    "list (case clash from 2023-01-01 101112).txt",
    "data (edit conflict, martin v10).txt",
)
_SYNOLOGY: Final = ("a_Andy-PC_Jan-03-0901-2013_CaseConflict_1.txt", "b_nas_Jan-03-0901-2013_Conflict.txt")

REPORTS: Final = (
    Report(
        name="google-takeout",
        files={
            "IMG_3397.JPG": JPEG,
            "IMG_3397.JPG.supplemental-metadata.json": as_json({"title": "IMG_3397.JPG", "description": "a prompt"}),
            "IMG_3398.JPG.supple.json": as_json({"title": "IMG_3398.JPG", "description": ""}),
            "metadata.json": as_json({"title": "Chengdu City 2009", "description": "", "access": "protected"}),
        },
        captions={"IMG_3397.JPG": RED_CIRCLE},
        left={"IMG_3397.JPG.supplemental-metadata.json": "", "IMG_3398.JPG.supple.json": "", "metadata.json": ""},
    ),
    Report(
        name="iphone-edited",
        files={
            "IMG_1234.JPG": JPEG,
            "IMG_E1234.JPG": JPEG,
            "IMG_1234.AAE": b'<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"></plist>\n',
            "IMG_1234.MOV": b"\0\0\0\x14ftypqt  " + b"\x11" * 200,
        },
        captions={"IMG_1234.JPG": RED_CIRCLE, "IMG_E1234.JPG": RED_CIRCLE},
        left={"IMG_1234.AAE": "aae", "IMG_1234.MOV": "mov"},
    ),
    Report(
        name="pixel-motion-photo",
        files={
            "PXL_20240101_120000123.MP.jpg": motion_photo(),
            "PXL_20240101_120000123.MP": b"\0\0\0\x18ftypmp42" + b"\x11" * 200,
        },
        captions={"PXL_20240101_120000123.MP.jpg": RED_CIRCLE},
        left={"PXL_20240101_120000123.MP": "mp"},
    ),
    Report(
        name="zone-identifier",
        files={
            "x.png": PNG,
            "x.png:Zone.Identifier": ZONE,
            "x.png\uf03aZone.Identifier": ZONE,
            "y.txt:Zone.Identifier:Zone.Identifier": ZONE,
        },
        captions={"x.png": RED_CIRCLE},
        left={
            "x.png:Zone.Identifier": "Windows",
            "x.png\uf03aZone.Identifier": "Windows",
            "y.txt:Zone.Identifier:Zone.Identifier": "Windows",
        },
    ),
    Report(
        name="screenshot-narrow-space",
        files={
            NARROW: PNG,
            "tell.yaml": f"task: caption\nimage: {NARROW.replace(chr(0x202F), ' ')}\n".encode(),
            CZECH: PNG,
            "czech.yaml": f"task: caption\nimage: {CZECH.replace(chr(0xA0), ' ')}\n".encode(),
        },
        captions={"tell.yaml": RED_CIRCLE, "czech.yaml": RED_CIRCLE},
    ),
    Report(
        name="synology-thumbnails",
        files={
            "SYNOPHOTO_THUMB_XL.jpg": JPEG,
            "SYNOFILE_THUMB_M.jpg": JPEG,
            "@eaDir/a.jpg/SYNOPHOTO_THUMB_SM.jpg": JPEG,
        },
        left={
            "SYNOPHOTO_THUMB_XL.jpg": "a NAS",
            "SYNOFILE_THUMB_M.jpg": "a NAS",
            "@eaDir/a.jpg/SYNOPHOTO_THUMB_SM.jpg": "a NAS",
        },
    ),
    Report(
        name="recycle-bin",
        files={
            "$RECYCLE.BIN/S-1-5-21-1/$R1A2B3.jpg": JPEG,
            "System Volume Information/notes.txt": _TEXT,
            "lost+found/a.png": PNG,
        },
        left={
            "$RECYCLE.BIN/S-1-5-21-1/$R1A2B3.jpg": "private name",
            "System Volume Information/notes.txt": "private name",
            "lost+found/a.png": "private name",
        },
    ),
    Report(
        name="conflict-copies",
        files=dict.fromkeys(_CONFLICTS, _TEXT),
        left=dict.fromkeys(_CONFLICTS, "conflict copy"),
    ),
    Report(
        name="synology-conflict",
        files=dict.fromkeys(_SYNOLOGY, _TEXT),
        left=dict.fromkeys(_SYNOLOGY, "conflict copy"),
    ),
    Report(
        name="aria2-control-file",
        files={"x.jpg": JPEG[:-300] + b"\0" * 300, "x.jpg.aria2": b"\0\x01\0\0\0\0"},
        left={"x.jpg": ".aria2 lies beside it", "x.jpg.aria2": "a download that goes on"},
    ),
    Report(
        name="twitter-names",
        files={"EVAcxrfU.jpg_large": JPEG, "GBqiWrv.jpg-orig": JPEG, "DVilTl0W.jpg:large": JPEG},
        left={
            "EVAcxrfU.jpg_large": "call it `.jpg`",
            "GBqiWrv.jpg-orig": "call it `.jpg`",
            "DVilTl0W.jpg:large": "call it `.jpg`",
        },
    ),
    Report(
        name="heic-that-is-jpeg",
        files={"IMG_3564.HEIC": JPEG},
        captions={"IMG_3564.HEIC": RED_CIRCLE},
    ),
    Report(
        name="whatsapp-names",
        files={
            "WhatsApp Image 2023-01-01 at 10.00.00.jpeg": JPEG,
            "WhatsApp Image 2023-01-01 at 10.00.00 (1).jpeg": JPEG,
        },
        captions={
            "WhatsApp Image 2023-01-01 at 10.00.00.jpeg": RED_CIRCLE,
            "WhatsApp Image 2023-01-01 at 10.00.00 (1).jpeg": RED_CIRCLE,
        },
    ),
    Report(
        name="scanner-starts-empty",
        files={"scan0001.jpg": b""},
        failed={"scan0001.jpg": "empty"},
    ),
)
