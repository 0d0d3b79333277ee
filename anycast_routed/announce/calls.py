"""Report each call to a router that ends: the daemon feeds systemd's watchdog by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_watchers: list[Callable[[], None]] = []


def watch(watcher: Callable[[], None]) -> None:
    """Call `watcher` after each call to a router, in the thread of the call, until this ends.

    It must not raise. The calls are made deep below the daemon, by code that `apply` runs too.
    """
    _watchers.append(watcher)


def ended() -> None:
    """Report that a call has ended, by an answer or by its deadline."""
    for watcher in _watchers:
        watcher()
