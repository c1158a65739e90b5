"""The packet that says where a picture comes from."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from aura_daemon.formats.picture_metadata.xmp import COMPOSITE, MOST_PROMPT_BYTES, TRAINED, full, origin
from tests.unit.formats.picture_metadata.test_infotext import MADE

SPACE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"


def properties(packet: str) -> dict[str, str]:
    body = packet.split("?>", 1)[1].rsplit("<?", 1)[0]
    found = ElementTree.fromstring(body).iter()
    return {element.tag.removeprefix(SPACE): element.text or "" for element in found if element.tag.startswith(SPACE)}


def test_the_origin_alone_is_the_source_type() -> None:
    assert properties(origin(MADE)) == {"DigitalSourceType": TRAINED}
    assert properties(origin(replace(MADE, image="a.png"))) == {"DigitalSourceType": COMPOSITE}


def test_in_full_it_names_the_system_and_the_words() -> None:
    made = replace(MADE, prompt="a <b> & 'c'", negative_prompt="]]> 🦊")
    assert properties(full(made, model="/home/me/mine.safetensors", version="0.1.0")) == {
        "DigitalSourceType": TRAINED,
        "AISystemUsed": "aura-daemon, model mine",
        "AISystemVersionUsed": "0.1.0",
        "AIPromptInformation": "a <b> & 'c'\nNegative prompt: ]]> 🦊",
    }
    assert properties(full(replace(MADE, image="a.png"), model="m", version="1"))["DigitalSourceType"] == COMPOSITE


@given(st.text(max_size=50))
def test_whatever_is_in_a_prompt_it_stays_xml(prompt: str) -> None:
    said = properties(full(replace(MADE, prompt=prompt), model="m", version="1"))["AIPromptInformation"]
    assert len(said) == len(prompt.replace("\r\n", "\n"))


def test_words_that_a_jpeg_has_no_room_for_are_cut() -> None:
    for sign in ("&", "🦊", "a"):
        packet = full(replace(MADE, prompt=sign * 60_000), model="m", version="1")
        assert MOST_PROMPT_BYTES < len(packet.encode()) < 52_000
        assert properties(packet)["AIPromptInformation"].endswith(f"{sign}…")
