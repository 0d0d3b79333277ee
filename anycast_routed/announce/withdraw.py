"""Withdraw prefixes: always first in our file, so that no reload brings them back.

| function | file | router |
|---|---|---|
| `withdraw` | without these prefixes | exactly these prefixes, by the fastest way |
| `withdraw_unplanned` | only prefixes that may stay | as `withdraw` |
| `withdraw_all` | without any prefix | all our prefixes |
| `withdraw_everywhere` | the same for each router that may be ours | the same |
| `shorten_file` | only these prefixes | untouched |
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from anycast_routed.announce import choose, owner, router_file
from anycast_routed.decide.proof import bearable
from anycast_routed.errors import AnycastRoutedError, NotConfirmedError, RouterUnavailableError
from anycast_routed.system import files

if TYPE_CHECKING:
    from anycast_routed.announce.speaker import Speaker
    from anycast_routed.config import Config
    from anycast_routed.model import Plan, Prefix, Readback


def withdraw(speaker: Speaker, gone: frozenset[Prefix]) -> None:
    """Withdraw exactly these prefixes, now: the daemon does this first with each new plan.

    No text is rendered and no read-back is awaited: `transaction.bring` of the new plan gives the
    proof, and sends nothing more for these prefixes.

    If there is no shortened file (it is missing, an operator's own template made it, or the disk
    is full and it had to be deleted), a reload would withdraw healthy prefixes too. Then the
    router withdraws without the file, which on BIRD affects the whole service.

    Raises:
        RouterUnavailableError, AccessDeniedError: the router did not get the command; the file is
            shortened.
        CannotWriteError: the file could neither be shortened nor deleted; the router got the
            command.
    """
    loaded = ""
    try:
        text = router_file.read(speaker)
        if text is not None and _shorten(speaker, text, speaker.layout.without(text, gone)):
            loaded = text
    finally:
        speaker.withdraw(gone, loaded=loaded)


def can_withdraw_exactly(speaker: Speaker, gone: frozenset[Prefix]) -> bool:
    """Tell whether `withdraw` of these prefixes touches no other prefix.

    It does where the router must reload our file, and does not run what the file holds, or the
    text cannot be cut: then BIRD has to disable whole services.
    """
    if not speaker.layout.reads_file:
        return True
    text = router_file.read(speaker)
    return bool(text and speaker.layout.without(text, gone)) and speaker.is_loaded(text or "")


def withdraw_unplanned(speaker: Speaker, plan: Plan, before: Readback) -> None:
    """Withdraw the held prefixes that may not stay as they are; do nothing if there are none.

    These are the prefixes that the plan no longer has, and those that it lowers, after a load that
    would have lowered them has failed.
    """
    kept = bearable(plan, before.originated)
    held = frozenset(route.prefix for route in before.originated)
    if not speaker.layout.reads_file:
        # The router can have a prefix in its config that it cannot announce yet.
        held |= speaker.layout.held(router_file.read(speaker) or "")
    if gone := held - kept:
        try:
            shorten_file(speaker, kept)
        finally:
            withdraw(speaker, gone)


def withdraw_all(speaker: Speaker) -> None:
    """Withdraw all our prefixes. Works with a broken config of the operator, and on a full disk.

    Raises:
        NotConfirmedError: they are withdrawn, but the router will bring them back by itself.
    """
    loaded = ""
    try:
        loaded = router_file.read(speaker) or ""
        shorten_file(speaker, frozenset())
    finally:
        speaker.withdraw(loaded=loaded)
    if (seconds := speaker.undo_in()) is not None:
        message = f"{speaker.name} will undo its config in {seconds:.0f} s, and announce again"
        hint = (
            "a `configure timeout` is pending: withdraw again after it, or: birdc configure confirm"
        )
        raise NotConfirmedError(message, hint=hint)


def withdraw_everywhere(config: Config, known: Speaker | None) -> None:
    """Withdraw all our prefixes from the known router; without one, from each that is running.

    Raises:
        NotConfirmedError, RouterUnavailableError: something may still be announced.
    """
    if known is not None:
        withdraw_all(known)
        return
    try:
        speakers = choose.every(config)
    except RouterUnavailableError:
        # No router runs, so nothing is announced; a router must start with nothing either.
        shorten_files(config, frozenset())
    else:
        with contextlib.ExitStack() as each:
            for one in speakers:
                # No router was found yet: what it holds may be another instance's.
                if not any(owner.finding(one)):
                    each.callback(withdraw_all, one)


def shorten_file(speaker: Speaker, kept: frozenset[Prefix]) -> None:
    """Leave only these prefixes in the file, so that no start of the router brings others back.

    If the shortened file cannot be written, it is deleted, which needs no space; a missing file
    means no prefixes. Anything else in its place is deleted too.

    If the router is down and could not start with the file, because another program damaged it,
    the text is kept as `.rejected`, and the file becomes empty.
    """
    current = router_file.read(speaker)
    if current is None:
        router_file.remove_unusable(speaker)
        return
    gone = speaker.layout.held(current) - kept if kept else None
    shortened = speaker.layout.without(current, gone)
    _shorten(speaker, current, shortened)
    if shortened and not speaker.starts_with(shortened):
        router_file.keep_rejected(speaker, shortened)
        replace_file(speaker, "")


def shorten_files(config: Config, kept: frozenset[Prefix]) -> None:
    """Leave only these prefixes in the file of each router that may start with one.

    Raises:
        OtherOwnerError: another instance has written a file.
    """
    for speaker in choose.starting_with_file(config):
        owner.refuse_file(speaker)
        shorten_file(speaker, kept)


def replace_file(speaker: Speaker, text: str | None) -> bool:
    """Write the text; delete the file if there is no text, or if it cannot be written.

    Returns whether the text was written.
    """
    if text is not None:
        with contextlib.suppress(AnycastRoutedError):
            router_file.write(speaker, text)
            return True
    files.remove(speaker.file)
    return False


def _shorten(speaker: Speaker, text: str, shortened: str) -> bool:
    """Write the shortened text; return whether the file is one that a router may load."""
    if shortened != text and not replace_file(speaker, shortened):
        return False
    return shortened != ""
