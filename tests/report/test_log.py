"""The daemon's log on stderr; a full, closed or slow stderr never stops the daemon."""

from __future__ import annotations

import fcntl
import io
import os
import re
import socket
from pathlib import Path
from typing import IO

import pytest

from anycast_routed.report.log import Level, Log


def said(**fields: object) -> str:
    stream = io.StringIO()
    Log(stream, {}).info("withdrawn", **fields)
    return stream.getvalue().partition(" ")[2].rstrip("\n")


def test_a_line_is_a_text_and_its_fields() -> None:
    assert said(prefix="10.10.10.10/32", why="dns is down: SERVFAIL") == (
        'withdrawn prefix=10.10.10.10/32 why="dns is down: SERVFAIL"'
    )
    assert said() == "withdrawn"
    assert said(seconds=0.0213941, service=None, text="", n=3) == (
        'withdrawn seconds=0.0213941 text="" n=3'
    )


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("a\n<0>forged", '"a\\n<0>forged"'),
        ('say "hi" \\', '"say \\"hi\\" \\\\"'),
        ("\x1b[31mred", '"\\x1b[31mred"'),
        ("a=b", '"a=b"'),
        ("\udcff ü", '"\\udcff \\xfc"'),
    ],
)
def test_a_hostile_text_is_one_quoted_value(hostile: str, shown: str) -> None:
    assert said(why=hostile) == f"withdrawn why={shown}"


def test_a_line_is_bounded() -> None:
    fields = {f"field{number}": "x" * 10_000 for number in range(100)}
    assert len(said(**fields)) == 2000


def test_without_the_journal_each_line_begins_with_the_time() -> None:
    stream = io.StringIO()
    Log(stream, {"JOURNAL_STREAM": "8:1234"}).warning("slow", seconds=2)
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"
    assert re.fullmatch(rf"{stamp} slow seconds=2\n", stream.getvalue())


def test_the_journal_gets_priorities_and_no_time() -> None:
    ours, journald = socket.socketpair()
    with ours, journald, ours.makefile("w") as stream:
        there = os.fstat(ours.fileno())
        environ = {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"}
        log = Log(stream, environ, most=Level.DEBUG)
        log.error("e")
        log.warning("w")
        log.info("i")
        log.debug("d", why="x")
        assert journald.recv(1000) == b"<3>e\n<4>w\n<6>i\n<7>d why=x\n"


def test_lines_below_the_level_are_not_written(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        for level in (Level.WARNING, Level.INFO):
            log = Log(stream, {}, most=level)
            log.debug("d")
            log.info("i")
            log.warning("w")
    words = [line.split()[1] for line in (tmp_path / "log").read_text().splitlines()]
    assert words == ["w", "i", "w"]


def closed() -> IO[str]:
    stream = Path(os.devnull).open("w")  # noqa: SIM115 - closing it is the point
    stream.close()
    return stream


@pytest.mark.fault(37)
def test_lines_that_cannot_be_written_are_dropped() -> None:
    with Path("/dev/full").open("w") as full:
        reader, writer = os.pipe()
        os.close(reader)
        with open(writer, "w") as broken:  # noqa: PTH123 - a descriptor has no path
            for stream in (full, broken, closed(), None):
                log = Log(stream, {})  # type: ignore[arg-type]
                log.info("nothing is raised")


@pytest.mark.fault(37)
def test_a_reader_that_does_not_read_does_not_stop_the_log() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb", 0) as pipe, open(writer, "w") as stream:  # noqa: PTH123
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        log = Log(stream, {})
        for _ in range(500):
            log.info("withdrawn", prefix="10.10.10.10/32")
        lines = pipe.read(65536).splitlines()
        assert 0 < len(lines) < 500
        log.info("awake")
        assert pipe.read(65536).endswith(b" awake\n")
        assert {line.partition(b" ")[2] for line in lines} == {b"withdrawn prefix=10.10.10.10/32"}
