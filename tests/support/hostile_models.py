"""Folders of models as an attacker would make them. In: an empty folder. Out: a model that is hostile in one way.

`python -m tests.support.hostile_models FOLDER CANARY` loads those that pass the look at their folder, and prints what
came of each and the memory that it took.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import shutil
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from aura_daemon.mini import CAPTIONER, GENERATOR

Spoil = Callable[[Path, Path], None]
"""The model's folder, and a file that appears where code of the model was run."""

UNET: Final = "unet/diffusion_pytorch_model.safetensors"


def copied(model: Path, folder: Path) -> Path:
    """A model of the package that may be spoilt."""
    return Path(shutil.copytree(model, folder, ignore=shutil.ignore_patterns("turbo")))


def changed(name: str, **keys: object) -> Spoil:
    """Other values in a configuration."""

    def spoil(folder: Path, _canary: Path) -> None:
        file = folder / name
        old = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(old | keys))

    return spoil


def written(name: str, content: bytes, size: int | None = None) -> Spoil:
    """A file with other bytes, as long as is said: what is not written takes no room on the disk."""

    def spoil(folder: Path, _canary: Path) -> None:
        with (folder / name).open("wb") as file:
            file.write(content)
            if size is not None:
                file.truncate(size)

    return spoil


def header(tensors: dict[str, Any] | bytes, rest: int = 0) -> bytes:
    """A safetensors file with this header."""
    text = tensors if isinstance(tensors, bytes) else json.dumps(tensors).encode()
    return len(text).to_bytes(8, "little") + text + bytes(rest)


def tensor(first: int, last: int, shape: list[int]) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [first, last]}


def piped(name: str) -> Spoil:
    """A named pipe, whose other end nobody opens."""

    def spoil(folder: Path, _canary: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return spoil


def linked(name: str, target: str) -> Spoil:
    """A link out of the folder."""

    def spoil(folder: Path, _canary: Path) -> None:
        place = folder / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        outside = folder.parent / f"outside-{folder.name}"
        outside.mkdir(exist_ok=True)
        (outside / "secret.json").write_text('{"_class_name": "Secret"}')
        place.symlink_to(outside / target)

    return spoil


class _Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._canary),)


def pickled(name: str) -> Spoil:
    def spoil(folder: Path, canary: Path) -> None:
        (folder / name).write_bytes(pickle.dumps(_Runs(canary)))

    return spoil


def both(*spoils: Spoil) -> Spoil:
    """Several in one folder."""

    def spoil(folder: Path, canary: Path) -> None:
        for one in spoils:
            one(folder, canary)

    return spoil


def coded(file: str, *spoils: Spoil) -> Spoil:
    """Code beside the configurations that name it."""

    def written_too(folder: Path, canary: Path) -> None:
        code = f"import os\nos.mkdir({str(canary)!r})\n\nclass Evil:\n    pass\n"
        (folder / file).write_text(code)

    return both(written_too, *spoils)


def crowded(folder: Path, _canary: Path) -> None:
    for number in range(5_001):
        (folder / f"{number}.txt").touch()


_EVIL_MAP: Final = dict.fromkeys(
    ("AutoConfig", "AutoModel", "AutoTokenizer", "AutoProcessor", "AutoImageProcessor"), "evil.Evil"
)

