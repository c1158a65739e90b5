"""Where the configuration comes from, what overrides it, and how mistakes are reported."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from aura_daemon.cli import app
from aura_daemon.config.amounts import bytes_of
from aura_daemon.config.folder_checks import check_folders, is_system_user
from aura_daemon.config.loading import LoadedConfig, config_schema, find, load
from aura_daemon.config.settings import Settings
from aura_daemon.errors import UserError
from aura_daemon.jobs.sampling import Scheduler
from aura_daemon.jobs.sources import Accept
from tests.support.deadline import DEADLINE_S

SHIPPED = Path(__file__).parents[3] / "config" / "aura.yaml"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An environment without a word of ours: the home folder and the current folder are new and empty."""
    for name in list(os.environ):
        if name.startswith(("AURA_", "XDG_")) or name == "STATE_DIRECTORY":
            monkeypatch.delenv(name)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield here


def write(place: Path, text: str = "settle: 7\n") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    return place


def settings_from(text: str) -> Settings:
    return load(write(Path("aura.yaml"), text)).settings


def complaints(text: str = "") -> list[str]:
    with pytest.raises(UserError) as caught:
        load(write(Path("aura.yaml"), text))
    return [str(problem) for problem in caught.value.problems]


# -- where it is found ---------------------------------------------------------------------------------------------


