"""Which LoRA a name means."""

import pytest

from aura_daemon.jobs.prompts.lora_names import names_meant

KNOWN = ("ink", "sub/ink", "sub/grain", "a/oil", "b/oil", "c/Chalk", "d/chalk", "Pen", "e/v1.0")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ink", ("ink",)),
        ("sub/ink", ("sub/ink",)),
        ("grain", ("sub/grain",)),
        ("oil", ("a/oil", "b/oil")),
        ("chalk", ("d/chalk",)),
        ("CHALK", ("c/Chalk", "d/chalk")),
        ("pen", ("Pen",)),
        ("INK", ("ink",)),
        ("Sub/Grain", ("sub/grain",)),
        ("GRAIN", ("sub/grain",)),
        ("grain.safetensors", ("sub/grain",)),
        ("v1.0", ("e/v1.0",)),
        ("x/grain", ()),
        ("zebra", ()),
        ("", ()),
    ],
)
def test_a_name_means_the_file_that_is_called_so(name: str, meant: tuple[str, ...]) -> None:
    assert names_meant(name, KNOWN) == meant
