"""Requests of a verb to the daemon are read back as they were written, until they are cleared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from anycast_routed.state import requests
from anycast_routed.state.requests import Permission
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


@pytest.mark.parametrize("permission", Permission)
def test_a_permission_is_for_one_config_file_until_it_is_revoked(
    tmp_path: Path, permission: Permission
) -> None:
    assert permitted(tmp_path) == []
    requests.permit(tmp_path, permission, DIGEST)
    assert (tmp_path / permission).read_text() == DIGEST
    assert permitted(tmp_path) == [permission]
    assert not requests.is_permitted(tmp_path, permission, DIGEST[::-1])
    requests.revoke(tmp_path, permission)
    requests.revoke(tmp_path, permission)
    assert permitted(tmp_path) == []


def permitted(run_dir: Path) -> list[Permission]:
    """Return what the config file may do."""
    return [one for one in Permission if requests.is_permitted(run_dir, one, DIGEST)]


@pytest.mark.parametrize("name", ["forgive", "allow-shrink", "force"])
def test_a_request_above_its_size_limit_is_ignored(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a" * ((1 << 20) + 1))
    assert requests.read_forgive(tmp_path) == ()
    assert permitted(tmp_path) == []


@needs_users
@pytest.mark.fault(34)
def test_a_request_of_another_user_is_ignored(tmp_path: Path) -> None:
    requests.write_forgive(tmp_path, ["dns"])
    for one in Permission:
        requests.permit(tmp_path, one, DIGEST)
    for file in tmp_path.iterdir():
        os.chown(file, OTHER, OTHER)
    assert requests.read_forgive(tmp_path) == ()
    assert permitted(tmp_path) == []
