"""What of a router's config may be shown: all but its passwords, and what guards them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anycast_routed.password import MASK

if TYPE_CHECKING:
    from pathlib import Path

# Who may write our file may fill it, and none of these may then keep a withdrawal waiting: each
# takes a time in proportion to the text. All stay on one line, as what is shown goes by lines.
_BIRD = re.compile(r'(\bpassword[ \t]*+")([^"\n]+)(")')
_FRR = re.compile(r"(\bneighbor ++\S++ ++password ++)(\S.*+)()")
_KEY = re.compile(r"([#!] anycast-routed inputs=\S*+ text=\S*+ key=)([0-9a-f]+)()")


def masked(text: str) -> str:
    """Return a config of ours, or a part of it, with `********` for each password."""
    for secret in (_BIRD, _FRR, _KEY):
        text = secret.sub(rf"\g<1>{MASK}\g<3>", text)
    return text


def passwords_in(text: str) -> frozenset[str]:
    """Return the passwords of a config of ours."""
    if "password" not in text:
        return frozenset()
    return frozenset(
        found[1].rstrip() for secret in (_BIRD, _FRR) for found in secret.findall(text)
    )


def quoted_safely(said: str, text: str) -> str:
    """Return what a router has said about a config, without any password of that config."""
    said = masked(said)
    for password in sorted(passwords_in(text) - {MASK}, key=len, reverse=True):
        said = said.replace(password, MASK)
    return said


def difference(file: Path, before: str | None, after: str | None) -> list[str]:
    """Return the change of a file as a unified diff, without its passwords.

    Where one has changed, its two lines look the same, and show that it has.
    """
    import difflib  # noqa: PLC0415 - only where somebody asks for it

    # No password goes over the end of a line, as the routers know it: so each is masked alone.
    old, new = (text.removesuffix("\n").split("\n") if text else [] for text in (before, after))
    lines = difflib.unified_diff(old, new, str(file), str(file), lineterm="")
    return [masked(line) for line in lines]
