"""Which names are never jobs, and what outputs are called."""

import os
import unicodedata
from itertools import islice
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aura_daemon import file_names
from aura_daemon.watch import ignored_names

FILE_NAMES = st.binary(min_size=1, max_size=255).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
"""Every name a file can have, those that are no text included."""

PRIVATE = [
    ".cat.yaml",
    ".syncthing.cat.yaml.tmp",
    "~syncthing~cat.yaml.tmp",
    ".stversions/cat.yaml",
    ".stfolder",
    ".stignore",
    ".cat.yaml.aB3xQ9",
    ".~tmp~/cat.yaml",
    ".rsync-partial/cat.yaml",
    "cat.yaml.1a2b3c4d.partial",
    ".unison.cat.yaml.0123.unison.tmp",
    ".cat.yaml.~1f2e",
    ".sync_0a1b.db",
    ".csync_journal.db-wal",
    ".owncloudsync.log.1",
    "cat.png.filepart",
    "cat.png.part",
    "cat.sbak",
    "#cat.yaml#",
    "cat.yaml~",
    "~cat.yaml",
    ".~cat.yaml",
    "cat.tmp",
    "cat.partial",
    "cat.png.!sync",
    "cat.png.bts",
    "cat.png.SyncPart",
    "cat.png.SyncTemp",
    "cat.png.SyncOld",
    ".sync/Archive/cat.png",
    ".dropbox",
    ".dropbox.cache/new/cat.png",
    ".tmp.drivedownload/1.png",
    ".tmp.driveupload/1.png",
    ".cat.png.icloud",
    "cat.png.crdownload",
    "cat.png.aria2",
    "Unconfirmed 12345.png",
    "cat.png.download",
    "cat.png.download/cat.png",
    "cat.png.insyncdl",
    "4913",
    "4914",
    "12345",
    ".cat.yaml.swp",
    ".#cat.yaml",
    "cat.yaml___jb_tmp___",
    "cat.yaml___jb_old___",
    "cat.yaml___jb_bak___",
    ".goutputstream-ABC123",
    "~$cat.png",
    ".~lock.cat.png#",
    "._cat.png",
    ".DS_Store",
    "@eaDir/cat.png/SYNOPHOTO_THUMB_M.jpg",
    ".localized",
    "__MACOSX/._cat.png",
    "__MACOSX/cat.png",
    ".Spotlight-V100",
    ".Trashes",
    ".nfs000123",
    ".fuse_hidden000123",
    ".apdisk",
    "Thumbs.db",
    "desktop.ini",
    "a/b/.hidden/cat.png",
    ".aura/work/cat.png",
    "SYNOPHOTO_THUMB_XL.jpg",
    "album/SYNOFILE_THUMB_M.jpg",
    "$RECYCLE.BIN/S-1-5-21-1/$R1A2B3.jpg",
    "$Recycle.Bin/S-1-5-21-1/$R1A2B3.jpg",
    "System Volume Information/cat.txt",
    "lost+found/cat.png",
    "cat.png:Zone.Identifier",
    "cat.txt:Zone.Identifier:Zone.Identifier",
    "cat.png\uf03aZone.Identifier",
]

CONFLICTS = [
    "cat.sync-conflict-20261123-170000-ABCDEFG.yaml",
    "cat.conflict1.yaml",
    "cat.yaml.conflict12",
    "cat (conflict_on_2026-11-23).yaml",
    "cat (conflict #2 on 2026-11-23).yaml",
    "cat (conflict_with_laptop_on_2026-11-23_2).yaml",
    "cat (conflicted copy 2026-11-23 170000).yaml",
    "cat_conflict-20261123-170000.yaml",
    "cat (SFConflict ada@example.org 2026-11-23-17-00-00).yaml",
    "cat (case conflict 1).yaml",
    "cat-laptop-safeBackup-0001.yaml",
    "cat.Conflict.yaml",
    "cat (Ada's conflicted copy 2026-11-23).yaml",
    "deep/down/cat.sync-conflict-20261123-170000-ABCDEFG.png",
    "holiday (conflicted copy 2026-11-23 170000)/cat.png",
    "cat (Conflicted copy ThinkPad-T14 202611231700).yaml",
    "cat (Ada's conflicting copy 2026-11-23).yaml",
    "cat (conflicting copy).yaml",
    "cat (Conflict ada 2026-11-23 170000).yaml",
    "cat (case clash from 2026-11-23 170000).yaml",
    "cat (edit conflict, ada v10).yaml",
    "cat_Andy-PC_Jan-03-0901-2013_CaseConflict_1.yaml",
    "cat_nas_Jan-03-0901-2013_Conflict.yaml",
]

