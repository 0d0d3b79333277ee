"""When the watch of a few files says that one has become another, and when it keeps silent."""

# ruff: noqa: ASYNC240 - it is the blocking calls of others that are watched

import asyncio
import os
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from anycast_routed.observe.file_watch import Watch
from anycast_routed.system.commands import run
from tests.support.paths import ROOT

LIMITED = """
import asyncio, sys
from pathlib import Path
from anycast_routed.observe.file_watch import Watch

async def main(folder):
    config = folder / "config"
    config.write_text("old")
    watch = Watch([config], poll=0.1)
    watch.look()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(watch.run())
        config.write_text("new")
        print(await asyncio.wait_for(watch.changed(), 10) == {config})
        running.cancel()

asyncio.run(main(Path(sys.argv[1])))
"""


@asynccontextmanager
async def watching(*paths: Path, poll: float = 60.0) -> AsyncGenerator[Watch, None]:
    """Watch the paths; without a `poll` that could hide a missed event."""
    with TemporaryDirectory() as folder:
        canary = Path(folder) / "canary"
        watch = Watch([canary, *paths], poll=poll)
        watch.look()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(watch.run())
            # The first look may see the first change of it; the second only an event can tell.
            for content in ("is here", "sings"):
                canary.write_text(content)
                assert await told(watch) == {canary}
            yield watch
            task.cancel()


async def told(watch: Watch, within: float = 3.0) -> frozenset[Path]:
    async with asyncio.timeout(within):
        return await watch.changed()


async def silent(watch: Watch) -> bool:
    """Whether nothing is told for longer than a burst of changes may take."""
    try:
        await told(watch, within=0.3)
    except TimeoutError:
        return True
    return False


async def last_report(watch: Watch, path: Path, content: str) -> None:
    """Wait for reports until the file has its content, and nothing more is told."""
    await told(watch)
    async with asyncio.timeout(3):
        while path.read_text() != content or not await silent(watch):
            pass


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.write_text("old")
    return path


def in_place(config: Path) -> None:
    config.write_text("new")


def by_rename(config: Path) -> None:
    config.with_name("new").write_text("new")
    config.with_name("new").rename(config)


def emptied(config: Path) -> None:
    os.truncate(config, 0)


def deleted(config: Path) -> None:
    config.unlink()


def moved_away(config: Path) -> None:
    config.rename(config.with_name("config.old"))


def a_folder(config: Path) -> None:
    config.unlink()
    config.mkdir()


def a_fifo(config: Path) -> None:
    config.unlink()
    os.mkfifo(config)


@pytest.mark.parametrize(
    "change", [in_place, by_rename, emptied, deleted, moved_away, a_folder, a_fifo]
)
async def test_every_way_to_become_another_file(
    config: Path, change: Callable[[Path], None]
) -> None:
    other = config.with_name("other")
    async with watching(other, config) as watch:
        change(config)
        assert await told(watch) == {config}
        assert await silent(watch)


async def test_what_is_no_change(config: Path) -> None:
    async with watching(config) as watch:
        config.read_text()
        config.touch()
        config.write_text("old")
        config.chmod(0o600)
        by_rename(config.with_name("another"))
        config.write_text("new")
        config.write_text("old")
        assert await silent(watch)


async def test_a_file_that_is_written_bit_by_bit(config: Path) -> None:
    async with watching(config) as watch:
        with config.open("w") as file:
            for word in ("half ", "a ", "config"):
                file.write(word)
                file.flush()
                await asyncio.sleep(0.01)
        await last_report(watch, config, "half a config")


async def test_a_file_that_never_stands_still_is_told_all_the_same(config: Path) -> None:
    async with watching(config) as watch, asyncio.TaskGroup() as tasks:

        async def scribble() -> None:
            for number in range(10_000):
                config.write_text(str(number))
                await asyncio.sleep(0.01)

        scribbling = tasks.create_task(scribble())
        assert await told(watch) == {config}
        assert await told(watch) == {config}
        scribbling.cancel()


