"""The errors of a config that BIRD, or an operator's trial of one, refuses. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from anycast_routed.announce.masking import quoted_safely
from anycast_routed.errors import RejectedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from anycast_routed.announce.bird.socket import Reply
    from anycast_routed.model import Prefix

_NAMED = 3
"""How many prefixes a message names."""
_CLASH = re.compile(r"[Ss]ymbol '?(\w+)'? already defined")


def on_trial(seconds: str) -> RejectedError:
    """Return the error while BIRD will undo a config in so many seconds."""
    message = (
        f"BIRD will undo a trial of the operator's config (`configure timeout`) in {seconds} s"
    )
    hint = "nothing is loaded until then; to end the trial: birdc configure confirm"
    return RejectedError(message, hint=hint, text_at_fault=False)


def rejected(reply: Reply, file: Path, text: str) -> RejectedError:
    """Return the error for a refused include file, or for a fault elsewhere in BIRD's config."""
    said = quoted_safely(reply.lines[-1].strip(), text)
    if name := _theirs(said, text):
        # BIRD names whichever of the two definitions it reads last.
        hint = f"nothing was loaded; your part of BIRD's config has {name} too: rename it there"
        return RejectedError(said, hint=hint, text_at_fault=False)
    if str(file) in reply.text:
        hint = f"nothing was loaded; the refused text is kept as {file}.rejected"
        return RejectedError(said, hint=hint)
    hint = "nothing was loaded; mend the part of BIRD's config that is not ours"
    return RejectedError(said, hint=hint, text_at_fault=False)


def shared(left: Mapping[str, Collection[Prefix]]) -> RejectedError:
    """Return the error of prefixes that stay announced, by the protocol that each shares."""
    (protocol, prefixes), *_ = left.items()
    named = ", ".join(sorted(map(str, prefixes))[:_NAMED])
    message = (
        f"{named} stays announced: it shares protocol {protocol} with other prefixes, and BIRD "
        "loads no config now"
    )
    hint = "mend bird.conf, or end the trial of it: birdc configure check"
    return RejectedError(message, hint=hint, text_at_fault=False)


def _theirs(said: str, text: str) -> str:
    """Return the name that our text and the operator's part both define, or the empty string."""
    clash = _CLASH.search(said)
    name = clash[1] if clash else ""
    defined = re.findall(rf"^(?:\w+ )*(?:{re.escape(name)})(?: \{{| =|;)", text, re.MULTILINE)
    return name if name and len(defined) == 1 else ""
