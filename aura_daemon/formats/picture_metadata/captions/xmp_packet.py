"""Captions in XMP. In: a packet, which may come from anyone. Out: the packet with the caption, all else as it was.

The packet is not written anew: expat says where in it a property stands, and only the bytes of its text are exchanged.
No packet needs a document type, so one that has it is refused, and with it every entity bomb.

Adobe XMP specification, part 1, section 7 (RDF) and 8.2.2.4 (language alternatives); IPTC Photo Metadata 2025.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.xmp import NOT_XML

MOST_BYTES: Final = 1 << 20
"""Of a packet that is edited."""

MOST_ELEMENTS: Final = 50_000

_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_PROPERTIES: Final = (
    ("http://purl.org/dc/elements/1.1/", "dc", "description"),
    ("http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "Iptc4xmpCore", "AltTextAccessibility"),
)
"""Namespace, usual prefix and name of the properties that get the caption; both are language alternatives."""

_NO_TEXT: Final = b"?"
"""What stands for a description in a form that is not known here."""
_LANGUAGE: Final = "http://www.w3.org/XML/1998/namespace lang"
_DEFAULT: Final = "x-default"

_START_TAG: Final = re.compile(rb"""<([^\s/>]+)(?:"[^"]*"|'[^']*'|[^'">])*>""")

_EMPTY: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>""".encode()


@dataclass(kw_only=True, slots=True)
class _Element:
    """An element, and where it stands in the packet."""

    name: str
    """Namespace, a space, local name."""
    attributes: Mapping[str, str]
    raw_name: bytes
    """As it is written, with its prefix."""
    start: int
    inside: int
    """Behind the start tag."""
    is_empty: bool
    """Whether it is one tag alone: `<a/>`."""
    close: int = 0
    """Where the end tag begins; of an empty element its end."""
    end: int = 0
    children: list[_Element] = field(default_factory=list)


def packet_with_caption(packet: bytes | None, caption: str) -> tuple[bytes, bool]:
    """The packet with the caption, a new one for None; and whether another description gave way to it."""
    edited, has_replaced = packet if packet is not None else _EMPTY, False
    text = escape(NOT_XML.sub("\ufffd", caption), {"\r": "&#13;"}).encode()
    for namespace, prefix, name in _PROPERTIES:
        edited, old = _with_property(edited, namespace, prefix, name, text)
        has_replaced |= old.strip() not in (b"", text.strip())
    return edited, has_replaced


def _with_property(packet: bytes, namespace: str, prefix: str, name: str, text: bytes) -> tuple[bytes, bytes]:
    """The packet with one property, and the text that gave way, or _NO_TEXT."""
    rdf = _rdf_of(packet)
    nodes = [node for node in rdf.children if node.name == f"{_RDF} Description"]
    found = [element for node in nodes for element in node.children if element.name == f"{namespace} {name}"]
    if len(found) > 1 or any(f"{namespace} {name}" in node.attributes for node in nodes):
        raise CannotHold(f"its XMP has {prefix}:{name} twice or in a form of its own")
    if found:
        return _with_text(packet, found[0], _written(namespace, prefix, name, text), text)
    element = _written(namespace, prefix, name, text)
    if nodes:
        return _with_child(packet, nodes[0], element), b""
    node = b'<rdf:Description rdf:about="" xmlns:rdf="%s">\n%s\n</rdf:Description>' % (_RDF.encode(), element)
    return _with_child(packet, rdf, node), b""


def _written(namespace: str, prefix: str, name: str, text: bytes) -> bytes:
    """A property that depends on no prefix outside it."""
    begin = f'<{prefix}:{name} xmlns:{prefix}="{namespace}" xmlns:rdf="{_RDF}">'
    begin += f'<rdf:Alt><rdf:li xml:lang="{_DEFAULT}">'
    return begin.encode() + text + f"</rdf:li></rdf:Alt></{prefix}:{name}>".encode()


