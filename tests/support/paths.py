"""Paths in the repository that tests use."""

from __future__ import annotations

from pathlib import Path

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]
SHIPPED_TEMPLATES = ROOT / "templates"
ANYCAST_DNS_CONFIG = SUPPORT / "anycast-dns.json"
"""A config file of anycast-dns, which anycast-routed reads unchanged."""
