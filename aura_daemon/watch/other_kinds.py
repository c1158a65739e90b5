"""Well-known kinds of file that are no jobs. In: an extension. Out: what it is, and what a person can do with it.

Files of other kinds are left alone; this says what to do about those that people drop and expect to be used.
"""

from __future__ import annotations

import re
from typing import Final

KNOWN: Final = (
    (
        "a video",
        "save the frame that you mean as JPEG or PNG",
        ".mov .mp4 .m4v .avi .mkv .webm .3gp",
    ),
    (
        "a camera's raw photo",
        "develop it and save it as JPEG, PNG or TIFF",
        ".dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .pef .srw",
    ),
    (
        "an image of a format that is not read",
        "save it as JPEG or PNG",
        ".jxl .jp2 .j2k .psd .psb .xcf .kra .clip .svg .eps .ai .exr .hdr .tga .ico .icns .pcx .qoi .dds .wmf .emf",
    ),
    (
        "a text with formatting",
        "save it as plain text and call it `.txt`",
        ".rtf .doc .docx .odt .pages .md .markdown .html .htm .epub",
    ),
    (
        "a document",
        "save its pages as JPEG or PNG, or its text as plain text and call it `.txt`",
        ".pdf",
    ),
    (
        "a table or a list",
        "save it as CSV (UTF-8) with a column `prompt`, or its prompts as plain text, one a line",
        ".xls .xlsx .ods .numbers .toml .xml",
    ),
    (
        "weights of a model",
        "it belongs into a folder that `generate.model`, `generate.loras` or `generate.embeddings` names",
        ".safetensors .ckpt .pt .pth .bin .gguf .onnx",
    ),
    (
        "an archive",
        "unpack it into the inbox",
        ".zip .7z .rar .tar .gz .tgz .xz .zst .bz2",
    ),
    (
        "the settings of another program",
        "nothing: it changes no picture",
        ".xmp .aae .thm .lrv .npz",
    ),
    (
        "a link to something else",
        "put the file itself into the inbox",
        ".lnk .url .webloc .desktop",
    ),
    (
        "sound",
        "nothing: nothing is made of sound",
        ".mp3 .wav .m4a .aac .flac .ogg .opus",
    ),
)
"""What it is, what to do, its extensions."""

_BY_EXTENSION: Final = {
    extension: f"it is {what}: {mend}" for what, mend, extensions in KNOWN for extension in extensions.split()
}

_OF_BROWSERS: Final = re.compile(r"(\.(?:jpe?g|png|webp|gif|avif))[-_:][a-z0-9]+")
"""Some sites put the size of a picture behind its extension: `.jpg_large`, `.jpg-orig`, `.jpg:large`."""

KINDS_THAT_ARE_JOBS: Final = "jobs are .yaml, .txt, tables, images and our own sidecars"


def mend_of(extension: str) -> str:
    """What to do about a file with an extension (lower case, with its dot) that is no job."""
    saved_so = _OF_BROWSERS.fullmatch(extension)
    if saved_so is not None:
        return f"a browser has saved a picture under this name: call it `{saved_so[1]}`"
    if not extension:
        return f"give it the extension of what it holds; {KINDS_THAT_ARE_JOBS}"
    return _BY_EXTENSION.get(extension, f"{KINDS_THAT_ARE_JOBS}: rename or convert it if it should be one")
