"""The texts of an enlarged picture: those that it had, and how it was enlarged, as A1111's extras write that.

In: the bytes of a picture; how it was enlarged. Out: a text and a packet for the enlarged one. What a camera wrote is
not kept, as of pictures that are drawn from others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aura_daemon.formats.picture_metadata import xmp
from aura_daemon.formats.picture_metadata.embedded_texts import PARAMETERS, embedded_texts
from aura_daemon.formats.picture_metadata.infotext import PROGRAM, quoted
from aura_daemon.formats.picture_metadata.upscaler_settings import UPSCALE_BY, UPSCALER
from aura_daemon.jobs.requests import Metadata
from aura_daemon.jobs.resolved import ResolvedUpscale

MOST_PACKET_BYTES: Final = 64 << 10

_PACKET: Final = re.compile(rb"<\?xpacket begin=.{0,200}?\?>.{0,%d}?<\?xpacket end=\"r\"\?>" % MOST_PACKET_BYTES, re.S)


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceTexts:
    """What a picture holds of how it was made; empty where it holds nothing."""

    parameters: str = ""
    packet: str = ""


def read(content: bytes) -> SourceTexts:
    """The text that A1111 and we write, and a packet of ours."""
    texts: Mapping[str, str] = embedded_texts(content)
    return SourceTexts(parameters=texts.get(PARAMETERS, ""), packet=_own_packet(content))


def written(source: SourceTexts, made: ResolvedUpscale, *, model: str, version: str) -> SourceTexts:
    """The texts of the enlarged picture, as its `metadata` says. `model`: the name of the upscaler."""
    match made.metadata:
        case Metadata.FULL:
            settings = f"{UPSCALE_BY}: {made.upscale.scale or 1:g}, {UPSCALER}: {quoted(model)}"
            text = f"{source.parameters}, {settings}" if source.parameters else settings
            return SourceTexts(parameters=text, packet=source.packet or xmp.enlarged(model=model, version=version))
        case Metadata.MINIMAL:
            return SourceTexts(packet=xmp.origin_of_enlarged(source.packet))
        case _:
            return SourceTexts()


def _own_packet(content: bytes) -> str:
    """A packet that says how a picture was generated, as we write it, uncompressed."""
    start = content.find(b"<?xpacket begin=")
    found = _PACKET.match(content, start) if start >= 0 else None
    packet = found[0].decode("utf-8", "replace") if found is not None else ""
    return packet if xmp.SOURCE_TYPES in packet and PROGRAM in packet else ""
