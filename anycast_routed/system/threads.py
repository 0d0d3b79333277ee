"""What may hang for ever, as a read or a write on a frozen file system does, beside the event loop.

No executor does this: its few threads would all hang one day, and Python waits for them at its end.
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


def beside(work: Callable[[], T]) -> asyncio.Future[T]:
    """Begin the work in a thread of its own, which nobody ever waits for but who awaits this.

    A caller has one at a time, so that there are never more threads than callers.

    Raises:
        HostError: this host lacks the memory for a thread, which passes.
    """
    loop = asyncio.get_running_loop()
    doing: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if doing.done():
            return  # It was cancelled meanwhile.
        if error is not None:
            doing.set_exception(error)
        else:
            doing.set_result(result)  # type: ignore[arg-type]  # without an error it is a T

    def run() -> None:
        result, problem = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the work is awaited
            problem = error
        with contextlib.suppress(RuntimeError):  # The event loop may be closed by now.
            loop.call_soon_threadsafe(tell, result, problem)

    try:
        threading.Thread(target=run, name="beside", daemon=True).start()
    except RuntimeError as error:
        message = f"this host does not let us work: {error}"
        raise HostError(message, hint="see ulimit -a, and the memory") from error
    return doing