ORDINARY = [
    "cat.yaml",
    "2026 holiday (1).jpg",
    "4913.png",
    "notes~draft.txt",
    "2026/cat.yaml",
    "2026/11/cat.yaml",
    "Unconfirmed sightings/owl.jpg",
    "~drafts/cat.yaml",
    "part.png",
    "a.part.png",
    "conflict.yaml",
    "conflict of interest (1).yaml",
    "hero_conflict-scene.png",
    "Romeo and Juliet (Conflicts between families).txt",
    "Git handbook (Conflict resolution chapter).txt",
    "a scene (conflicting colours).txt",
    "Zone.Identifier.yaml",
    "recycle.bin/cat.png",
    "#1.png",
    "-rf.yaml",
    "..cat.yaml"[2:],
    "猫　犬.png",
    "\udcff.png",
    "new\nline.txt",
]


@pytest.mark.parametrize("path", PRIVATE)
def test_names_that_tools_leave_behind_are_private(path: str) -> None:
    found = ignored_names.verdict(path, ignore=(), take=())
    assert found is not None
    assert not found.is_conflict
    assert "private" in found.reason


@pytest.mark.parametrize("path", CONFLICTS)
def test_conflict_copies_are_reported_apart_from_private_names(path: str) -> None:
    found = ignored_names.verdict(path, ignore=(), take=())
    assert found is not None
    assert found.is_conflict
    assert "decide" in found.reason


@pytest.mark.parametrize("path", ORDINARY)
def test_nothing_is_held_against_an_ordinary_name(path: str) -> None:
    assert ignored_names.verdict(path, ignore=(), take=()) is None


@given(FILE_NAMES, st.none() | st.integers(1, 500))
@settings(max_examples=25)
def test_an_output_fits_into_a_name_with_every_suffix(stem: str, number: int | None) -> None:
    shortened = file_names.output_stem(stem, number)
    whole = f"{shortened}.r999.jpeg.json"
    assert len(whole.encode("utf-8", "surrogateescape")) <= file_names.MOST_NAME_BYTES
    assert shortened not in ("", "-1")
    own = shortened if number is None else shortened.removesuffix(f"-{number}")
    assert stem.startswith(own)
    assert shortened.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == shortened


@pytest.mark.parametrize("character", ["x", "ü", "猫", "🦊", "\udc80"])
def test_a_long_stem_is_cut_between_characters(character: str) -> None:
    stem = character * 255
    shortened = file_names.output_stem(stem, 7)
    assert shortened.endswith(character + "-7")
    assert len(shortened.encode("utf-8", "surrogateescape")) > 205


def test_a_short_stem_stays_as_it_is() -> None:
    assert file_names.output_stem("cat", None) == "cat"
    assert file_names.output_stem("cat", 12) == "cat-12"


def test_a_taken_name_is_counted_up() -> None:
    assert list(islice(file_names.candidates("cat"), 3)) == ["cat", "cat.r2", "cat.r3"]


@pytest.mark.parametrize(
    ("folder", "stem", "reserved"),
    [
        ("", "health", True),
        ("", "Index", True),
        ("", "healthy", False),
        ("", "health.r2", False),
        ("sub", "health", False),
    ],
)
def test_our_own_pages_are_reserved_at_the_top_only(folder: str, stem: str, reserved: bool) -> None:
    assert file_names.is_reserved_output(folder, stem) is reserved


