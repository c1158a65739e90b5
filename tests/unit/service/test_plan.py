"""Which folders a service opens."""

from __future__ import annotations

import pytest

from aura_daemon.service.plan import NAME, Network, common_parent, lies_in_homes, writable
from tests.unit.service.plans import SYSTEM, USER, changed


@pytest.mark.parametrize(
    ("inbox", "outbox", "above"),
    [
        ("/srv/aura/inbox", "/srv/aura/outbox", "/srv/aura"),
        ("/srv/aura/a/inbox", "/srv/aura/b/outbox", "/srv/aura"),
        ("/home/me/aura/inbox", "/home/me/aura/outbox", "/home/me/aura"),
        ("/home/me/inbox", "/home/me/outbox", None),
        ("/srv/inbox", "/srv/outbox", None),
        ("/var/lib/inbox", "/var/lib/outbox", None),
        ("/inbox", "/outbox", None),
        ("/mnt/nas/inbox", "/srv/outbox", None),
    ],
)
def test_the_folder_above_inbox_and_outbox_is_opened_where_it_is_theirs(
    inbox: str, outbox: str, above: str | None
) -> None:
    assert common_parent((inbox, outbox)) == above
    assert writable(inbox, outbox) == ((above,) if above else (inbox, outbox))


def test_whether_anything_lies_among_peoples_files_is_known() -> None:
    assert lies_in_homes(USER)
    assert not lies_in_homes(SYSTEM)
    assert lies_in_homes(changed(models="/root/models"))
    assert lies_in_homes(changed(read=("/home/me/venv",)))


@pytest.mark.parametrize(("name", "is_good"), [("aura", True), ("a-2_b", True), ("Aura", False), ("../x", False)])
def test_a_name_is_one_of_a_folder(name: str, is_good: bool) -> None:
    assert bool(NAME.fullmatch(name)) is is_good


def test_models_are_fetched_over_the_full_network_only() -> None:
    assert [changed(network=network).fetches for network in Network] == [False, False, True]
