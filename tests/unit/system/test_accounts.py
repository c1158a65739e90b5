"""Accounts of this machine."""

from __future__ import annotations

import os

import pytest

from aura_daemon.system import accounts


@pytest.mark.parametrize(
    ("uid", "is_system"),
    [(0, False), (1, True), (998, True), (1000, False), (61184, True), (65519, True), (65520, False)],
)
def test_an_account_below_those_of_people_was_made_for_a_service(uid: int, is_system: bool) -> None:
    assert accounts.is_system_user(uid) is is_system


def test_an_account_is_found_by_its_name() -> None:
    found = accounts.account("root")
    assert found is not None
    assert (found.uid, found.group) == (0, "root")
    assert accounts.account("no-such-account-at-all") is None


def test_this_process_has_an_account() -> None:
    own = accounts.own_account()
    assert own is None or own.uid == os.geteuid()
