"""XMP that says where a picture comes from, as IPTC has it. In: what was made, by what. Out: a packet of XML.

IPTC Photo Metadata Standard 2025.1: `DigitalSourceType` of the NewsCodes, and the three properties about AI systems.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final
from xml.sax.saxutils import escape

from aura_daemon.formats.infotext import PROGRAM, model_label
from aura_daemon.jobs.results import ResolvedGenerate

SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED: Final = SOURCE_TYPES + "trainedAlgorithmicMedia"
"""Made by a model from words alone."""
COMPOSITE: Final = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
"""Made by a model from another image."""

MOST_PROMPT_BYTES: Final = 50_000
"""In XML: a JPEG has room for 65,502 bytes of XMP."""

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML holds (XML 1.0, section 2.2)."""

_PACKET: Final = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
{properties}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def origin(made: ResolvedGenerate) -> str:
    """Where the picture comes from, and nothing else."""
    return _packet({"DigitalSourceType": COMPOSITE if made.image is not None else TRAINED})


def full(made: ResolvedGenerate, *, model: str, version: str) -> str:
    """Where it comes from, by what and from which words; `model` is its name as configured, `version` ours."""
    words = made.prompt + (f"\nNegative prompt: {made.negative_prompt}" if made.negative_prompt else "")
    return _packet(
        {
            "DigitalSourceType": COMPOSITE if made.image is not None else TRAINED,
            "AISystemUsed": f"{PROGRAM}, model {model_label(model)}",
            "AISystemVersionUsed": version,
            "AIPromptInformation": words,
        }
    )


def _packet(properties: dict[str, str]) -> str:
    elements = (
        f"   <Iptc4xmpExt:{name}>{_element_text(value)}</Iptc4xmpExt:{name}>" for name, value in properties.items()
    )
    return _PACKET.format(properties="\n".join(elements))


def _element_text(value: str) -> str:
    """Text as XML has it, cut where it is too long for every format."""
    text = _NOT_XML.sub("\ufffd", value)
    fitting = sum(length <= MOST_PROMPT_BYTES for length in accumulate(map(_length_in_xml, text)))
    return escape(text[:fitting] + "…" * (fitting < len(text)))


def _length_in_xml(text: str) -> int:
    return len(escape(text).encode())
