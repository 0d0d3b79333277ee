"""The seed's config, and the faults of a config given as a dictionary."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from anycast_routed.config import InvalidConfigError, loads
from tests.support.paths import ANYCAST_DNS_CONFIG

Raw = dict[str, Any]


@pytest.fixture
def seed() -> Raw:
    """Give the seed's config, to be changed at will."""
    raw: Raw = json.loads(ANYCAST_DNS_CONFIG.read_text())
    return raw


@pytest.fixture
def faults() -> Callable[[object], dict[str, str]]:
    """Give a function from a config to its faults, by path."""

    def find(raw: object) -> dict[str, str]:
        try:
            loads(json.dumps(raw), name="test.json", toml=False)
        except InvalidConfigError as error:
            return {fault.path: f"{fault.message}; {fault.hint}" for fault in error.faults}
        return {}

    return find
