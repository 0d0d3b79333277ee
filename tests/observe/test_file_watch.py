"""Which changes of a file the watch reports, and which it does not."""

# ruff: noqa: ASYNC240 - the blocking calls are the changes that are watched

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from anycast_routed.observe.file_watch import Watch
from anycast_routed.system.commands import run
from tests.observe.watched_files import last_report, replace, reported, silent, watching
from tests.support.paths import ROOT

LIMITED = """
import asyncio, sys
from pathlib import Path
from anycast_routed.observe.file_watch import Watch

async def main(directory):
    config = directory / "config"
    config.write_text("old")
    watch = Watch([config], poll=0.1)
    watch.look()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watch.run())
        config.write_text("new")
        print(await asyncio.wait_for(watch.changed(), 30) == {config})
        running.cancel()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text("old")
    return path


def in_place(config: Path) -> None:
    config.write_text("new")


def by_rename(config: Path) -> None:
    replace(config, "new")


def emptied(config: Path) -> None:
    os.truncate(config, 0)


def deleted(config: Path) -> None:
    config.unlink()


def moved_away(config: Path) -> None:
    config.rename(config.with_name("config.old"))


def a_directory(config: Path) -> None:
    config.unlink()
    config.mkdir()


def a_fifo(config: Path) -> None:
    config.unlink()
    os.mkfifo(config)


@pytest.mark.parametrize(
    "change", [in_place, by_rename, emptied, deleted, moved_away, a_directory, a_fifo]
)
async def test_every_kind_of_change_is_reported_once(
    config: Path, change: Callable[[Path], None]
) -> None:
    other = config.with_name("other")
    async with watching(other, config) as watch:
        change(config)
        assert await reported(watch) == {config}
        assert await silent(watch)


async def test_the_same_content_is_no_change(config: Path) -> None:
    async with watching(config) as watch:
        config.read_text()
        config.touch()
        config.write_text("old")
        config.chmod(0o600)
        by_rename(config.with_name("another"))
        config.write_text("new")
        config.write_text("old")
        assert await silent(watch)


async def test_a_file_that_is_written_in_pieces_is_reported_when_it_is_complete(
    config: Path,
) -> None:
    async with watching(config) as watch:
        with config.open("w") as file:
            for word in ("half ", "a ", "config"):
                file.write(word)
                file.flush()
                await asyncio.sleep(0.01)
        await last_report(watch, config, "half a config")


async def test_a_file_that_changes_all_the_time_is_reported_again_and_again(config: Path) -> None:
    async with watching(config) as watch, asyncio.TaskGroup() as tasks:

        async def keep_writing() -> None:
            for number in range(10_000):
                config.write_text(str(number))
                await asyncio.sleep(0.01)

        writing = tasks.create_task(keep_writing())
        assert await reported(watch) == {config}
        assert await reported(watch) == {config}
        writing.cancel()


async def test_a_socket_changes_when_its_server_restarts(tmp_path: Path) -> None:
    control = tmp_path / "bird.ctl"

    def listen() -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(control))

    listen()
    async with watching(control) as watch:
        assert await silent(watch)
        control.unlink()
        listen()
        assert await reported(watch) == {control}
        control.unlink()
        assert await reported(watch) == {control}


async def test_a_fifo_does_not_block_the_watch(tmp_path: Path) -> None:
    fifo, config = tmp_path / "fifo", tmp_path / "config"
    os.mkfifo(fifo)
    async with watching(fifo, config) as watch:
        config.write_text("new")
        assert await reported(watch) == {config}
        fifo.unlink()
        fifo.write_text("a file")
        assert await reported(watch) == {fifo}


async def test_a_change_between_look_and_run_is_reported(config: Path) -> None:
    watch = Watch([config])
    watch.look()
    config.write_text("new")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.run())
        assert await reported(watch) == {config}
        task.cancel()


async def test_the_threads_end_with_the_watch(config: Path) -> None:
    before = set(threading.enumerate())
    async with watching(config):
        during = {thread for thread in threading.enumerate() if "asyncio" not in thread.name}
        assert during - before
    left = {thread for thread in threading.enumerate() if "asyncio" not in thread.name}
    assert not left - before


@pytest.mark.integration
@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_without_inotify_the_watch_polls(tmp_path: Path, limit: str) -> None:
    root = str(ROOT)
    script = f'echo 0 >/proc/sys/user/{limit} && exec "$@"'
    done = run(
        ["unshare", "-Ur", "sh", "-c", script, "sh", sys.executable, "-c", LIMITED, str(tmp_path)],
        within=60,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert (done.out, done.err) == ("True\n", "")