@given(st.text(max_size=20))
@settings(max_examples=25)
def test_a_collision_key_is_its_own_key_and_the_same_for_every_composition(name: str) -> None:
    key = file_names.collision_key(name)
    assert file_names.collision_key(key) == key
    assert file_names.collision_key(unicodedata.normalize("NFD", name)) == key


def test_letter_case_and_composition_collide() -> None:
    assert file_names.collision_key("Ünïcode.PNG") == file_names.collision_key(
        unicodedata.normalize("NFD", "ünïcode.png")
    )
    assert file_names.collision_key("cat") != file_names.collision_key("car")
    assert file_names.collision_key("4.42.48\u202fPM") == file_names.collision_key("4.42.48\u00a0pm") == "4.42.48 pm"


@given(FILE_NAMES | st.text(max_size=20))
@settings(max_examples=25)
def test_an_escaped_name_is_one_line_and_always_encodable(name: str) -> None:
    shown = file_names.escaped(name)
    assert len(shown.encode().splitlines()) <= 1
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(("name", "held"), [("größer\n", "größer\n"), (os.fsdecode(b"caf\xe9"), r"caf\xe9")])
def test_of_a_name_only_bytes_that_are_no_text_are_escaped_in_a_document(name: str, held: str) -> None:
    assert file_names.encodable(name) == held


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cat.yaml", "cat.yaml"),
        ("猫　犬 🦊.png", "猫　犬 🦊.png"),
        ("a\nb", "a\\nb"),
        ("a\x1b[31m", "a\\x1b[31m"),
        ("\udcff.png", "\\xff.png"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_could_fool_a_reader_of_the_log_is_escaped(name: str, shown: str) -> None:
    assert file_names.escaped(name) == shown


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.yaml", False),
        (".a.yaml", True),
        ("a/.b/c", True),
        ("failed/x", True),
        ("Failed/x", True),
        ("failed", False),
        ("a/failed/x", False),
        ("aura-gallery/thumbnails/20260101/x.webp", True),
        ("outboxes/one/Aura-Gallery/x", True),
        ("aura-gallery-2/x", False),
        ("..", True),
    ],
)
def test_hidden_names_and_failed_are_out_of_bounds(path: str, expected: bool) -> None:
    assert file_names.is_out_of_bounds(path) is expected


@pytest.mark.parametrize(
    ("path", "is_left", "because"),
    [
        ("a.draft.yaml", True, "`ignore`"),
        ("old/a.yaml", True, "`ignore`"),
        ("new/a.yaml", False, ""),
        ("a~.png", False, ""),
        ("cat.sync-conflict-20260101-120000-ABCDEFG.yaml", False, ""),
        (".b~.png", True, "hidden"),
        ("b~", True, "editor"),
    ],
)
def test_a_user_extends_and_cuts_the_tables(path: str, is_left: bool, because: str) -> None:
    found = ignored_names.verdict(path, ignore=("*.draft.yaml", "old/*"), take=("*~.png", "cat.sync-conflict-*"))
    assert (found is not None) is is_left
    assert because in (found.reason if found else "")


# -- names that Windows can hold ---------------------------------------------------------------------------------------

PORTABLE = [
    ("cat", "cat"),
    ("a: b?", "a- b-"),
    ('x<>:"|?*\\y', "x-y"),
    ("new\nline", "new-line"),
    ("CON", "CON_"),
    ("nul.r2", "nul_.r2"),
    ("Com1 .x", "Com1 _.x"),
    ("LPT\u00b3", "LPT\u00b3_"),
    ("console", "console"),
    ("COM", "COM"),
    ("-rf", "-rf"),
    ("caf\udce9", "caf\udce9"),
    ("wait...", "wait..."),  # an extension follows
]


@pytest.mark.parametrize(("name", "portable"), PORTABLE)
def test_outputs_have_names_that_windows_can_hold(name: str, portable: str) -> None:
    assert file_names.portable(name) == portable