def test_the_places_are_looked_at_in_order(alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "etc" / "aura.yaml"
    assert find(None, system=system) == (None, "built-in defaults (no configuration file was found)")
    write(system)
    assert find(None, system=system) == (system, str(system))
    user = write(tmp_path / "home" / ".config" / "aura-daemon" / "aura.yaml")
    assert find(None, system=system) == (user, str(user))
    xdg = write(tmp_path / "xdg" / "aura-daemon" / "aura.yaml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert find(None, system=system) == (xdg, str(xdg))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative/is/ignored")
    assert find(None, system=system) == (user, str(user))
    below = write(alone / "config" / "aura.yaml")
    assert find(None, system=system) == (below, str(below))
    monkeypatch.setenv("AURA_CONFIG", "~/mine.yaml")
    mine = tmp_path / "home" / "mine.yaml"
    assert find(None, system=system) == (mine, f"{mine} ($AURA_CONFIG)")
    assert find(Path("other.yaml")) == (alone / "other.yaml", f"{alone / 'other.yaml'} (--config)")


def test_without_a_home_folder_the_other_places_count(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert find(None)[0] is None
    with pytest.raises(UserError, match="state: there is no home folder"):
        load(None).settings.state_folder()


def test_a_folder_where_the_file_should_be_is_no_configuration(alone: Path) -> None:
    (alone / "config" / "aura.yaml").mkdir(parents=True)
    assert find(None)[0] is None


# -- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "---\n", "generate:\n", "settle: null\nlimits:\n  image_bytes:\n"]
)
def test_what_is_left_out_or_null_keeps_its_default(text: str) -> None:
    defaults = load(None).settings
    assert settings_from(text) == defaults


def test_null_is_a_choice_where_it_means_never() -> None:
    assert settings_from("unload_after: null").unload_after is None
    assert settings_from("").unload_after == 600


def test_the_environment_overrides_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_SETTLE", "9")
    monkeypatch.setenv("AURA_GENERATE__MODEL", "sd-1.4")
    monkeypatch.setenv("AURA_GENERATE__SCHEDULER", "Euler a")
    monkeypatch.setenv("AURA_UNLOAD_AFTER", "null")
    monkeypatch.setenv("AURA_LOG_LEVEL", "")
    settings = settings_from("settle: 1\nscan_interval: 5\ngenerate: {model: other, steps: 3}\nlog_level: DEBUG\n")
    assert (settings.settle, settings.scan_interval, settings.unload_after) == (9, 5, None)
    assert (settings.generate.model, settings.generate.steps) == ("sd-1.4", 3)
    assert settings.generate.scheduler is Scheduler.EULER_A
    assert settings.log_level == "DEBUG"
    assert settings.engine().generate.model == "sd-1.4"


@pytest.mark.parametrize("value", ["image,prompt", "image, prompt", '["image", "prompt"]', "image prompt"])
def test_a_list_can_be_said_in_a_variable(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_ACCEPT", value)
    assert load(None).settings.accept == (Accept.IMAGE, Accept.PROMPT)


def test_a_list_of_one_needs_no_brackets_in_the_file() -> None:
    assert settings_from("accept: image").accept == (Accept.IMAGE,)
    assert settings_from("accept: [image]").accept == (Accept.IMAGE,)


# -- paths ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("folder", "base"), [("config", ""), ("conf", "conf"), (".", "")])
def test_relative_paths_count_from_the_file_or_above_config(alone: Path, folder: str, base: str) -> None:
    place = write(alone / folder / "aura.yaml", "outbox: out\nstate: st\n")
    settings = load(place.relative_to(alone)).settings
    assert settings.inbox == alone / base / "inbox"
    assert settings.outbox == alone / base / "out"
    assert settings.state == alone / base / "st"


def test_relative_paths_of_the_environment_count_from_the_current_folder(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURA_INBOX", "in")
    settings = load(write(alone / "elsewhere" / "aura.yaml", "outbox: out")).settings
    assert settings.inbox == alone / "in"
    assert settings.outbox == alone / "elsewhere" / "out"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_STATE", "~/state")
    settings = settings_from("inbox: ~/in\noutbox: /srv/out")
    assert settings.inbox == tmp_path / "home" / "in"
    assert settings.outbox == Path("/srv/out")
    assert settings.state == tmp_path / "home" / "state"


def test_a_model_that_is_a_path_counts_from_the_file(alone: Path) -> None:
    (alone / "models" / "mine").mkdir(parents=True)
    (alone / "aura-mini").mkdir()
    settings = settings_from(
        "generate: {model: models/mine}\n"
        "caption: {model: owner/name, question_model: models/mine, matching_model: models/mine}"
    )
    assert settings.caption.matching_model == settings.caption.question_model
    assert settings.generate.model == settings.caption.question_model == str(alone / "models" / "mine")
    assert settings.caption.model == "owner/name"
    assert settings_from("").generate.model == "aura-mini"


def test_the_state_folder_is_the_service_manager_s_or_one_an_inbox(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load(None).settings.state_folder()
    assert own.parent == tmp_path / "home" / ".local" / "state" / "aura-daemon"
    (alone / "inbox").mkdir()
    (alone / "link").symlink_to("inbox")
    assert settings_from("inbox: link").state_folder() == own
    assert settings_from("inbox: other").state_folder() != own
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert load(None).settings.state_folder() == tmp_path / "xdg" / "aura-daemon" / own.name
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/aura:/var/lib/other")
    assert load(None).settings.state_folder() == Path("/var/lib/aura")
    assert settings_from("state: /srv/state").state_folder() == Path("/srv/state")


# -- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("inbx: a", "aura.yaml:1: inbx: unknown key; did you mean `inbox`?"),
        ("generate:\n  modle: a", "aura.yaml:2: generate.modle: unknown key; did you mean `model`?"),
        ("_env_prefix: X_", "aura.yaml:1: _env_prefix: unknown key"),
        ("settle: soon", "aura.yaml:1: settle: must be a number of seconds from 0 to 86400"),
        ("settle: -1", "(given: -1)"),
        ("settle: .nan", "(given: .nan)"),
        ("scan_interval: .inf", "(given: .inf)"),
        ("attempts: 0", "attempts: must be a whole number from 1 to 100 (given: 0)"),
        ("attempts: 1.5", "(given: 1.5)"),
        ("log_level: info", "must be one of TRACE, DEBUG, INFO, WARNING, ERROR (given: info); did you mean `INFO`?"),
        ("device: opencl", "device: must be one of auto, cpu, cuda, xpu, mps (given: opencl)"),
        (
            "accept: [image, promt]",
            'accept.1: must be a list of one or more of prompt, image, sidecar (given: "promt")',
        ),
        ("accept: []", "accept: must be a list of one or more"),
        ("generate: sd-1.4", "generate: must be keys of the generator, one below the other"),
        ("generate: {scheduler: restart}", "generate.scheduler: must be one of dpm++_2m_karras"),
        ("inbox: ''", "inbox: must name a folder"),
        ("inbox: .", "inbox: must name a folder"),
        ('outbox: "a\\0b"', "outbox: must name a folder"),
        ("inbox: ~nobody-of-that-name/in", "inbox: must name a folder"),
        ("inbox: [a]", "inbox: must be a folder (given: [a])"),
        ("- inbox", "this is a list"),
        ("just text", "`key: value` lines are needed"),
        ("inbox: a: b", "this is no valid YAML"),
        ("settle: 1\n---\nsettle: 2\n", "must hold one document"),
        ("settle: 1\nsettle: 2\n", "aura.yaml:2: settle: is given twice"),
    ],
)
def test_a_mistake_in_the_file_is_said_with_file_line_and_key(text: str, words: str) -> None:
    (message,) = complaints(text)
    assert words in message
    assert "aura.yaml" in message


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AURA_INBX", "a", "$AURA_INBX: is no key of the configuration; did you mean `AURA_INBOX`?"),
        ("AURA_GENERATE__MODLE", "a", "$AURA_GENERATE__MODLE: is no key"),
        ("AURA_SETTLE", "soon", "$AURA_SETTLE: must be a number of seconds from 0 to 86400: unchanged for so long"),
        ("AURA_SETTLE", "null", "$AURA_SETTLE: must be a number of seconds"),
        ("AURA_GENERATE__STEPS", "0", '$AURA_GENERATE__STEPS: must be a whole number from 1 to 150 (given: "0")'),
        ("AURA_GENERATE", "{broken", "$AURA_GENERATE: must be keys of the generator"),
        (
            "AURA_ACCEPT",
            "[broken",
            '$AURA_ACCEPT: must be a list of one or more of prompt, image, sidecar (given: "broken")',
        ),
        ("AURA_GENERATE__MODELS", "sd-1.4", 'in a variable as JSON has it, ["one", "two"] (given: "sd-1.4")'),
        ("AURA_HOOKS__ON_DONE", "[tell, me]", 'in a variable as JSON has it, ["one", "two"] (given: "[tell, me]")'),
        ("AURA_ACCEPT", ",", "$AURA_ACCEPT: must be a list"),
        ("AURA_INBOX", "~nobody-of-that-name", "$AURA_INBOX: must name a folder"),
    ],
)
def test_a_mistake_in_the_environment_names_its_variable(
    variable: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    assert any(words in message for message in complaints("settle: 1"))


def test_variables_of_the_tests_are_nobody_s_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_TEST_ANYTHING", "x")
    load(None)


def test_all_problems_of_file_and_environment_are_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_INBX", "a")
    monkeypatch.setenv("AURA_ATTEMPTS", "0")
    messages = complaints("settle: -1\nfoo: 1\n_bar: 1\ngenerate: {steps: 0}\n")
    assert len(messages) == 6


def test_a_file_that_cannot_be_read_says_so(alone: Path) -> None:
    with pytest.raises(UserError, match=r"missing\.yaml: cannot be read: No such file"):
        load(alone / "missing.yaml")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load(alone)
    (alone / "binary.yaml").write_bytes(b"\xff\xfa\0")
    with pytest.raises(UserError, match="save it as UTF-8"):
        load(alone / "binary.yaml")


# -- folders -------------------------------------------------------------------------------------------------------


def folder_problems(text: str) -> list[str]:
    return [str(problem) for problem in check_folders(load(write(Path("aura.yaml"), text)))]


def test_the_default_folders_are_made(alone: Path) -> None:
    loaded: LoadedConfig = load(None)
    assert check_folders(loaded) == ()
    assert (alone / "inbox").is_dir()
    assert (alone / "outbox").is_dir()
    assert loaded.settings.state_folder().is_dir()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "inbox: away",
            "inbox: {here}/away does not exist: make it, or mount what belongs there"
            " (`aura-daemon run --make-folders` makes it)",
        ),
        ("outbox: away", "outbox: {here}/away does not exist"),
        ("inbox: file", "inbox: {here}/file is not a folder"),
        ("inbox: dangling", "inbox: {here}/dangling is not a folder"),
        ("inbox: loop", "inbox: {here}/loop is not a folder"),
        ("state: file/state", "state: {here}/file/state cannot be made: Not a directory"),
        ("inbox: one\noutbox: one", "inbox: inbox and outbox are the same folder"),
        ("inbox: one\noutbox: link", "inbox: inbox and outbox are the same folder"),
        ("inbox: one\noutbox: one/inner", "outbox: outbox ({here}/one/inner) lies inside inbox ({here}/one)"),
        ("inbox: one/inner\noutbox: one", "inbox: inbox ({here}/one/inner) lies inside outbox ({here}/one)"),
        ("inbox: one\nstate: link/state", "state: state ({here}/one/state) lies inside inbox ({here}/one)"),
        ("outbox: one\nstate: one", "outbox: outbox and state are the same folder"),
    ],
)
def test_folders_that_will_not_do_are_refused(alone: Path, text: str, words: str) -> None:
    (alone / "one" / "inner").mkdir(parents=True)
    (alone / "link").symlink_to("one")
    (alone / "dangling").symlink_to("nowhere")
    (alone / "loop").symlink_to("loop")
    (alone / "file").touch()
    (message,) = folder_problems(text)
    assert message.startswith(words.format(here=os.path.realpath(alone)))


