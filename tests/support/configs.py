"""Configs for tests: the anycast-dns config as a dictionary, and a dictionary as a Config."""

from __future__ import annotations

import json
from typing import Any

from anycast_routed.config import Config, loads
from tests.support.paths import ANYCAST_DNS_CONFIG

Raw = dict[str, Any]
"""A config file as JSON gives it."""


def anycast_dns() -> Raw:
    """Return the anycast-dns config, a new dictionary that a test may change."""
    raw: Raw = json.loads(ANYCAST_DNS_CONFIG.read_text())
    return raw


def config_of(raw: object) -> Config:
    """Return the Config of a dictionary, as if it stood in a file config.json.

    Raises:
        InvalidConfigError: with every fault.
    """
    return loads(json.dumps(raw), name="config.json", toml=False)
