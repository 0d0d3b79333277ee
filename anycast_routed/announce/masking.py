"""Mask the passwords in a router's config, and the key of their digests, for display. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anycast_routed.password import MASK

if TYPE_CHECKING:
    from pathlib import Path

# A user who can write our file can fill it with anything, and no pattern may delay a withdrawal:
# each takes time in proportion to the text. None spans lines, because text is shown line by line.
_BIRD = re.compile(r'(\bpassword[ \t]*+")([^"\n]+)(")')
_FRR = re.compile(r"(\bneighbor ++\S++ ++password ++)(\S.*+)()")
_KEY = re.compile(r"([#!] anycast-routed inputs=\S*+ text=\S*+ key=)([0-9a-f]+)()")


def masked(text: str) -> str:
    """Return our config, or a part of it, with `********` for each password."""
    for secret in (_BIRD, _FRR, _KEY):
        text = secret.sub(rf"\g<1>{MASK}\g<3>", text)
    return text


def passwords_in(text: str) -> frozenset[str]:
    """Return the passwords in our config."""
    if "password" not in text:
        return frozenset()
    return frozenset(
        found[1].rstrip() for secret in (_BIRD, _FRR) for found in secret.findall(text)
    )


def quoted_safely(said: str, text: str) -> str:
    """Return a router's message about a config, without any password of that config."""
    said = masked(said)
    for password in sorted(passwords_in(text) - {MASK}, key=len, reverse=True):
        said = said.replace(password, MASK)
    return said


def difference(file: Path, before: str | None, after: str | None) -> list[str]:
    """Return the change of a file as a unified diff, without its passwords.

    A changed password shows as two lines that look the same.
    """
    import difflib  # noqa: PLC0415 - only few verbs need it

    # No password spans lines, as the routers split them: so each line is masked alone.
    old, new = (text.removesuffix("\n").split("\n") if text else [] for text in (before, after))
    lines = difflib.unified_diff(old, new, str(file), str(file), lineterm="")
    return [masked(line) for line in lines]
