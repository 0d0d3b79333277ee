"""Tell an answer of FRR from one that broke off, or that is not FRR's. Pure."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from anycast_routed.announce.frr.vtysh import documents
from anycast_routed.errors import RouterUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def by_question(questions: Sequence[str], answers: str) -> dict[str, Any]:
    """Return each question's answer. vtysh exits with 0 even if bgpd dies while it answers."""
    try:
        return dict(zip(questions, documents(answers), strict=True))
    except ValueError as error:
        raise broken_off(daemon="bgpd") from error


class BrokenOffError(RouterUnavailableError):
    """An answer has no end, or cannot be parsed."""


def broken_off(*, daemon: str) -> BrokenOffError:
    """Return the error for an answer of this daemon that has no end."""
    hint = "it has died, or is being restarted: systemctl status frr"
    return BrokenOffError(f"the answer of FRR's {daemon} broke off", hint=hint)