def test_all_that_is_wrong_with_folders_is_said_at_once() -> None:
    assert len(folder_problems("inbox: away\noutbox: away/inner")) == 3


@pytest.mark.skipif(os.access("/sys", os.W_OK), reason="needs a folder that is mounted read-only")
def test_a_read_only_file_system_is_no_outbox() -> None:
    (message,) = folder_problems("outbox: /sys")
    assert message.startswith("outbox: /sys cannot be written: it belongs to root with mode ")


# -- the shipped file and the schema -------------------------------------------------------------------------------


def keys_of(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found.update(keys_of(field.annotation, f"{prefix}{key}."))
        else:
            found[prefix + key] = field.default
    return found


def test_the_shipped_file_holds_every_key_at_its_default() -> None:
    def flat(mapping: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in mapping.items():
            is_section = isinstance(value, dict) and value != {}
            found.update(flat(value, f"{prefix}{key}.") if is_section else {prefix + key: value})
        return found

    written = flat(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")))
    expected = keys_of(Settings)
    assert list(written) == list(expected)
    hooks = [key for key in expected if key.startswith("hooks.on_")]
    for key in ("accept", "companions", "ignore", "take", "generate.models", *hooks):
        assert written.pop(key) == [str(word) for word in expected.pop(key)]
    assert bytes_of(written.pop("log_file.size")) == expected.pop("log_file.size")
    assert written == {key: str(value) if isinstance(value, Path) else value for key, value in expected.items()}


def test_every_key_of_the_shipped_file_is_commented() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    bare = {
        "generate",
        "caption",
        "upscale",
        "limits",
        "http",
        "metrics",
        "hooks",
        "retention",
        "gallery",
    }  # their own keys are commented, and a heading stands above them
    previous = ""
    for line in lines:
        key = re.match(r" *([a-z_]+):", line)
        if key and key[1] not in bare:
            assert previous.lstrip().startswith("#"), line
        previous = line
    assert max(map(len, lines)) <= 120


def test_the_shipped_file_is_valid_by_the_published_schema_and_loads_as_the_defaults() -> None:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")), schema)
    loaded = load(SHIPPED)
    assert loaded.named_folders == frozenset()
    assert loaded.settings.inbox == SHIPPED.parent.parent / "inbox"
    assert loaded.settings.model_dump(exclude={"inbox", "outbox"}) == load(None).settings.model_dump(
        exclude={"inbox", "outbox"}
    )


def test_nothing_is_read_when_the_command_line_is_imported() -> None:
    program = (
        "import sys, os\n"
        "import aura_daemon.cli.app\n"
        "heavy = {'torch', 'pydantic', 'pydantic_settings', 'rich', 'yaml', 'loguru'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import aura_daemon.config.loading\n"
        "assert 'torch' not in sys.modules\n"
    )
    environment = {**os.environ, "AURA_NONSENSE": "1", "AURA_CONFIG": "/nowhere"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=DEADLINE_S)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settle: true", "aura.yaml:1: settle: must be a number, not true or false (given: true)"),
        ("retry_first: 9\nretry_at_most: 5", "aura.yaml:1: retry_first (9) must not exceed retry_at_most (5)"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        load(write(Path("aura.yaml"), text))
    assert [str(problem).rpartition("/")[2] for problem in error.value.problems] == [message]


def test_an_unknown_variable_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AURA_GENERATE__MODLE", "x")
    with pytest.raises(UserError) as error:
        load(None)
    assert len(error.value.problems) == 1


@pytest.mark.parametrize("key", ["inbox", "outbox"])
@pytest.mark.parametrize(
    ("wide", "what"),
    [
        ("~", "a whole home folder"),
        ("'~'", "a whole home folder"),
        ("~/", "a whole home folder"),
        ("link", "a whole home folder"),
        ("/", "the whole file system"),
        ("/usr/..", "the whole file system"),
    ],
)
def test_a_whole_home_or_file_system_is_no_inbox_or_outbox(
    alone: Path, tmp_path: Path, key: str, wide: str, what: str
) -> None:
    (tmp_path / "home").mkdir()
    (alone / "link").symlink_to(tmp_path / "home")
    (message,) = folder_problems(f"{key}: {wide}\nstate: {tmp_path / 'home' / 'state'}")
    assert message.startswith(f"{key}: /")
    assert f" is {what}: name a folder of its own, for example " in message


def test_a_home_folder_is_a_state_folder_where_the_service_manager_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert folder_problems(f"state: {home}") == [
        f"state: {home} is a whole home folder: name a folder of its own, for example {home / 'state'}"
    ]
    monkeypatch.setenv("STATE_DIRECTORY", str(home))
    assert folder_problems("settle: 3") == []
    (message,) = folder_problems(f"inbox: {home}")
    assert message.startswith(f"inbox: {home} is a whole home folder")


@pytest.mark.parametrize(
    ("uid", "is_system"),
    [(0, False), (1, True), (998, True), (1000, False), (61184, True), (65519, True), (65520, False)],
)
def test_an_account_below_those_of_people_was_made_for_a_service(uid: int, is_system: bool) -> None:
    assert is_system_user(uid) is is_system


def test_null_for_a_folder_keeps_the_default(alone: Path) -> None:
    assert settings_from("inbox: null\noutbox:").inbox == alone / "inbox"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("aura_outbocks", "AURA_OUTBOX"),
        ("aura_outbox", "AURA_OUTBOX"),
        ("Aura_Generate__Model", "AURA_GENERATE__MODEL"),
        ("aura_config", "AURA_CONFIG"),
    ],
)
def test_variables_count_in_capitals_only_and_others_are_told(
    monkeypatch: pytest.MonkeyPatch, name: str, suggestion: str
) -> None:
    monkeypatch.setenv(name, "/x")
    (message,) = complaints()
    assert message == f"${name}: is no key of the configuration; did you mean `{suggestion}`?"


def test_a_wrong_value_in_a_variable_that_does_not_count_is_not_the_file_s_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("aura_settle", "soon")
    (message,) = complaints("settle: 1")
    assert message.startswith("$aura_settle: is no key")


@pytest.mark.parametrize("sources", ["archive", "delete"])
def test_sources_are_not_taken_out_of_an_inbox_that_cannot_be_written(
    alone: Path, monkeypatch: pytest.MonkeyPatch, sources: str
) -> None:
    (alone / "in").mkdir()
    refuse_writing(monkeypatch, alone / "in")
    (told,) = folder_problems(f"inbox: in\nsources: {sources}")
    assert told.startswith(
        f"sources: `{sources}` takes files out of the inbox, but {alone}/in cannot be written: it belongs to "
    )
    assert told.endswith("; or say `sources: keep`")
    for other in ("auto", "keep"):
        assert folder_problems(f"inbox: in\nsources: {other}") == []


def test_the_command_line_says_so_before_anything_starts(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (alone / "inbox").mkdir()
    refuse_writing(monkeypatch, alone / "inbox")
    monkeypatch.setenv("AURA_SOURCES", "delete")
    monkeypatch.setattr(sys, "argv", ["aura-daemon", "once"])
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert "error: sources: `delete` takes files out of the inbox" in capsys.readouterr().err
    assert list((alone / "inbox").iterdir()) == []


def refuse_writing(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As a read-only mount does, which holds root back too."""
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode, **_: access(path, mode) and not (Path(path) == folder and mode & os.W_OK)
    )


def test_the_schema_holds_the_bounds_that_the_file_is_held_to() -> None:
    schema = config_schema()
    checker = jsonschema.Draft202012Validator(schema)
    for mapping in ({"unload_after": 0}, {"generate": {"steps": 0}}, {"caption": {"max_new_tokens": 201}}):
        assert not checker.is_valid(mapping)
        assert complaints(yaml.safe_dump(mapping))
    for mapping in ({"unload_after": None}, {"generate": {"scheduler": "Euler a", "steps": None}}):
        assert checker.is_valid(mapping)
        settings_from(yaml.safe_dump(mapping))
