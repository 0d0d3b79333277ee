"""Follow the addresses of a host in a thread, and wait for what is reported."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress

from anycast_routed.lab import eventually
from anycast_routed.model import Host
from anycast_routed.observe import netlink_addresses

_LIMIT = 20.0
"""Seconds after which a test fails for lack of a report, which usually takes milliseconds."""


class Follower:
    """Keeps everything that `netlink_addresses.changes` yields; its event loop can be held up."""

    def __init__(self) -> None:
        self.seen: list[Host] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    async def run(self, buffer: int) -> None:
        """Follow until stopped."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        with suppress(asyncio.CancelledError):
            async with aclosing(netlink_addresses.changes(buffer=buffer)) as changes:
                async for seen in changes:
                    self.seen.append(seen)

    def stop(self) -> None:
        """End `run`, from another thread."""
        assert self._loop is not None
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """Block the event loop inside the `with` block."""
        assert self._loop is not None
        held, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            go_on.wait(60)

        self._loop.call_soon_threadsafe(hold)
        assert held.wait(_LIMIT)
        yield
        go_on.set()

    def reports(self, expected: Callable[[Host], bool]) -> Host:
        """Wait until the last report is as expected, and return it."""
        eventually(lambda: self.seen and expected(self.seen[-1]), within=_LIMIT, every=0.002)
        return self.seen[-1]

    def has(self, address: str, **fields: object) -> Host:
        """Wait until an address with these fields is reported."""
        return self.reports(
            lambda seen: any(
                str(one.address) == address
                and all(getattr(one, name) == value for name, value in fields.items())
                for one in seen.addresses
            )
        )

    def lacks(self, address: str) -> Host:
        """Wait until the address is no longer reported."""
        return self.reports(
            lambda seen: address not in {str(one.address) for one in seen.addresses}
        )
