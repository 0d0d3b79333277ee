"""Run a watch of files in a test, and wait for its reports."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from anycast_routed.observe.file_watch import Watch

_LIMIT = 20.0
"""Seconds after which a test fails for lack of a report, which usually takes 0.1 s."""
_SILENCE = 0.3
"""Seconds without a report after which no more is expected."""


@asynccontextmanager
async def watching(*paths: Path, poll: float = 60.0) -> AsyncGenerator[Watch, None]:
    """Watch the paths, without a poll that could hide a missed event.

    The watch works by then: it has reported an event of a file of its own. That file is replaced by
    a rename, which is one event, so that no later event of it coincides with the test.
    """
    with TemporaryDirectory() as directory:
        canary = Path(directory) / "canary"
        watch = Watch([canary, *paths], poll=poll)
        watch.look()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(watch.run())
            # The first look may see the first change; only an event can report the second.
            for content in ("first", "second"):
                replace(canary, content)
                assert await reported(watch) == {canary}
            yield watch
            task.cancel()


def replace(path: Path, content: str) -> None:
    """Replace a file by a rename, as one event."""
    path.with_name("new").write_text(content)
    path.with_name("new").rename(path)


async def reported(watch: Watch, within: float = _LIMIT) -> frozenset[Path]:
    """Return the paths of the next report."""
    async with asyncio.timeout(within):
        return await watch.changed()


async def silent(watch: Watch) -> bool:
    """Return whether nothing is reported for longer than a series of changes may take."""
    try:
        await reported(watch, within=_SILENCE)
    except TimeoutError:
        return True
    return False


async def last_report(watch: Watch, path: Path, content: str) -> None:
    """Wait for reports until the file has this content and nothing more is reported."""
    await reported(watch)
    async with asyncio.timeout(_LIMIT):
        while path.read_text() != content or not await silent(watch):  # noqa: ASYNC240 - a test
            pass
