"""What writes captions into strangers' pictures."""

from __future__ import annotations

from functools import partial
from typing import Final

from aura_daemon.file_names import escaped
from aura_daemon.formats.picture_metadata.captions import copies
from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.xmp_packet import packet_with_caption
from aura_daemon.jobs.picture_copies import changed
from tests.fuzzing.limits import must
from tests.fuzzing.targets.fuzz_target import IMAGES, FuzzTarget, files

CAPTION: Final = "a red circle & <more>"


def _write_caption(content: bytes) -> None:
    """A caption is written; a copy of the copy has the same bytes."""
    try:
        copy = changed(content, copies.captioned(content, CAPTION).changes)
    except CannotHold as why:
        must(str(why) == escaped(str(why)) and bool(str(why)), f"a reason that is no plain line: {why}")
        return
    must(len(copy) <= len(content) + (1 << 21), "a copy that has grown without need")
    again = changed(copy, copies.captioned(copy, CAPTION).changes)
    must(again == copy, "a copy of the copy with other bytes")


def _edit_xmp(content: bytes) -> None:
    try:
        packet, _ = packet_with_caption(content, CAPTION)
    except CannotHold as why:
        must(str(why) == escaped(str(why)) and bool(str(why)), f"a reason that is no plain line: {why}")
        return
    must(packet_with_caption(packet, CAPTION) == (packet, False), "a packet that changes again")


_XMP: Final = packet_with_caption(None, "a caption")[0]


TARGETS: Final = {
    "caption-copy": FuzzTarget(
        read=_write_caption,
        seeds=partial(files, *IMAGES),
        words=(
            b"VP8X",
            b"XMP ",
            b"8BIM",
            b"http://ns.adobe.com/xap/1.0/\0",
            b"Photoshop 3.0\0",
            b"MPF\0",
            b"infe",
            b"pitm",
        ),
    ),
    "xmp": FuzzTarget(
        read=_edit_xmp,
        seeds=lambda: iter((_XMP, _XMP.replace(b"x-default", b"de"), b"<rdf:RDF/>")),
        words=(
            b"<rdf:Description ",
            b"<rdf:Alt>",
            b"<rdf:li xml:lang='x-default'>",
            b"dc:description",
            b"<!DOCTYPE ",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"-->",
            b"&#0;",
            b"&amp;",
            b"/>",
            b"<?",
            b"?>",
            b"\0",
        ),
    ),
}
"""Name -> reader."""
