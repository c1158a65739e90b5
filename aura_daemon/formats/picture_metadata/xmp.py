"""XMP metadata about the origin of a picture, as IPTC defines it. In: the resolved request, the model. Out: XML.

IPTC Photo Metadata Standard 2025.1: `DigitalSourceType` of the NewsCodes, and the three properties about AI systems.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final
from xml.sax.saxutils import escape

from aura_daemon.formats.picture_metadata.infotext import PROGRAM, model_label
from aura_daemon.jobs.resolved import ResolvedGenerate

SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED: Final = SOURCE_TYPES + "trainedAlgorithmicMedia"
"""Made by a model from text alone."""
COMPOSITE: Final = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
"""Made by a model from another image."""

ENHANCED: Final = SOURCE_TYPES + "algorithmicallyEnhanced"
"""Any picture, changed by a model no further than that."""

MOST_PROMPT_BYTES: Final = 50_000
"""Bytes of the prompt in XML; a JPEG has room for 65,502 bytes of XMP."""

NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
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


def origin(resolved: ResolvedGenerate) -> str:
    """The origin of the picture, and nothing else."""
    return _packet({"DigitalSourceType": COMPOSITE if resolved.image is not None else TRAINED})


def full(resolved: ResolvedGenerate, *, model: str, version: str) -> str:
    """Origin, model and prompt. `model`: its name as configured; `version`: that of aura-daemon."""
    prompts = resolved.prompt + (f"\nNegative prompt: {resolved.negative_prompt}" if resolved.negative_prompt else "")
    return _packet(
        {
            "DigitalSourceType": COMPOSITE if resolved.image is not None else TRAINED,
            "AISystemUsed": f"{PROGRAM}, model {model_label(model)}",
            "AISystemVersionUsed": version,
            "AIPromptInformation": prompts,
        }
    )


def origin_of_enlarged(packet: str) -> str:
    """The origin of a picture that was enlarged, and nothing else; `packet`: of ours that it had, or empty."""
    origin = next((one for one in (COMPOSITE, TRAINED) if one in packet), ENHANCED)
    return _packet({"DigitalSourceType": origin})


def enlarged(*, model: str, version: str) -> str:
    """Origin and upscaler of a picture of which nothing else is known. `version`: that of aura-daemon."""
    system = f"{PROGRAM}, model {model_label(model)}"
    return _packet({"DigitalSourceType": ENHANCED, "AISystemUsed": system, "AISystemVersionUsed": version})


def _packet(properties: dict[str, str]) -> str:
    lines = (f"   <Iptc4xmpExt:{name}>{_element_text(text)}</Iptc4xmpExt:{name}>" for name, text in properties.items())
    return _PACKET.format(properties="\n".join(lines))


def _element_text(value: str) -> str:
    """Text escaped for XML, cut where it is too long for some image format."""
    text = NOT_XML.sub("\ufffd", value)
    fitting = sum(length <= MOST_PROMPT_BYTES for length in accumulate(len(escape(sign).encode()) for sign in text))
    return escape(text[:fitting] + "…" * (fitting < len(text)))
