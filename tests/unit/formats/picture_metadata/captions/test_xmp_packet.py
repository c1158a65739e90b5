"""The caption in a packet of XMP, and all else in it as it was."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.captions import xmp_packet
from aura_daemon.formats.picture_metadata.captions.captioned_picture import CannotHold
from aura_daemon.formats.picture_metadata.captions.xmp_packet import packet_with_caption

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
PADDING = "\n" + " " * 100 + "\n"
DEFAULT = "<rdf:li xml:lang='X-Default'"
ALT_TEXT = "{http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/}AltTextAccessibility"


def packet(inside: str, *, rdf: str = "rdf") -> bytes:
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 5.6">
 <{rdf}:RDF xmlns:{rdf}="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{inside}</{rdf}:RDF>
</x:xmpmeta>{PADDING}<?xpacket end="w"?>""".encode()


def node(inside: str, attributes: str = "") -> str:
    return (
        f'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" {attributes}>'
        f"<dc:creator><rdf:Seq><rdf:li>Ä. Nobody</rdf:li></rdf:Seq></dc:creator>{inside}</rdf:Description>"
    )


def texts(content: bytes, name: str) -> dict[str, str]:
    """The texts of a property by their languages."""
    (found,) = ElementTree.fromstring(content.rstrip(b"\0").partition(b"?>")[2]).iter(name)
    return {item.attrib[LANGUAGE]: item.text or "" for item in found.iter(f"{RDF}li")}


def test_a_new_packet_has_the_caption_as_description_and_as_alt_text() -> None:
    made, has_replaced = packet_with_caption(None, 'a <red> & "round" circle 🦊\x01')
    expected = {"x-default": 'a <red> & "round" circle 🦊\ufffd'}
    assert (texts(made, DESCRIPTION), texts(made, ALT_TEXT), has_replaced) == (expected, expected, False)


@pytest.mark.parametrize(
    ("inside", "has_replaced"),
    [
        (node(f"<dc:description><rdf:Alt>{DEFAULT}>&lt;old&gt;</rdf:li></rdf:Alt></dc:description>"), True),
        (node(f"<dc:description><rdf:Alt>{DEFAULT}/></rdf:Alt></dc:description>"), False),
        (node(f"<dc:description><rdf:Alt>{DEFAULT}> a cat</rdf:li></rdf:Alt></dc:description>"), False),
        (node(f"<dc:description><rdf:Alt>{DEFAULT}><a/></rdf:li></rdf:Alt></dc:description>"), True),
        (node("<dc:description><rdf:Alt/></dc:description>"), False),
        (node("<dc:description/>"), False),
        (node("<dc:description>plain</dc:description>"), True),
        (node("<dc:description><rdf:Bag><rdf:li>x</rdf:li></rdf:Bag></dc:description>"), True),
        (node("<dc:description><rdf:Alt><rdf:li>x</rdf:li></rdf:Alt></dc:description>"), True),
        (node(""), False),
        (node("", 'photoshop:City="a>b" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'), False),
        ('<rdf:Description rdf:about="uuid:1"/>', False),
        ("", False),
    ],
)  # fmt: skip
def test_what_is_there_is_edited_and_a_second_run_changes_nothing(inside: str, has_replaced: bool) -> None:
    made, told = packet_with_caption(packet(inside) + b"\0\0", "a cat")
    assert {language.lower(): text for language, text in texts(made, DESCRIPTION).items()} == {"x-default": "a cat"}
    assert texts(made, ALT_TEXT) == {"x-default": "a cat"}
    assert told == has_replaced
    assert (made.count("Ä. Nobody".encode()) == 1) == ("Nobody" in inside)
    assert made.endswith(f'</x:xmpmeta>{PADDING}<?xpacket end="w"?>\0\0'.encode())
    assert packet_with_caption(made, "a cat") == (made, False)


def test_other_languages_stay_to_the_byte_whatever_prefixes_they_have() -> None:
    alternatives = '<r:Alt><r:li xml:lang="de-DE">eine &#75;atze</r:li></r:Alt>'
    inside = f'<r:Description xmlns:q="http://purl.org/dc/elements/1.1/"><q:description>{alternatives}</q:description>'
    before = packet(inside + "</r:Description>", rdf="r")
    made, _ = packet_with_caption(before, "a cat")
    assert texts(made, DESCRIPTION) == {"x-default": "a cat", "de-DE": "eine Katze"}
    item = b'<r:li xml:lang="x-default">a cat</r:li>'
    assert item in made
    alt_text = made[made.index(b"<Iptc4xmpCore:Alt") : made.index(b"</r:Description>")]
    assert made.replace(item, b"").replace(alt_text, b"") == before


def test_an_empty_rdf_gets_its_first_node() -> None:
    empty = packet("").replace(b"></rdf:RDF>", b"/>")
    assert texts(packet_with_caption(empty, "a cat")[0], DESCRIPTION) == {"x-default": "a cat"}
    alone = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
    assert b"a cat" in packet_with_caption(alone, "a cat")[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no xml", "damaged"),
        (packet(node(""))[:-130], "damaged"),
        (packet(node("&bomb;")), "damaged"),
        (packet(node("")).replace(b"<x:", b'<!DOCTYPE x [<!ENTITY a "b">]><x:', 1), "document type"),
        (packet(node("")).decode().encode("utf-16"), "not in UTF-8"),
        ("<r/>".encode("utf-16-be"), "not in UTF-8"),
        (b"<a><b/></a>", "no RDF"),
        (packet(node("", 'dc:description="x"')), "twice or in a form of its own"),
        (packet(node("<dc:description>a</dc:description><dc:description>b</dc:description>")), "twice"),
        (b" " * (xmp_packet.MOST_BYTES + 1), "1,048,576 bytes"),
        (packet("<rdf:li/>" * xmp_packet.MOST_ELEMENTS), "50,000 elements"),
    ],
)
def test_what_cannot_be_edited_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(CannotHold, match=reason):
        packet_with_caption(content, "a cat")


@given(
    caption=st.text(min_size=1), languages=st.dictionaries(st.sampled_from(["de", "fr", "x-default"]), st.text("ab<&"))
)
def test_whatever_the_caption_it_is_there_and_the_rest_is_too(caption: str, languages: dict[str, str]) -> None:
    items = "".join(
        f'<rdf:li xml:lang="{language}">{text.replace("&", "&amp;").replace("<", "&lt;")}</rdf:li>'
        for language, text in languages.items()
    )
    made, _ = packet_with_caption(packet(node(f"<dc:description><rdf:Alt>{items}</rdf:Alt></dc:description>")), caption)
    shown = xmp_packet.NOT_XML.sub("\ufffd", caption)
    assert texts(made, DESCRIPTION) == languages | {"x-default": shown}
    assert packet_with_caption(made, caption)[0] == made