def _with_text(packet: bytes, element: _Element, written: bytes, text: bytes) -> tuple[bytes, bytes]:
    """The packet with another default text of a property, whose other languages stay."""
    alternatives = element.children[0] if len(element.children) == 1 else None
    if alternatives is None or alternatives.name != f"{_RDF} Alt" or alternatives.is_empty:
        old = packet[element.inside : element.close] if not element.children else b""
        if any(not child.is_empty for child in element.children):
            old = _NO_TEXT
        return packet[: element.start] + written + packet[element.end :], old
    items = alternatives.children
    is_usual = all(item.name == f"{_RDF} li" and item.attributes.keys() == {_LANGUAGE} for item in items)
    defaults = [item for item in items if item.attributes.get(_LANGUAGE, "").lower() == _DEFAULT]
    if not is_usual or len(defaults) > 1 or any(item.children for item in defaults):
        return packet[: element.start] + written + packet[element.end :], _NO_TEXT
    if defaults:
        (item,) = defaults
        if item.is_empty:
            return _with_child(packet, item, text, b""), b""
        return packet[: item.inside] + text + packet[item.close :], packet[item.inside : item.close]
    name = alternatives.raw_name.removesuffix(b"Alt") + b"li"
    item_text = b'<%s xml:lang="%s">%s</%s>' % (name, _DEFAULT.encode(), text, name)
    return packet[: alternatives.inside] + item_text + packet[alternatives.inside :], b""


def _with_child(packet: bytes, parent: _Element, content: bytes, line_break: bytes = b"\n") -> bytes:
    """The packet with something more in an element, behind what it holds."""
    if not parent.is_empty:
        return packet[: parent.close] + content + line_break + packet[parent.close :]
    begin = packet[: parent.inside].removesuffix(b"/>") + b">" + line_break
    return begin + content + line_break + b"</%s>" % parent.raw_name + packet[parent.inside :]


def _rdf_of(packet: bytes) -> _Element:
    """The element that holds all properties."""
    root = _root_of(packet)
    for element in (root, *root.children):
        if element.name == f"{_RDF} RDF":
            return element
    raise CannotHold("its XMP holds no RDF")


def _root_of(packet: bytes) -> _Element:
    """The elements of a packet; behind it there may be zeros."""
    if len(packet) > MOST_BYTES:
        raise CannotHold(f"its XMP has more than {MOST_BYTES:,} bytes")
    packet = packet.rstrip(b"\0")
    if b"\0" in packet:  # which expat takes for UTF-16, whatever it was told: places in it are none of bytes here
        raise CannotHold("its XMP is not in UTF-8")
    parser = expat.ParserCreate("UTF-8", " ")
    opened: list[_Element] = []
    ended: list[_Element] = []

    def start(name: str, attributes: Mapping[str, str]) -> None:
        place = parser.CurrentByteIndex
        tag = _START_TAG.match(packet, place)
        assert tag is not None
        if len(ended) + len(opened) >= MOST_ELEMENTS:
            raise CannotHold(f"its XMP has more than {MOST_ELEMENTS:,} elements")
        is_empty = packet.startswith(b"/>", tag.end() - 2)
        element = _Element(
            name=name, attributes=attributes, raw_name=tag[1], start=place, inside=tag.end(), is_empty=is_empty
        )
        if opened:
            opened[-1].children.append(element)
        opened.append(element)

    def end(_: str) -> None:
        element = opened.pop()
        element.close = element.inside if element.is_empty else parser.CurrentByteIndex
        element.end = element.inside if element.is_empty else packet.index(b">", element.close) + 1
        ended.append(element)

    def refuse(*_: object) -> None:
        raise CannotHold("its XMP has a document type, as an attack would")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(packet, True)
    except expat.ExpatError as error:
        raise CannotHold(f"its XMP is damaged ({error})") from None
    return ended[-1]
