"""The locks are what pyproject.toml asks for, in one version each, from nowhere in particular."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.package_locks import BUILD, RUN_TIME, pins
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ASKED = {RUN_TIME: PROJECT["project"]["dependencies"], BUILD: PROJECT["build-system"]["requires"]}


@pytest.mark.parametrize("lock", ASKED, ids=lambda path: path.name)
def test_a_lock_has_what_pyproject_asks_for_by_hash_and_names_no_host(lock: Path) -> None:
    found = pins(lock)
    for asked in map(Requirement, ASKED[lock]):
        assert asked.specifier.contains(found[canonicalize_name(asked.name)].version)
    assert all(pin.hashes for pin in found.values())
    text = lock.read_text("utf-8")
    assert "://" not in text
    assert "index" not in text
