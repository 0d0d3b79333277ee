"""The first line of a rendering: digests of what it was made from, and of the text below it.

With them an intact file is known to be up to date without rendering it again, and without loading
jinja2, which a run that changes nothing does not need otherwise.

The digests of a text with passwords have a key. Everyone who sees a digest without a key could try
out passwords offline, and BIRD shows the one in `anycast_routed_loaded` to everyone who may query
it. The key is random and stands in the first line only: a user who can read it can read the
passwords below it, so it needs no protection of its own. It is taken from the file's latest text,
so that an unchanged password makes no new text. If that text is lost, as after a boot, a new key
costs one reload, which touches no session.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

_DIGITS = 16  # hex digits of a digest: 64 bits tell texts apart; security does not depend on them
_KEY_OCTETS = 16
_HEADER = re.compile(
    r"^[#!] anycast-routed inputs=([0-9a-f]+) text=([0-9a-f]+)(?: key=([0-9a-f]{32}))?\n"
)


class Fingerprint(NamedTuple):
    """What an intact rendering was made from."""

    inputs: str
    """The digest of template and variables."""
    key: str
    """The key of the digest; empty without passwords."""


def of(text: str) -> Fingerprint | None:
    """Return the fingerprint of a rendering; None if the text has none, or was changed."""
    header = _HEADER.match(text)
    key = (header and header.group(3)) or ""
    if header is None or digest(text[header.end() :], key) != header.group(2):
        return None
    return Fingerprint(header.group(1), key)


def compute(inputs: str, current: str | None, *, has_passwords: bool) -> Fingerprint:
    """Return the fingerprint of these inputs, with the key of the `current` text if it has one."""
    header = _HEADER.match(current or "")
    key = ""
    if has_passwords:
        key = (header and header.group(3)) or secrets.token_hex(_KEY_OCTETS)
    return Fingerprint(digest(inputs, key), key)


def header(comment: str, fingerprint: Fingerprint, body: str) -> str:
    """Return the first line of a rendering; `comment` begins a comment in the router's language."""
    inputs, key = fingerprint
    facts = f"inputs={inputs} text={digest(body, key)}" + (f" key={key}" if key else "")
    return f"{comment} anycast-routed {facts}\n"


def digest(text: str, key: str) -> str:
    """Return the digest of a text, with a key if there is one."""
    content = text.encode("utf-8", "surrogateescape")
    if not key:
        return hashlib.sha256(content).hexdigest()[:_DIGITS]
    return hmac.new(key.encode("ascii"), content, "sha256").hexdigest()[:_DIGITS]
