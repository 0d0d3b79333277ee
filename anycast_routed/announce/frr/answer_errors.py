"""Ask FRR, and tell an answer from one that broke off, or that is not FRR's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr.vtysh import documents
from anycast_routed.errors import RouterUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anycast_routed.announce.frr.vtysh import Vtysh

AT_ONCE = 1_000
"""The questions of one call: each takes FRR 8.4.4 up to 0.7 ms on a busy machine."""
_ODD = (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError)


@contextlib.contextmanager
def odd_answers_named() -> Iterator[None]:
    """Turn the error of an answer that is not one of FRR's into one that names FRR."""
    try:
        yield
    except _ODD as error:
        message = f"FRR's answer cannot be understood: {type(error).__name__}: {error}"
        hint = "which version is it? see: vtysh -c 'show version'"
        raise RouterUnavailableError(message, hint=hint) from error


def ask(vtysh: Vtysh, daemon: str, questions: Sequence[str]) -> dict[str, Any]:
    """Return each question's answer, in as many calls as need no more than the time of a call each.

    Raises:
        RouterUnavailableError, AccessDeniedError: as `Vtysh.ask`.
        BrokenOffError: as `by_question`.
    """
    found: dict[str, Any] = {}
    for at in range(0, len(questions), AT_ONCE):
        some = questions[at : at + AT_ONCE]
        found |= by_question(some, vtysh.ask(daemon, some), daemon=daemon)
    return found


def by_question(questions: Sequence[str], answers: str, *, daemon: str = "bgpd") -> dict[str, Any]:
    """Return each question's answer.

    Raises:
        BrokenOffError: vtysh exits with 0 even if the daemon dies while it answers.
    """
    try:
        return dict(zip(questions, documents(answers), strict=True))
    except ValueError as error:
        raise broken_off(daemon=daemon) from error


class BrokenOffError(RouterUnavailableError):
    """An answer has no end, or cannot be parsed."""


def broken_off(*, daemon: str) -> BrokenOffError:
    """Return the error for an answer of this daemon that has no end."""
    hint = "it has died, or is being restarted: systemctl status frr"
    return BrokenOffError(f"the answer of FRR's {daemon} broke off", hint=hint)
