"""Convert BGP communities to the form "65535:0", whatever form a daemon prints."""

from __future__ import annotations

# https://www.iana.org/assignments/bgp-well-known-communities
# BIRD and FRR write these names with different hyphens and in different case.
_NAMES = {
    "gracefulshutdown": "65535:0",
    "acceptown": "65535:1",
    "blackhole": "65535:666",
    "noexport": "65535:65281",
    "noadvertise": "65535:65282",
    "localas": "65535:65283",
    "noexportsubconfed": "65535:65283",
    "nopeer": "65535:65284",
}


def as_numbers(community: int | str) -> str:
    """Return a community as two numbers.

    4294901760, "graceful-shutdown", "gracefulShutdown" and "65535:0" all give "65535:0".
    """
    if isinstance(community, int):
        return f"{community >> 16}:{community & 0xFFFF}"
    return _NAMES.get(community.lower().replace("-", ""), community)
