"""What is said of a model without fetching or hashing: of one the hub's cache has, has in part, or never had."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.hub import Hub, answer_of, hub_environment
from tests.support.single_file import write_single_file

GENERATOR = "tiny/generator"


def test_a_model_that_was_never_fetched_is_absent_and_the_hub_is_not_asked(
    hub: Hub, home: Path, generator_folder: Path
) -> None:
    hub.add(GENERATOR, generator_folder)
    assert answer_of("looking", hub.environment(home), GENERATOR) == {"absent": None}
    assert hub.requests == []
    assert not home.exists()


def test_a_model_that_was_fetched_is_here_as_the_worker_finds_it(hub: Hub, home: Path, generator_folder: Path) -> None:
    hub.add(GENERATOR, generator_folder)
    environment = hub.environment(home)
    fetched = answer_of("finding", environment, GENERATOR)
    asked = len(hub.requests)
    found = answer_of("looking", environment, GENERATOR)
    assert (found["folder"], found["sha256"]) == (fetched["folder"], "")
    assert found["bytes"] == sum(file.stat().st_size for file in generator_folder.rglob("*.safetensors"))
    assert len(hub.requests) == asked


def test_a_model_of_which_a_part_is_missing_says_how_much(hub: Hub, home: Path, generator_folder: Path) -> None:
    hub.add(GENERATOR, generator_folder)
    environment = hub.environment(home)
    folder = Path(answer_of("finding", environment, GENERATOR)["folder"])
    part = folder / "unet" / "diffusion_pytorch_model.safetensors"
    size = part.stat().st_size
    part.unlink()
    assert answer_of("looking", environment, GENERATOR) == {"absent": size}


def test_a_cache_of_an_older_client_is_taken_as_it_lies(hub: Hub, home: Path, generator_folder: Path) -> None:
    hub.add(GENERATOR, generator_folder)
    environment = hub.environment(home)
    folder = Path(answer_of("finding", environment, GENERATOR)["folder"])
    shutil.rmtree(folder.parents[1] / "trees")  # which it did not write
    assert answer_of("looking", environment, GENERATOR)["folder"] == str(folder)
    shutil.rmtree(folder / "unet")
    assert answer_of("looking", environment, GENERATOR) == {"absent": None}


def test_a_model_of_the_wrong_kind_in_the_cache_is_wrong(hub: Hub, home: Path, captioner_folder: Path) -> None:
    hub.add("tiny/captioner", captioner_folder)
    answer_of("finding", hub.environment(home), "tiny/captioner", "caption")
    assert "Stable Diffusion 1.x pipeline" in answer_of("looking", hub.environment(home), "tiny/captioner")["wrong"]


def test_a_name_that_no_hub_can_have_is_wrong(home: Path) -> None:
    nowhere = hub_environment("http://127.0.0.1:9", home)
    assert "is no name of a hub model" in answer_of("looking", nowhere, "a b/c d")["wrong"]


def test_a_single_file_lacks_its_configuration_until_that_was_fetched(
    home: Path, generator_folder: Path, tmp_path: Path
) -> None:
    file = write_single_file(generator_folder, tmp_path / "one.safetensors")
    nowhere = hub_environment("http://127.0.0.1:9", home)
    assert answer_of("looking", nowhere, str(file)) == {"absent": None}
    shutil.copytree(generator_folder, tmp_path / "one")
    assert answer_of("looking", nowhere, str(file))["folder"] == str(tmp_path / "one")