def volume(folder: Path, content: str) -> None:
    """Fill a volume as a kubelet does: config -> ..data/config, ..data -> ..CONTENT."""
    (folder / f"..{content}").mkdir()
    (folder / f"..{content}" / "config").write_text(content)
    (folder / "..data_tmp").symlink_to(f"..{content}")
    (folder / "..data_tmp").rename(folder / "..data")
    if not (folder / "config").is_symlink():
        (folder / "config").symlink_to("..data/config")


async def test_a_kubernetes_volume_and_a_link_to_it(tmp_path: Path) -> None:
    mount, etc = tmp_path / "mount", tmp_path / "etc"
    mount.mkdir()
    volume(mount, "old")
    etc.symlink_to(mount)
    config = etc / "config"
    async with watching(config) as watch:
        for content in ("new", "newer"):
            volume(mount, content)
            assert await told(watch) == {config}
            assert config.read_text() == content
        (mount / "..newer" / "config").write_text("edited in place")
        assert await told(watch) == {config}
        (tmp_path / "elsewhere").mkdir()
        volume(tmp_path / "elsewhere", "swapped")
        etc.unlink()
        etc.symlink_to("elsewhere")
        assert await told(watch) == {config}


async def test_a_folder_that_comes_goes_and_comes_again(tmp_path: Path) -> None:
    config = tmp_path / "a" / "b" / "config"
    async with watching(config) as watch:
        for content in ("one", "two"):
            config.parent.mkdir(parents=True)
            config.write_text(content)
            assert await told(watch) == {config}
            config.write_text(f"{content}, edited")
            assert await told(watch) == {config}
            config.unlink()
            config.parent.rmdir()
            config.parent.parent.rmdir()
            assert await told(watch) == {config}


async def test_a_folder_that_is_replaced_under_its_name(tmp_path: Path) -> None:
    config = tmp_path / "etc" / "config"
    config.parent.mkdir()
    config.write_text("old")
    async with watching(config, poll=0.1) as watch:
        config.parent.rename(tmp_path / "etc.old")
        assert await told(watch) == {config}
        config.parent.mkdir()
        config.write_text("new")
        assert await told(watch) == {config}


async def test_a_socket_is_another_when_its_server_has_restarted(tmp_path: Path) -> None:
    control = tmp_path / "bird.ctl"

    def listen() -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(control))

    listen()
    async with watching(control) as watch:
        assert await silent(watch)
        control.unlink()
        listen()
        assert await told(watch) == {control}
        control.unlink()
        assert await told(watch) == {control}


async def test_a_fifo_never_blocks_it(tmp_path: Path) -> None:
    fifo, config = tmp_path / "fifo", tmp_path / "config"
    os.mkfifo(fifo)
    async with watching(fifo, config) as watch:
        config.write_text("new")
        assert await told(watch) == {config}
        fifo.unlink()
        fifo.write_text("a file")
        assert await told(watch) == {fifo}


async def test_a_change_before_it_runs_is_told(config: Path) -> None:
    watch = Watch([config])
    watch.look()
    config.write_text("new")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(watch.run())
        assert await told(watch) == {config}
        task.cancel()


async def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    round_about, dangling = tmp_path / "round", tmp_path / "dangling"
    round_about.symlink_to(round_about)
    dangling.symlink_to("missing/config")
    async with watching(round_about, dangling) as watch:
        (tmp_path / "missing").mkdir()
        (tmp_path / "missing" / "config").write_text("new")
        assert await told(watch) == {dangling}
        round_about.unlink()
        round_about.write_text("new")
        assert await told(watch) == {round_about}


async def test_its_threads_end_with_it(config: Path) -> None:
    before = set(threading.enumerate())
    async with watching(config):
        during = {thread for thread in threading.enumerate() if "asyncio" not in thread.name}
        assert during - before
    left = {thread for thread in threading.enumerate() if "asyncio" not in thread.name}
    assert not left - before


@pytest.mark.integration
@pytest.mark.parametrize("limit", ["max_inotify_instances", "max_inotify_watches"])
def test_without_inotify_it_polls(tmp_path: Path, limit: str) -> None:
    root = str(ROOT)
    script = f'echo 0 >/proc/sys/user/{limit} && exec "$@"'
    done = run(
        ["unshare", "-Ur", "sh", "-c", script, "sh", sys.executable, "-c", LIMITED, str(tmp_path)],
        within=20,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert (done.out, done.err) == ("True\n", "")