REFUSED: Final[dict[str, tuple[Path, Spoil, str]]] = {
    "a header of 2^60 bytes": (GENERATOR, written(UNET, (1 << 60).to_bytes(8, "little") + bytes(64)), "header claims"),
    "a header of 20 MB": (GENERATOR, written(UNET, header(b" " * 20_000_000)), "more than any known"),
    "overlapping tensors": (
        GENERATOR,
        written(UNET, header({"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, 12)),
        "damaged",
    ),
    "a tensor of 10^18 numbers": (GENERATOR, written(UNET, header({"a": tensor(0, 4, [10**9] * 2)}, 4)), "damaged"),
    "a tensor that wraps around": (GENERATOR, written(UNET, header({"a": tensor(0, 4, [2**63, 2])}, 4)), "damaged"),
    "10^9 tensors promised": (GENERATOR, written(UNET, (10**11).to_bytes(8, "little"), 10**9), "header claims"),
    "a header nested too deep": (GENERATOR, written(UNET, header(b'{"a":' + b"[" * 100_000)), "damaged"),
    "no tensors at all": (CAPTIONER, written("model.safetensors", b""), "header claims"),
    "a pickle called safetensors": (CAPTIONER, pickled("model.safetensors"), "header claims"),
    "a named pipe for weights": (GENERATOR, piped(UNET), "is a named pipe"),
    "a named pipe for a configuration": (GENERATOR, piped("unet/config.json"), "is a named pipe"),
    "a named pipe for the vocabulary": (GENERATOR, piped("tokenizer/vocab.json"), "is a named pipe"),
    "a configuration that is a link out": (CAPTIONER, linked("config.json", "secret.json"), "is a link out"),
    "a part that is a link out": (GENERATOR, linked("tokenizer", "."), "tokenizer is a link out"),
    "a tokenizer of 1 GB": (CAPTIONER, written("tokenizer.json", b"{", 10**9), "tokenizer.json has"),
    "merges of 1 GB": (GENERATOR, written("tokenizer/merges.txt", b"a b\n", 10**9), "merges.txt has"),
    "a configuration of 1 GB": (CAPTIONER, written("config.json", b"{", 10**9), "config.json has"),
    "a configuration nested too deep": (CAPTIONER, written("config.json", b"[" * 100_000), "no JSON object"),
    "a number of 5,000 digits": (CAPTIONER, written("config.json", b'{"a": ' + b"9" * 5000 + b"}"), "no JSON object"),
    "5,001 files": (CAPTIONER, crowded, "more than 5,000 files"),
    "a part of Python's": (GENERATOR, changed("model_index.json", unet=["os", "system"]), "takes its unet from os"),
    "a part that is no class": (
        GENERATOR,
        changed("model_index.json", vae=["diffusers", "../evil"]),
        "which is no class of diffusers",
    ),
    "a part with code of its own": (
        GENERATOR,
        coded("unet/evil.py", changed("model_index.json", unet=["evil", "Evil"])),
        "takes its unet from evil",
    ),
    "weights named elsewhere": (
        GENERATOR,
        changed(f"{UNET}.index.json", metadata={}, weight_map={"a": "../../evil.safetensors"}),
        "is outside its folder",
    ),
    "a width of 10^9": (CAPTIONER, changed("config.json", text_config={"hidden_size": 10**9}), "describes a model of"),
    "10^9 layers": (CAPTIONER, changed("config.json", vision_config={"num_hidden_layers": 10**9}), "layers"),
    "10^9 layers in each block": (GENERATOR, changed("unet/config.json", layers_per_block=10**9), "layers"),
    "10^9 channels": (GENERATOR, changed("unet/config.json", block_out_channels=[64, 10**9]), "describes a model of"),
    "10^9 words": (GENERATOR, changed("text_encoder/config.json", vocab_size=10**9), "describes a model of"),
    "pictures of 10^6 pixels a side": (
        CAPTIONER,
        changed("config.json", vision_config={"hidden_size": 96, "image_size": 10**6, "patch_size": 1}),
        "describes a model of",
    ),
    "patches of no size": (CAPTIONER, changed("config.json", vision_config={"patch_size": 0}), "which is no size"),
    "a part that is a word": (CAPTIONER, changed("config.json", text_config="large"), "no keys under text_config"),
    "10^12 steps": (GENERATOR, changed("scheduler/scheduler_config.json", num_train_timesteps=10**12), "the most"),
    "pictures made large": (
        CAPTIONER,
        changed("processor_config.json", image_processor={"size": {"height": 10**7, "width": 10**7}}),
        "the most that is known",
    ),
    "a native size of 10^9": (GENERATOR, changed("aura.json", native_size_px=10**9), "is not understood"),
}
"""What is hostile -> the model it is made of, how, and what the refusal says."""

HARMLESS: Final[dict[str, tuple[Path, Spoil]]] = {
    "names elsewhere": (
        CAPTIONER,
        both(
            changed("config.json", _name_or_path="/etc", name_or_path="../.."),
            changed("tokenizer_config.json", vocab_file="/etc/passwd", tokenizer_file="/etc/passwd"),
        ),
    ),
    "code for every class": (
        CAPTIONER,
        coded(
            "evil.py",
            changed("config.json", auto_map=_EVIL_MAP),
            changed(
                "tokenizer_config.json", tokenizer_class="Evil", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
            ),
            changed("processor_config.json", processor_class="Evil", auto_map=_EVIL_MAP),
        ),
    ),
    "20,000 empty tensors": (
        CAPTIONER,
        written("model.safetensors", header({f"t{number}": tensor(0, 0, [0]) for number in range(20_000)})),
    ),
    "a width that just passes": (CAPTIONER, changed("config.json", text_config={"hidden_size": 640})),
    "a scheduler that is no class": (GENERATOR, changed("scheduler/scheduler_config.json", _class_name="os.system")),
}
"""What is hostile -> the model it is made of, and how: nothing is run, whether it loads or not."""


def main() -> None:
    """Runs one job on each harmless model; prints its outcome and the growth of this process in MB, one a line."""
    from PIL import Image

    from aura_daemon.config.engine import CaptionSettings, Device, EngineSettings, GenerateSettings
    from aura_daemon.engines.session import Session
    from aura_daemon.jobs.requests import CaptionRequest, GenerateRequest
    from aura_daemon.jobs.results import Failure
    from tests.support.running import run_alone

    place, canary = Path(sys.argv[1]), Path(sys.argv[2])
    picture = BytesIO()
    Image.new("RGB", (64, 64), "red").save(picture, "PNG")
    for name, (model, spoil) in {"nothing": (CAPTIONER, lambda *_: None), **HARMLESS}.items():
        folder = copied(model, place / name.replace(" ", "-"))
        spoil(folder, canary)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if model is GENERATOR:
            session = Session(EngineSettings(device=Device.CPU, generate=GenerateSettings(model=str(folder))))
            outcome = run_alone(session, GenerateRequest(prompt="a", seed=1, steps=1))
        else:
            session = Session(EngineSettings(device=Device.CPU, caption=CaptionSettings(model=str(folder))))
            outcome = run_alone(session, CaptionRequest(image="a.png"), picture.getvalue())
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        said = f"{outcome.kind}: {outcome.message}; {outcome.mend}" if isinstance(outcome, Failure) else "made"
        print(json.dumps({"name": name, "grown_mb": grown, "said": said}), flush=True)


if __name__ == "__main__":
    main()
