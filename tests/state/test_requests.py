"""Requests of a verb to the daemon are read back as they were written, until they are cleared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from anycast_routed.state import requests
from tests.support.users import OTHER, needs_users

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "ab12" * 16


def test_services_to_forgive_are_read_back_until_cleared(tmp_path: Path) -> None:
    assert requests.read_forgive(tmp_path) == ()
    requests.write_forgive(tmp_path, ["dns", "web-2"])
    assert (tmp_path / "forgive").read_text() == "dns\nweb-2\n"
    assert requests.read_forgive(tmp_path) == ("dns", "web-2")
    requests.write_forgive(tmp_path, ["dns"])
    assert requests.read_forgive(tmp_path) == ("dns",)
    requests.clear_forgive(tmp_path)
    requests.clear_forgive(tmp_path)
    assert requests.read_forgive(tmp_path) == ()


def test_the_digest_that_may_withdraw_most_is_read_back_until_cleared(tmp_path: Path) -> None:
    assert requests.read_allow_shrink(tmp_path) == ""
    requests.write_allow_shrink(tmp_path, DIGEST)
    assert (tmp_path / "allow-shrink").read_text() == DIGEST
    assert requests.read_allow_shrink(tmp_path) == DIGEST
    requests.clear_allow_shrink(tmp_path)
    requests.clear_allow_shrink(tmp_path)
    assert requests.read_allow_shrink(tmp_path) == ""


def test_the_digest_whose_checks_decide_is_read_back_until_cleared(tmp_path: Path) -> None:
    assert requests.read_force(tmp_path) == ""
    requests.write_force(tmp_path, DIGEST)
    assert (tmp_path / "force").read_text() == DIGEST
    assert requests.read_force(tmp_path) == DIGEST
    requests.clear_force(tmp_path)
    requests.clear_force(tmp_path)
    assert requests.read_force(tmp_path) == ""


@pytest.mark.parametrize("name", ["forgive", "allow-shrink", "force"])
def test_a_request_above_its_size_limit_is_ignored(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a" * ((1 << 20) + 1))
    assert requests.read_forgive(tmp_path) == ()
    assert requests.read_allow_shrink(tmp_path) == ""
    assert requests.read_force(tmp_path) == ""


@needs_users
@pytest.mark.fault(34)
def test_a_request_of_another_user_is_ignored(tmp_path: Path) -> None:
    requests.write_forgive(tmp_path, ["dns"])
    requests.write_allow_shrink(tmp_path, DIGEST)
    requests.write_force(tmp_path, DIGEST)
    for file in tmp_path.iterdir():
        os.chown(file, OTHER, OTHER)
    assert requests.read_forgive(tmp_path) == ()
    assert requests.read_allow_shrink(tmp_path) == ""
    assert requests.read_force(tmp_path) == ""
