"""Accounts of this machine."""

from __future__ import annotations

import os

from aura_daemon.system import accounts


def test_an_account_is_found_by_its_name() -> None:
    found = accounts.account("root")
    assert found is not None
    assert (found.uid, found.group) == (0, "root")
    assert accounts.account("no-such-account-at-all") is None


def test_this_process_has_an_account() -> None:
    own = accounts.own_account()
    assert own is None or own.uid == os.geteuid()
