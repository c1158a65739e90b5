"""Small ICC profiles (ICC.1:2001-04), as LittleCMS reads them: their bytes for each space of colours."""

from __future__ import annotations

import struct

D50 = (0.9642, 1.0, 0.8249)

P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
"""The primaries of Display P3, adapted to D50, as XYZ."""


def _s15(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65_536)) for number in numbers)


def _xyz(*numbers: float) -> bytes:
    return b"XYZ \0\0\0\0" + _s15(*numbers)


def _gamma(gamma: float) -> bytes:
    return b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(gamma * 256)) + b"\0\0"


def _text(text: str) -> bytes:
    words = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(words)) + words + bytes(78)


def _profile(space: bytes, connection: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _text("a profile of the tests"), b"wtpt": _xyz(*D50), **tags}
    place = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", place + len(data), len(content))
        data += content
    header = struct.pack(">I4xI", place + len(data), 0x02400000) + kind + space + connection + bytes(12) + b"acsp"
    header = header.ljust(68, b"\0") + _s15(*D50)
    return header.ljust(128, b"\0") + table + data


def rgb_profile(primaries: tuple[tuple[float, float, float], ...] = P3, gamma: float = 2.2) -> bytes:
    """A matrix profile; Display P3, nearly, if nothing else is asked for."""
    places = {name + b"XYZ": _xyz(*place) for name, place in zip((b"r", b"g", b"b"), primaries, strict=True)}
    curves = {name + b"TRC": _gamma(gamma) for name in (b"r", b"g", b"b")}
    return _profile(b"RGB ", b"XYZ ", b"mntr", places | curves)


def grey_profile(gamma: float) -> bytes:
    """Grey of one curve."""
    return _profile(b"GRAY", b"XYZ ", b"mntr", {b"kTRC": _gamma(gamma)})


def cmyk_profile() -> bytes:
    """Four inks whose full strengths are: blue for cyan, red for magenta, green for yellow; and black."""
    paper, inks = (255, 128, 128), ((82, 207, 20), (136, 208, 195), (224, 42, 211))  # Lab, 8 bits
    colours = b""
    for corner in range(16):
        ink = [bit for bit in range(3) if corner & (8 >> bit)]
        lab = (0, 128, 128) if corner & 1 else inks[ink[0]] if ink else paper
        colours += bytes(lab)
    table = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + _s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table += bytes(range(256)) * 4 + colours + bytes(range(256)) * 3
    return _profile(b"CMYK", b"Lab ", b"prtr", {b"A2B0": table})
