"""Run calls that may block forever, such as a read on a frozen file system, in daemon threads.

An executor does not do: its few threads would all block in time, and Python waits for the threads
of an executor when it exits.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

from anycast_routed.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def in_daemon_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Start `work` in a daemon thread of its own, and return a future of its result.

    Only a caller that awaits the future waits for the thread. A caller starts one call at a time,
    so that there are never more threads than callers.

    Raises:
        HostError: this host has no memory or no process number left for a thread.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return  # The future was cancelled while the thread ran.
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # without an error it is a T

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - the future raises it where it is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # The event loop may be closed by now.
            loop.call_soon_threadsafe(finish, result, failure)

    try:
        threading.Thread(target=run, name="daemon-thread", daemon=True).start()
    except RuntimeError as error:
        message = f"cannot start a thread: {error}"
        raise HostError(message, hint="check the limits (ulimit -a) and free memory") from error
    return future
