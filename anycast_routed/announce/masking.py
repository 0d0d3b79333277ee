"""What of a router's config may be shown: all but its passwords, and what guards them. Pure."""

from __future__ import annotations

import re

from anycast_routed.secret import MASK

_BIRD = re.compile(r'(\bpassword\s+")([^"\n]+)(")')
_FRR = re.compile(r"(\bneighbor \S+ password )(\S.*?)( *$)", re.MULTILINE)
_KEY = re.compile(r"([#!] anycast-routed inputs=.* key=)([0-9a-f]+)()")


def masked(text: str) -> str:
    """Return a config of ours, or a part of it, with `********` for each password."""
    for secret in (_BIRD, _FRR, _KEY):
        text = secret.sub(rf"\g<1>{MASK}\g<3>", text)
    return text


def passwords_in(text: str) -> frozenset[str]:
    """Return the passwords of a config of ours."""
    if "password" not in text:
        return frozenset()
    return frozenset(found[1] for secret in (_BIRD, _FRR) for found in secret.findall(text))


def quoted_safely(said: str, text: str) -> str:
    """Return what a router has said about a config, without any password of that config."""
    said = masked(said)
    for password in sorted(passwords_in(text) - {MASK}, key=len, reverse=True):
        said = said.replace(password, MASK)
    return said
