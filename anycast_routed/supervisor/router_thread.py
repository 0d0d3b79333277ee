"""The one thread in which everything runs that blocks on the router."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from anycast_routed.errors import AnycastRoutedError, HostError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class RouterThread:
    """Runs what blocks, one call at a time and to its end."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="announce")

    async def run(self, work: Callable[[], T]) -> T:
        """Run a call in the thread, and return its result.

        Raises:
            HostError: this host lacks descriptors or memory for now. Otherwise what the call
                raises.
        """
        doing = asyncio.get_running_loop().run_in_executor(self._worker, work)
        try:
            return await asyncio.shield(doing)
        except OSError as error:
            message = f"this host denies a resource: {error.strerror or error}"
            raise HostError(message, hint="see ulimit -a, and the free memory") from error
        except asyncio.CancelledError:
            # The thread cannot be stopped: the canceller must find the router left alone.
            with contextlib.suppress(AnycastRoutedError, OSError):
                await doing
            raise

    def shutdown(self) -> None:
        """End the thread once its call has ended."""
        self._worker.shutdown()
