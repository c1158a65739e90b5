"""Writes the corpus anew: `python -m tests.corpus.make`. Seeded; images depend on the version of Pillow."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

import pillow_heif
from PIL import Image

from tests.corpus import FILES
from tests.support.steps import SIDECAR

GOOD_JOBS = (
    b"prompt: a red circle\n",
    b"prompt: a red circle on a white background\nnegative_prompt: blurry\nsteps: 20\nseed: 7\n",
    b"prompt: |\n  a red circle\n  on a white background\nguidance_scale: 7.5\nscheduler: euler a\n",
    b"# two\nprompt: one\n---\nprompt: two\naspect_ratio: 16:9\npriority: 3\n",
    b"task: caption\nimage: beach.png\nprompt: a photo of\n",
    b'{"prompt": "a red circle", "width": 512, "height": 768, "steps": 4}\n',
    "prompt: ein Bär, 熊, 🐻\nwidth: 512\n".encode(),
)

ODD_VALUES = (
    "", "null", "~", "true", "-1", "0", "1e400", "99999999999999999999", ".nan", ".inf", "0x1F", "0o17", "1_000", "[]",
    "{}", "[1, 2]", "{a: 1}", "2026-11-23", "!!str 4", "!!binary aGVsbG8=", "&a 5", '"\\u0000"', "'", "%", "@", "`",
    "a: b", "- a", "../../etc/passwd", "\\\\host\\share", "x" * 12_000,
)  # fmt: skip

KEYS = (
    "prompt", "negative_prompt", "aspect_ratio", "width", "height", "steps", "guidance_scale", "scheduler", "seed",
    "image", "max_new_tokens", "priority", "task",
)  # fmt: skip

SPECIAL_JOBS: dict[str, bytes] = {
    "alias-bomb": b"a: &a [x, x, x, x, x, x, x, x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b", ".join([b"*%c" % (97 + n)] * 8)) for n in range(12)),
    "aliases-51": b"a: &a x\nprompt:\n" + b"  - *a\n" * 51,
    "alias-of-itself": b"prompt: &a [*a]\n",
    "nested-flow": b"prompt: " + b"[" * 5_000,
    "nested-flow-closed": b"prompt: " + b"[" * 500 + b"]" * 500,
    "nested-block": b"".join(b" " * depth + b"a:\n" for depth in range(150)),
    "nested-21": b"prompt: " + b"[" * 21 + b"]" * 21,
    "documents-501": b"---\nprompt: x\n" * 501,
    "documents-empty": b"---\n" * 3_000,
    "tag-python": b"!!python/object/apply:os.system ['true']\n",
    "tag-own": b"prompt: !secret x\n",
    "tag-on-key": b"!!str prompt: x\n",
    "merge-key": b"a: &a {steps: 4}\n<<: *a\nprompt: x\n",
    "duplicate-key": b"prompt: x\nprompt: y\n",
    "duplicate-key-quoted": b'prompt: x\n"prompt": y\n',
    "key-is-a-list": b"? [a, b]\n: x\n",
    "key-is-a-mapping": b"? {a: b}\n: x\n",
    "key-is-null": b"~: x\nprompt: y\n",
    "key-is-a-number": b"1: x\nprompt: y\n",
    "key-is-long": b"k" * 20_000 + b": x\n",
    "key-is-underscored": b"__class__: x\nprompt: y\n",
    "many-unknown-keys": b"".join(b"key%d: x\n" % n for n in range(1_000)),
    "top-is-a-list": b"- prompt: x\n",
    "top-is-a-word": b"prompt\n",
    "top-is-a-number": b"42\n",
    "tabs": b"prompt:\tx\n\tsteps: 4\n",
    "crlf": b"prompt: x\r\nsteps: 4\r\n",
    "cr-only": b"prompt: x\rsteps: 4\r",
    "nul": b"prompt: x\0\nsteps: 4\n",
    "only-nul": b"\0" * 500,
    "control": b"prompt: x\x1b[31m\n",
    "bom": b"\xef\xbb\xbfprompt: x\nsteps: 0\n",
    "bom-twice": b"\xef\xbb\xbf\xef\xbb\xbfprompt: x\n",
    "utf-16": "prompt: x\nsteps: 0\n".encode("utf-16"),
    "utf-16-cut": "prompt: x\n".encode("utf-16")[:-1],
    "utf-16-without-mark": "prompt: x\n".encode("utf-16-le"),
    "utf-32": "prompt: x\n".encode("utf-32"),
    "latin-1": "prompt: B\u00e4r\n".encode("latin-1"),
    "surrogates": b"prompt: \xed\xa0\x80\xed\xb0\x80\n",
    "overlong": b"prompt: \xc0\xaf\n",
    "directive": b"%YAML 9.9\n---\nprompt: x\n",
    "directive-tag": b"%TAG ! tag:evil,2026:\n---\nprompt: !x y\n",
    "unclosed-quote": b'prompt: "x\nsteps: 4\n',
    "unclosed-brace": b"{prompt: x\n",
    "block-scalar-without-end": b"prompt: |9\n x\n",
    "escape-unknown": b'prompt: "\\q"\n',
    "escape-surrogate": b'prompt: "\\ud800"\n',
    "escape-huge": b'prompt: "\\UFFFFFFFF"\n',
    "number-of-5000-digits": b"prompt: x\nseed: " + b"9" * 5_000 + b"\n",
    "number-sexagesimal": b"prompt: x\nseed: 190:20:30\n",
    "prompt-of-20000": b"prompt: " + b"x" * 20_000 + b"\n",
    "right-to-left": "prompt: \u202eelcric\nstepz: 1\n".encode(),
    "html": b"<!doctype html><html><body>404 Not Found</body></html>\n",
    "json-lines": b'{"prompt": "x"}\n{"prompt": "y"}\n',
    "merge-conflict": b"<<<<<<< HEAD\nprompt: x\n=======\nprompt: y\n>>>>>>> theirs\n",
    "blank": b"\n\n   \n",
    "comment-only": b"# nothing yet\n",
    "image-up": b"image: ../../../etc/secret.png\n",
    "image-absolute": b"image: /etc/secret.png\n",
    "image-hidden": b"image: .aura/work/x.png\n",
    "image-windows": b"image: C:\\secret.png\n",
    "image-url": b"image: http://127.0.0.1/x.png\n",
    "image-no-image": b"image: secret.txt\n",
    "choices-bomb": b"prompt: '" + b"{a|b}" * 1_900 + b"'\n",
    "choices-deep": b"prompt: '" + b"{a|" * 3_000 + b"'\n",
    "choices-open": b"prompt: '" + b"{" * 9_000 + b"'\n",
    "choices-underscores": b"prompt: '" + b"__a " * 2_400 + b"{'\nsteps: 0\n",
    "matrix-bomb": b"prompt: x\nmatrix: {"
    + b",".join(b"%s: [%s]" % (key, b"64," * 90) for key in (b"steps", b"width", b"height", b"quality"))
    + b"}\n",
    "matrix-of-matrices": b"prompt: x\nmatrix: {matrix: [{matrix: [{}]}]}\n",
    "seeds-bomb": b"prompt: x\nseed: 0-9223372036854775807\n",
    "seeds-of-600": b"prompt: x\nseed: [" + b"1," * 600 + b"]\n",
    "counts-bomb": b"prompt: x\ncount: 500\n---\n" * 500 + b"prompt: x\n",
}

TEXTS: dict[str, bytes] = {
    "blank": b"  \n\t\n",
    "binary": bytes(range(256)),
    "nul": b"a cat\0",
    "control": b"a cat\x07\n",
    "latin-1": "ein B\u00e4r".encode("latin-1"),
    "utf-16-cut": "a cat".encode("utf-16")[:-1],
    "too-long": b"cat " * 3_000,
    "huge-line": b"x" * 20_000,
    "half-character": "Bär".encode()[:2],
    "zip": b"PK\x03\x04" + bytes(60),
}


def mutations(dice: random.Random) -> tuple[Callable[[bytearray], None], ...]:
    """Ways in which a file goes wrong on its way."""

    def place(content: bytearray) -> int:
        return dice.randrange(len(content)) if content else 0

    def cut(content: bytearray) -> None:
        del content[place(content) :]

    def flip(content: bytearray) -> None:
        if content:
            content[place(content)] ^= 1 << dice.randrange(8)

    def remove(content: bytearray) -> None:
        start = place(content)
        del content[start : start + dice.randint(1, 12)]

    def repeat(content: bytearray) -> None:
        start = place(content)
        content[start:start] = content[start : start + dice.randint(1, 40)]

    def insert(content: bytearray) -> None:
        content[place(content) : 0] = dice.randbytes(dice.randint(1, 6))

    def zero(content: bytearray) -> None:
        start = place(content)
        content[start:] = bytes(len(content) - start)

    return cut, flip, remove, repeat, insert, zero


def mutated(content: bytes, dice: random.Random, times: int) -> bytes:
    """The same after so many accidents."""
    broken = bytearray(content)
    for _ in range(times):
        dice.choice(mutations(dice))(broken)
    return bytes(broken)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def good_images() -> dict[str, bytes]:
    """A small picture in every format that is read."""
    picture = Image.new("RGB", (16, 16), "navy")
    picture.paste("orange", (4, 4, 12, 12))
    found = {}
    for extension in ("png", "jpg", "webp", "gif", "bmp", "tif", "avif"):
        file = BytesIO()
        picture.save(file, {"jpg": "JPEG", "tif": "TIFF"}.get(extension, extension.upper()))
        found[extension] = file.getvalue()
    return found


def special_images() -> Iterator[tuple[str, bytes]]:
    """Made by hand."""
    good = good_images()
    yield "bomb.png", png(65_000, 65_000)
    yield "bomb-wide.png", png(2**31 - 1, 1)
    yield "no-pixels.png", png(0, 0)
    yield "too-little-data.png", png(64, 64, b"\0")
    yield "bad-checksum.png", good["png"].replace(b"IDAT", b"IDAU", 1)
    yield "chunk-of-4-gb.png", good["png"][:33] + b"\xff\xff\xff\xffIDAT" + good["png"][41:]
    yield (
        "text-bomb.png",
        good["png"][:33] + png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000))) + good["png"][33:],
    )
    yield "bomb-screen.gif", good["gif"][:6] + b"\xff\xff\xff\xff" + good["gif"][10:]
    yield "bomb-header.bmp", good["bmp"][:18] + struct.pack("<ii", 60_000, 60_000) + good["bmp"][26:]
    yield "negative.bmp", good["bmp"][:18] + struct.pack("<ii", -16, -(2**31)) + good["bmp"][26:]
    yield "offset-beyond.tif", good["tif"][:4] + struct.pack("<I", 2**31) + good["tif"][8:]
    yield "loop.tif", good["tif"][:4] + struct.pack("<I", 8) + struct.pack("<H", 0) + struct.pack("<I", 8)
    yield "svg.png", b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>'
    yield "page.jpg", b"<!doctype html><title>Sign in</title>"
    yield "text.webp", b"this is no picture"
    yield "heic.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60)
    yield "pdf.png", b"%PDF-1.7\n" + bytes(100)
    yield "polyglot.jpg", good["jpg"] + b"PK\x03\x04" + bytes(40)
    yield "polyglot-page.gif", good["gif"][:-1] + b";<script>alert(1)</script>"
    yield "empty.png", b""
    yield "zeros.png", bytes(4_000)
    yield "signature-only.png", good["png"][:8]
    yield "signature-alone.jpg", good["jpg"][:3]
    yield "riff-of-4-gb.webp", good["webp"][:4] + b"\xff\xff\xff\xff" + good["webp"][8:]
    for extension, other in zip(good, [*list(good)[1:], "png"], strict=True):
        yield f"is-{other}-called.{extension}", good[other]


def every_input() -> Iterator[tuple[str, bytes]]:
    """Name -> bytes."""
    dice = random.Random(20261123)
    for name, content in SPECIAL_JOBS.items():
        yield f"job-{name}.yaml", content
    for index, value in enumerate(ODD_VALUES):
        key = KEYS[index % len(KEYS)]
        also = "" if key == "prompt" else "prompt: x\n"
        yield f"value-{index:02d}-{key}.yml", f"{also}{key}: {value}\n".encode()
    for index in range(70):
        content = mutated(dice.choice(GOOD_JOBS), dice, dice.randint(1, 4))
        yield f"mutated-{index:02d}.yaml", content
    for name, content in TEXTS.items():
        yield f"text-{name}.txt", content
    for index in range(20):
        yield f"sidecar-{index:02d}.json", mutated(SIDECAR, dice, dice.randint(1, 3))
    document = json.loads(SIDECAR)
    for key in ("request", "schema", "model", "seeds"):
        yield f"sidecar-without-{key}.json", json.dumps({**document, key: None}).encode()
    yield from special_images()
    for extension, content in good_images().items():
        for index in range(6):
            yield f"broken-{extension}-{index}.{extension}", mutated(content, dice, dice.randint(1, 3))
    yield from heic_images()


def heic_images() -> Iterator[tuple[str, bytes]]:
    """One as phones write them, and what accidents made of it."""
    dice, file = random.Random(20261127), BytesIO()
    pillow_heif.from_pillow(Image.linear_gradient("L").resize((64, 64)).convert("RGB")).save(file)
    yield "whole.heic", file.getvalue()
    for index in range(12):
        yield f"broken-heic-{index}.heic", mutated(file.getvalue(), dice, dice.randint(1, 3))


def main() -> None:
    FILES.mkdir(exist_ok=True)
    for file in FILES.iterdir():
        if not file.name.startswith("found-"):  # by fuzzing
            file.unlink()
    known: set[bytes] = set()
    for name, content in every_input():
        if content not in known:  # what came of it is told apart by hashes
            (FILES / name).write_bytes(content)
        known.add(content)
    print(len(list(FILES.iterdir())), "files", sum(file.stat().st_size for file in FILES.iterdir()), "bytes")


if __name__ == "__main__":
    main()
