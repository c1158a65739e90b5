"""Tables and JSON: lists of prompts, and the many files that only look like one."""

from __future__ import annotations

import json
from typing import Final

from tests.field.pictures import PNG, RED_CIRCLE, as_json
from tests.field.prompts import CIRCLE, STAR
from tests.field.report import Report

STYLES: Final = (
    "name,prompt,negative_prompt\r\n"
    "None,,\r\n"
    'cinematic,"cinematic still {prompt} . shallow depth of field","anime, cartoon"\r\n'
)

PARTI: Final = (
    "Prompt\tCategory\tChallenge\tNote\n"
    "bond\tAbstract\tBasic\tBiology-inspired concepts\n"
    "element\tAbstract\tBasic\tBiology-inspired concepts\n"
)


def _lines(*rows: dict[str, str]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


REPORTS: Final = (
    Report(
        name="excel-semicolons",
        files={
            "prompts.csv": f'\ufeffprompt;negative_prompt;steps\r\n"{CIRCLE}; oil";blurry;3\r\n{STAR};;2\r\n'.encode()
        },
        drawn=(
            {"prompt": f"{CIRCLE}; oil", "negative_prompt": "blurry", "steps": 3},
            {"prompt": STAR, "negative_prompt": "", "steps": 2},
        ),
    ),
    Report(
        name="parti-prompts",
        files={"PartiPrompts.tsv": PARTI.encode()},
        failed={"PartiPrompts.tsv": "Category"},
    ),
    Report(
        name="styles-csv",
        files={"styles.csv": STYLES.encode()},
        left={"styles.csv": "styles"},
    ),
    Report(
        name="deforum-json",
        files={"keyframes.json": as_json({"0": CIRCLE, "30": f"{STAR} --neg text, watermark"})},
        left={"keyframes.json": "JSON"},
    ),
    Report(
        name="hf-metadata",
        files={
            "img1.png": PNG,
            "metadata.jsonl": _lines({"file_name": "img1.png", "text": "a first text feature"}),
        },
        captions={"img1.png": RED_CIRCLE},
        left={"metadata.jsonl": ""},
    ),
    Report(
        name="hf-metadata-prompt",
        files={
            "img1.png": PNG,
            "metadata.jsonl": _lines({"file_name": "img1.png", "prompt": "a photo of TOK dog"}),
        },
        captions={"img1.png": RED_CIRCLE},
        left={"metadata.jsonl": ""},
    ),
    Report(
        name="musubi-jsonl",
        files={"metadata.jsonl": _lines({"image_path": "/data/image1.jpg", "caption": "A caption for image1"})},
        left={"metadata.jsonl": ""},
    ),
    Report(
        name="hf-metadata-csv",
        files={"1.png": PNG, "metadata.csv": b"file_name,text\n1.png,a drawing of a green creature\n"},
        captions={"1.png": RED_CIRCLE},
        left={"metadata.csv": ""},
    ),
    Report(
        name="a1111-batch-csv",
        files={"00001.png": PNG, "batch_prompts.csv": b'00001.png,"a castle, oil",blurry\n'},
        captions={"00001.png": RED_CIRCLE},
        left={"batch_prompts.csv": ""},
    ),
    Report(
        name="kohya-meta-cap",
        files={"meta_cap.json": as_json({"/data/1girl/001": {"caption": "a girl", "tags": "1girl, solo"}})},
        left={"meta_cap.json": "JSON"},
    ),
    Report(
        name="diffusiondb",
        files={
            "3bfcd9cf.png": PNG,
            "part-000001.json": as_json(
                {"3bfcd9cf.png": {"p": "a castle", "se": 3312523387, "c": 7.0, "st": 50, "sa": "k_euler"}}
            ),
        },
        captions={"3bfcd9cf.png": RED_CIRCLE},
        left={"part-000001.json": "JSON"},
    ),
    Report(
        name="dynamic-prompts-log",
        files={
            "log.json": as_json(
                {
                    "prompt": "bird",
                    "all_prompts": ["bird", "bird"],
                    "seed": 1727151994,
                    "infotexts": ["bird\nSteps: 20"],
                }
            )
        },
        failed={"log.json": "all_prompts"},
    ),
)