@pytest.mark.parametrize(
    ("folder", "portable"),
    [
        ("", ""),
        ("trips/2026", "trips/2026"),
        ("trips./NUL", "trips/NUL_"),
        ("a. . /b ", "a/b"),
        ("failed.", "failed-"),
        ("pets/aura-gallery", "pets/aura-gallery-"),
        ("x/failed.", "x/failed"),
        (" / ", "-/-"),
        ("a:b/c?", "a-b/c-"),
    ],
)
def test_folders_of_outputs_have_names_that_windows_can_hold(folder: str, portable: str) -> None:
    assert file_names.portable_folder(folder) == portable


@pytest.mark.parametrize(
    ("path", "failed"),
    [
        ("cat.yaml", "cat.yaml"),
        ("trips./what?.yaml", "trips/what-.yaml"),
        ("CON.yaml", "CON_.yaml"),
        ("x" * 250 + ".yaml", "x" * 215 + ".yaml"),
        ("noextension", "noextension"),
    ],
)
def test_failed_files_have_names_that_windows_can_hold(path: str, failed: str) -> None:
    assert file_names.failed_path(path) == failed


@given(FILE_NAMES)
def test_a_portable_name_stays_as_it_is(name: str) -> None:
    portable = file_names.portable(name)
    assert file_names.portable(portable) == portable
    assert not set(portable) & set('<>:"|?*\\\n')


@pytest.mark.parametrize(
    ("name", "later"),
    [
        (".cat.png.aB3xQ9", "cat.png"),
        (".syncthing.cat.png.tmp", "cat.png"),
        ("~syncthing~cat.png.tmp", "cat.png"),
        ("cat.png.1a2b3c4d.partial", "cat.png"),
        ("cat.png.part", "cat.png"),
        ("cat.png.!sync", "cat.png"),
        ("cat.png", ""),
        (".part", ""),
    ],
)
def test_an_unfinished_file_tells_the_name_that_it_gets(name: str, later: str) -> None:
    assert ignored_names.name_to_be(name) == later


def test_the_users_globs_are_matched_against_the_name_and_the_path() -> None:
    assert ignored_names.is_to_be_taken("set/prompt-1.txt", ["prompt-*.txt"])
    assert ignored_names.is_to_be_taken("set/prompt-1.txt", ["set/*"])
    assert not ignored_names.is_to_be_taken("set/cat.txt", ["prompt-*.txt"])


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("a/cat.yaml", ["cat.yaml", "cat.r2.yaml", "cat.r3.yaml"]),
        ("a/cat", ["cat", "cat.r2", "cat.r3"]),
    ],
)
def test_names_are_tried_in_the_same_folder_one_after_the_other(place: str, names: list[str]) -> None:
    found = list(islice(file_names.free_names(PurePosixPath(place)), 3))
    assert [path.parent.name for path in found] == ["a"] * 3
    assert [path.name for path in found] == names


def test_a_long_name_is_cut_short_where_a_number_follows() -> None:
    first, *others = islice(file_names.free_names(PurePosixPath("x" * 250 + ".yaml")), 12)
    assert first.name == "x" * 250 + ".yaml"
    assert all(len(other.name) <= file_names.MOST_NAME_BYTES for other in others)
    assert len({first, *others}) == 12


@pytest.mark.parametrize(
    ("folder", "source", "behind"),
    [
        ("alice", "alice/cat.yaml", "alice"),
        ("alice/trips", "alice/cat.yaml", "alice"),
        ("alice-", "alice?/cat.yaml", "alice?"),
        ("alices", "alice/cat.yaml", "alices"),
        ("bob", "alice/cat.yaml", "bob"),
        ("bob", "cat.yaml", "bob"),
        ("", "cat.yaml", ""),
    ],
)
def test_a_folder_of_the_outbox_stands_for_one_of_the_inbox(folder: str, source: str, behind: str) -> None:
    assert file_names.folder_behind(folder, source) == behind
